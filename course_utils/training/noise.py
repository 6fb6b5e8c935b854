"""Random numbers inside the compiled program, each a pure function of run, step and place.

TensorFlow's random operations cannot be mapped over runs, and a mask drawn for a whole block would depend on the other
runs in it. So each number is a hash of where it is needed: a run draws the same mask alone and in a crowd, and nothing
is stored.
"""

import contextlib
import contextvars

import numpy as np
import tensorflow as tf

_current = contextvars.ContextVar("stream", default=None)   # what random layers draw from while a step is traced


def run_key(seed):
    """The 32-bit key from which a run with this seed draws."""
    return np.random.SeedSequence([seed, 0x6E6F6973]).generate_state(1)[0]


class Stream:
    """The draws of one run in one step.

    Parameters
    ----------
    key : uint32 scalar
        Of the run.
    step : int32 scalar
    levels : (number of random layers,) or None
        How strong each is in this run: the rate of a dropout, the standard deviation of a noise.
    """

    def __init__(self, key, step, levels):
        self.key = mix(tf.bitwise.bitwise_xor(key, mix(tf.cast(step, tf.uint32))))
        self.levels = levels
        self.draws = 0

    def bits(self, shape):
        """Uniform 32-bit integers of a static shape, different ones at every call."""
        places = np.random.default_rng(self.draws).integers(2**32, size=shape, dtype=np.uint32)
        self.draws += 1
        return mix(tf.bitwise.bitwise_xor(tf.constant(places), self.key))

    def uniform(self, shape, dtype):
        """Numbers between 0 and 1, neither of them included, of a static shape."""
        bits = tf.bitwise.right_shift(self.bits(shape), tf.constant(8, tf.uint32))   # float32 holds 24 of them
        return tf.minimum((tf.cast(bits, dtype) + 0.5) / 2.0**24, 1 - 2.0**-24)   # which it would round up to 1

    def normal(self, shape, dtype):
        """Numbers from the standard normal distribution, of a static shape (Box & Muller 1958)."""
        first, second = self.uniform(shape, dtype), self.uniform(shape, dtype)
        return tf.sqrt(-2 * tf.math.log(first)) * tf.cos(2 * np.pi * second)


@contextlib.contextmanager
def drawing_from(stream):
    """Let the random layers called inside draw from `stream`."""
    token = _current.set(stream)
    try:
        yield
    finally:
        _current.reset(token)


def current():
    """The stream that a random layer called now draws from."""
    return _current.get()


def mix(x):
    """Scramble 32-bit integers: the finalizer of MurmurHash3 (Appleby 2011)."""
    def fold(x, shift):
        return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.uint32)))

    x = fold(x, 16) * tf.constant(0x85EBCA6B, tf.uint32)
    x = fold(x, 13) * tf.constant(0xC2B2AE35, tf.uint32)
    return fold(x, 16)
