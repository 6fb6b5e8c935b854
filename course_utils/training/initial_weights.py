"""The weights a model starts with under a seed: those of ``keras.utils.set_random_seed``.

Building a Keras model takes ten times as long as drawing its weights, so a model is built
once per structure and its initializers are called again for every further seed.
"""

import contextlib
import functools
import itertools
import random
import threading

import cachetools
import numpy as np

from course_utils.models import all_layers

GENERATOR = "global_seed_generator"   # Keras's name for what keras.random draws from without a seed
_one_build_at_a_time = threading.RLock()   # all threads share Python's `random` and Keras's settings


@contextlib.contextmanager
def seeded(seed, dtype="float32"):
    """Let Keras models built inside start as after ``keras.utils.set_random_seed(seed)``.

    Keras initializers without a seed of their own take one from Python's `random`; an initializer of the learner's may
    draw from NumPy or from Keras's generator. Their states, the default float type and the dtype policy are put back
    afterwards. `dtype` may be a policy.
    """
    import keras
    from keras.src.backend.common import global_state

    with _one_build_at_a_time:
        state, floatx, policy = random.getstate(), keras.config.floatx(), keras.config.dtype_policy()
        numpy_state, generator = np.random.get_state(), global_state.get_global_attribute(GENERATOR)
        random.seed(seed)
        np.random.seed(seed)
        global_state.set_global_attribute(GENERATOR, None)
        keras.config.set_floatx(getattr(dtype, "variable_dtype", dtype))
        keras.config.set_dtype_policy(dtype)
        try:
            yield
        finally:
            random.setstate(state)
            np.random.set_state(numpy_state)
            global_state.set_global_attribute(GENERATOR, generator)
            keras.config.set_floatx(floatx)
            keras.config.set_dtype_policy(policy)


@functools.lru_cache(maxsize=64)
def template(build_model, structure, dtype):
    """The model of a structure, built once, with the initial weights of seed 0."""
    return build(build_model, structure, 0, dtype)


def build(build_model, structure, seed, dtype):
    """A model with the initial weights of `seed`; `structure` is a tuple of (knob, value)."""
    with seeded(seed, dtype):
        return build_model(**dict(structure))


def _bytes(starts):
    return sum(values.nbytes for kind in starts for values in kind)


@cachetools.cached(cachetools.LRUCache(maxsize=256e6, getsizeof=_bytes), lock=threading.Lock())
def weights(build_model, structure, seed, dtype):
    """Initial trainable and non-trainable weights: two lists of numpy arrays."""
    draw = _replay(build_model, structure, dtype)
    if draw is not None:
        return draw(seed)
    return _values(build(build_model, structure, seed, dtype))


@functools.lru_cache(maxsize=64)
def _replay(build_model, structure, dtype):
    """A function seed → weights that calls the initializers again, or None if that does not reach all weights."""
    import keras

    model = template(build_model, structure, dtype)
    places = {seed: place for place, seed in enumerate(_keras_seeds(0, 200))}
    initializers, unknown = {}, set()
    for layer in all_layers(model):
        for name, initializer in vars(layer).items():
            if not isinstance(initializer, keras.initializers.Initializer) or (
                    getattr(initializer, "seed", None) not in places):
                continue
            of = name.removesuffix("_initializer")   # the recurrent_initializer makes the recurrent_kernel
            made = [variable for variable in (getattr(layer, of, None), getattr(layer, f"{of}_kernel", None))
                    if isinstance(variable, keras.Variable)]
            initializers |= {id(variable): initializer for variable in made}
            unknown |= set() if made else {initializer.seed}
    if unknown - {initializer.seed for initializer in initializers.values()}:
        return None   # the comparison below would not notice a weight of 1 or -1 that is 1 under seeds 0 and 1
    generators = [layer.seed_generator.state for layer in all_layers(model)
                  if isinstance(getattr(layer, "seed_generator", None), keras.random.SeedGenerator)]
    noises = {id(state): int(state.numpy()[0]) for state in generators}

    def value(variable, seeds):
        if noises.get(id(variable)) in places:
            return np.array([seeds[places[noises[id(variable)]]], 0], variable.dtype)
        initializer = initializers.get(id(variable))
        if initializer is None:   # a bias or a running mean, say: the same under every seed
            return variable.numpy()
        config = initializer.get_config() | {"seed": seeds[places[initializer.seed]]}
        return np.asarray(type(initializer).from_config(config)(variable.shape, dtype=variable.dtype))

    def draw(seed):
        seeds = _keras_seeds(seed, len(places))
        return tuple([value(variable, seeds) for variable in variables]
                     for variables in (model.trainable_variables, model.non_trainable_variables))

    # Seed 1 is not the template's: if a weight depends on the seed and was not drawn here, it differs.
    pairs = zip(itertools.chain(*draw(1)), itertools.chain(*_values(build(build_model, structure, 1, dtype))),
                strict=True)
    return draw if all(np.array_equal(ours, theirs) for ours, theirs in pairs) else None


def _keras_seeds(seed, count):
    """The seeds that Keras gives to the first `count` initializers after ``random.seed(seed)``."""
    rng = random.Random(seed)
    return [rng.randint(1, int(1e9)) for _ in range(count)]


def _values(model):
    return tuple([variable.numpy() for variable in variables]
                 for variables in (model.trainable_variables, model.non_trainable_variables))
