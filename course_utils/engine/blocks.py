"""Runs of one structure, ten at a time: what one core trains in one call."""

import functools
import inspect
import itertools
import os

import numpy as np

from course_utils.engine import checks, draws, starts

# Ten small networks fit a core's cache, and a grid of any size reuses one compiled program.
# A graphics card wants more at a time.
ON_CPU, ON_GPU = 10, 200


def make_blocks(build_model, structure, runs, splits, *, chunk, dtype, batch_statistics):
    """Divide the runs of one structure into blocks.

    Parameters
    ----------
    build_model : callable → keras.Model
    structure : dict
        Its arguments, and ``batch_size``.
    runs : list of dicts
        The numeric knobs of each run.
    splits : dict seed → Split
    chunk : int
        Steps between two validations.
    dtype : str
    batch_statistics : bool
        Validate with those too.

    Returns
    -------
    list of ``(members, scores)``
        members : slice, which of the runs
        scores : generator; each `next` trains one chunk and returns a dict of arrays (runs,)
    """
    structure = dict(structure)
    batch_size = structure.pop("batch_size")
    split = splits[runs[0]["seed"]]
    samples, sample = len(split.x_train), split.x_train.shape[1:]
    classes = max(splits[run["seed"]].classes for run in runs)
    checks.sizes(runs, samples, batch_size)

    size = min(len(runs), ON_GPU if _has_gpu() else ON_CPU)
    shared = all(splits[run["seed"]] is split for run in runs)
    structure = _all_arguments(build_model, structure, sample, classes)
    model, program = _model_and_program(
        build_model, structure, dtype, runs=size, data_sets=1 if shared else size, samples=samples,
        sample=sample, classes=classes, validation=len(split.x_val), batch_size=batch_size,
        capacity=max(chunk, samples // batch_size), batch_statistics=batch_statistics)

    blocks = []
    for start in range(0, len(runs), size):
        members = runs[start:start + size]
        padded = members + members[-1:] * (size - len(members))   # the program's shape is fixed
        weights = _stacked_weights(build_model, structure, model, padded, dtype)
        data = _data(padded, [split] if shared else [splits[run["seed"]] for run in padded], splits, dtype)
        order = _orders(padded, samples, batch_size, chunk, max(chunk, samples // batch_size))
        rates = np.array([run["learning_rate"] for run in padded], dtype)
        blocks.append((slice(start, start + len(members)),
                       _train(program, weights, rates, order, chunk, data, len(members))))
    return blocks


def _train(program, weights, learning_rate, orders, chunk, data, count):
    """Yield the scores of the first `count` runs of a block, chunk after chunk."""
    import tensorflow as tf

    trainable, other = weights
    learning_rate, steps = tf.constant(learning_rate), tf.constant(chunk)
    for order in orders:
        trainable, other, scores = program(trainable, other, learning_rate, tf.constant(order), steps, *data)
        yield {name: value.numpy()[:count] for name, value in scores.items()}


def _orders(runs, samples, batch_size, chunk, capacity):
    """Yield, chunk after chunk, which samples make up the batches: (capacity, runs, batch_size)."""
    # Runs with the same seed, subset and shuffling see the same batches: draw them once.
    keys = [(run["seed"], run["train_size"], run["shuffle"]) for run in runs]
    unique = list(dict.fromkeys(keys))
    which = [unique.index(key) for key in keys]
    streams = [draws.batches(samples, seed, batch_size=batch_size, train_size=size, shuffle=shuffle)
               for seed, size, shuffle in unique]
    while True:
        order = np.zeros((capacity, len(runs), batch_size), np.int32)
        drawn = np.array([list(itertools.islice(stream, chunk)) for stream in streams])
        order[:chunk] = drawn[which].swapaxes(0, 1)
        yield order


def _data(runs, used, splits, dtype):
    """x, y, x_val, y_val as the program takes them."""
    import tensorflow as tf

    labels = functools.cache(lambda seed, rate: draws.noisy_labels(
        splits[seed].y_train, seed, rate, splits[seed].classes))
    return (tf.constant(np.concatenate([split.x_train for split in used]), dtype),
            tf.constant(np.stack([labels(run["seed"], run["label_noise"]) for run in runs]), tf.int32),
            tf.constant(np.stack([split.x_val for split in used]), dtype),
            tf.constant(np.stack([split.y_val for split in used]), tf.int32))


@functools.lru_cache(maxsize=64)
def _model_and_program(build_model, structure, dtype, *, sample, classes, **sizes):
    """A model and its compiled program, kept for the next call of the same sizes."""
    from course_utils.engine import program

    model = starts.template(build_model, structure, dtype)
    checks.layers(model)
    checks.shapes(model, sample, classes)
    return model, program.compile_program(model, **sizes)


def _stacked_weights(build_model, structure, model, runs, dtype):
    """Initial trainable and other weights of a block: two lists of tensors (runs, ...)."""
    import tensorflow as tf

    initial = [starts.weights(build_model, structure, run["seed"], dtype) for run in runs]
    scales = np.array([run["initial_scale"] for run in runs], dtype)
    stacks = ([], [])
    for kind, variables in enumerate((model.trainable_variables, model.non_trainable_variables)):
        for place, variable in enumerate(variables):
            stack = np.stack([start[kind][place] for start in initial])
            if variable.name == "kernel":
                stack = stack * scales.reshape(-1, *[1] * len(variable.shape))
            stacks[kind].append(tf.constant(stack))
    return stacks


def _all_arguments(build_model, structure, sample, classes):
    """All arguments of `build_model` as a hashable tuple: one model, one key, however it was asked for."""
    takes = inspect.signature(build_model).parameters
    defaults = {name: parameter.default for name, parameter in takes.items()
                if parameter.default is not parameter.empty}
    known = {"input_shape": tuple(sample), "classes": classes}
    structure = defaults | {knob: value for knob, value in known.items() if knob in takes} | structure
    return tuple(sorted(structure.items()))


@functools.cache
def _has_gpu():
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def cores():
    """How many blocks to train at the same time."""
    if _has_gpu():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
