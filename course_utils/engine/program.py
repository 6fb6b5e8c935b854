"""The idea of `fit_many`: one step of one model, mapped over a block of runs and compiled.

A Keras model is used as a formula: `model.stateless_call(weights, x)` computes with the
weights it is given. Stack the weights of ten runs along a first axis, let
`tf.vectorized_map` turn the formula for one run into one for the whole stack (ten small
matrix products become one batched product), put the loop over the steps inside, and have
XLA compile the lot. What is left of Keras's and Python's overhead is paid once per chunk of
steps, not once per step and run.
"""

import contextlib
import functools
import gc
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

_tracing = threading.Lock()   # a lab's thread and a cell may want a program at the same time
_compiler = ThreadPoolExecutor(2, "compiler")


def compile_program(model, *, runs, data_sets, samples, validation, batch_size, capacity,
                    batch_statistics=False):
    """Compile "train some steps, then validate" for a block of runs of one model.

    Parameters
    ----------
    model : keras.Model
        Its own weights are never used.
    runs, samples, validation, batch_size : int
        Sizes: of the block, the training set, the validation set, a batch.
    data_sets : int
        1 if the runs share their images, `runs` if each has its own.
    capacity : int
        The most steps one call can take.
    batch_statistics : bool
        Also validate as in a training step, with the statistics of the validation batch.

    Returns
    -------
    callable ``(trainable, other, learning_rate, order, steps, x, y, x_val, y_val)`` →
    ``(trainable, other, scores)``

        trainable, other : list of (runs, ...) — trainable and non-trainable weights
        learning_rate : (runs,)
        order : int32 (capacity, runs, batch_size) — which samples make up each batch
        steps : int32 — how many of these batches to train on
        x : (data_sets * samples, ...) — all data sets, one below the other
        y : int32 (runs, samples) — labels, some of them wrong, of each run
        x_val : (data_sets, validation, ...);  y_val : int32 (data_sets, validation)
        scores : dict of (runs,) — loss and accuracy averaged over the steps, val_loss and
        val_accuracy (and batch_val_loss, batch_val_accuracy) after the last
    """
    import keras

    def score(y, outputs):
        """Mean loss and accuracy of one batch."""
        hits = tf.equal(tf.argmax(outputs, -1, output_type=y.dtype), y)
        return (tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, outputs)),
                tf.reduce_mean(tf.cast(hits, outputs.dtype)))

    def step(run):
        """One step of stochastic gradient descent, for one run."""
        trainable, other, learning_rate, x, y = run
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            outputs, other = model.stateless_call(trainable, other, x, training=True)
            loss, accuracy = score(y, outputs)
        gradients = tape.gradient(loss, trainable)
        trainable = [w - learning_rate * g for w, g in zip(trainable, gradients, strict=True)]
        return trainable, other, loss, accuracy

    def validate(trainable, other, x, y):
        """Loss and accuracy on validation data, for one run."""
        modes = {"": False} | ({"batch_": True} if batch_statistics else {})
        scores = {}
        for name, training in modes.items():
            outputs, _ = model.stateless_call(trainable, other, x, training=training)
            scores[f"{name}val_loss"], scores[f"{name}val_accuracy"] = score(y, outputs)
        return scores

    @tf.function(jit_compile=xla_works(), autograph=False)
    def program(trainable, other, learning_rate, order, steps, x, y, x_val, y_val):
        shared = data_sets == 1
        first = 0 if shared else samples * np.arange(runs)[:, None]   # where a run's data begin in x

        def train(now, trainable, other, loss, accuracy):
            x_now = tf.gather(x, first + order[now])
            y_now = tf.gather(y, order[now], batch_dims=1)
            trainable, other, loss_now, accuracy_now = for_all_runs(
                step, (trainable, other, learning_rate, x_now, y_now))
            return now + 1, trainable, other, loss + loss_now, accuracy + accuracy_now

        zeros = tf.zeros_like(learning_rate)
        _, trainable, other, loss, accuracy = tf.while_loop(
            lambda now, *_: now < steps, train, (0, trainable, other, zeros, zeros))
        validation_scores = (
            for_all_runs(lambda run: validate(*run, x_val[0], y_val[0]), (trainable, other)) if shared else
            for_all_runs(lambda run: validate(*run), (trainable, other, x_val, y_val)))
        steps = tf.cast(steps, loss.dtype)
        return trainable, other, {"loss": loss / steps, "accuracy": accuracy / steps, **validation_scores}

    def specs(variables):
        return [tf.TensorSpec((runs, *variable.shape), variable.dtype) for variable in variables]

    sample, dtype = model.input_shape[1:], model.compute_dtype
    arguments = (
        specs(model.trainable_variables), specs(model.non_trainable_variables), tf.TensorSpec((runs,), dtype),
        tf.TensorSpec((capacity, runs, batch_size), tf.int32), tf.TensorSpec((), tf.int32),
        tf.TensorSpec((data_sets * samples, *sample), dtype), tf.TensorSpec((runs, samples), tf.int32),
        tf.TensorSpec((data_sets, validation, *sample), dtype), tf.TensorSpec((data_sets, validation), tf.int32))
    with _tracing, _no_garbage_collection():
        traced = program.get_concrete_function(*arguments)
    # XLA compiles at the first call: make it now, with no steps, while the next structure is traced.
    compiled = _compiler.submit(lambda: traced(*tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), arguments)))

    def run(*arguments):
        compiled.result()
        return traced(*arguments)

    return run


@contextlib.contextmanager
def _no_garbage_collection():
    """Keep the garbage collector from looking through a program's million objects, now and later.

    They live on as long as the program is kept; each look would stop everything for a third of
    a second.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def for_all_runs(function, runs):
    """`tf.vectorized_map` that refuses to fall back to a slow loop."""
    plain = tf.autograph.experimental.do_not_convert(function)   # nothing in it needs rewriting
    return tf.vectorized_map(plain, runs, fallback_to_while_loop=False)


@functools.cache
def xla_works():
    """Whether this TensorFlow can compile; without XLA `fit_many` is several times slower."""
    try:
        tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1.0))
    except (tf.errors.OpError, RuntimeError, ValueError):
        warnings.warn("This TensorFlow has no XLA compiler: fit_many works, but more slowly.", stacklevel=2)
        return False
    return True
