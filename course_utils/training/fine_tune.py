"""Trained networks, trained further: many at once, each from its own weights.

`fit_many` begins with initial weights and returns none. Here, weights are given and returned. *Stacked* weights are a
list in the order of ``model.get_weights()``, each with one more axis in front, the networks.
"""

import functools
import re

import numpy as np
import xarray as xr

from course_utils.training import batches, initial_weights

MOST = 64   # steps between two validations


def stack(models):
    """The stacked weights of some models of one structure: list of arrays (networks, ...)."""
    return [np.stack(values) for values in zip(*(model.get_weights() for model in models), strict=True)]


def each(model, weights):
    """Yield the model with the weights of one stacked network after the other."""
    for network in range(len(weights[0])):
        model.set_weights([values[network] for values in weights])
        yield model


def fine_tune(model, weights, data, *, learning_rate, steps, batch_size=32, evaluate_every=None, train_size=None,
              seeds=None):
    """Train stacked networks on with SGD, as ``model.fit`` would train each.

    Parameters
    ----------
    model : keras.Model
        The structure and which of its layers are trainable; its own weights are not used. Without
        dropout, noise and penalties.
    weights : list of arrays (networks, ...)
    data : Split
    learning_rate : float or sequence of float
        With a sequence, every network is trained with every rate.
    steps, batch_size : int
        With 0 steps, the networks are only validated.
    evaluate_every : int, at most 64, that divides `steps`
        Steps between two validations; by default the largest number that is at most one twentieth of all.
    train_size : int, optional
        Use only this many samples, different ones for every seed; all by default.
    seeds : sequence of int, optional
        One for each network; they decide the samples and their order. By default, 0, 1, ….

    Returns
    -------
    runs : xarray.Dataset, dims (seed, step), with "learning_rate" in front for a sequence
        ``val_loss`` and ``val_accuracy`` in inference mode, before the first step (0) and after.
    weights : list of arrays (networks, ...), or (rates, networks, ...)

    Raises
    ------
    ValueError
        The model has dropout, noise or a penalty; `evaluate_every` is too large or does not divide
        `steps`; or there are fewer samples than in a batch.
    """
    from course_utils.training import layers

    if layers.random(model) or layers.penalized(model):
        raise ValueError("fine_tune trains without dropout, noise and penalties, and this model has some; take it "
                         "without them, or train it with model.fit.")
    evaluate_every = _a_twentieth(steps) if evaluate_every is None else evaluate_every
    if not 0 < evaluate_every <= MOST or steps % evaluate_every:
        raise ValueError(f"evaluate_every is {evaluate_every}; expected a divisor of steps, {steps}, "
                         f"of at most {MOST}.")
    size = train_size or len(data.x_train)
    if size < batch_size:
        raise ValueError(f"A batch of {batch_size} is more than {size} samples; choose a smaller one.")
    rates, networks = np.atleast_1d(learning_rate).astype("float32"), len(weights[0])
    seeds = range(networks) if seeds is None else seeds
    structure = re.sub(r'"shared_object_id": \d+', '"shared_object_id": 0', model.to_json())   # different in every copy
    program, trains = _program(structure)

    stacked = [np.concatenate([values] * len(rates)).astype("float32") for values in weights]
    moving, still = ([values for values, trained in zip(stacked, trains, strict=True) if trained == kind]
                     for kind in (True, False))
    streams = [batches.indices(len(data.x_train), seed, batch_size=batch_size, train_size=train_size) for seed in seeds]
    order, scores = np.zeros((MOST, networks, batch_size), "int32"), []
    for done in range(0, steps + 1, evaluate_every):
        taken = evaluate_every if done else 0
        for step in range(taken):
            order[step] = [next(stream) for stream in streams]
        moving, still, *loss_and_accuracy = program(
            moving, still, np.repeat(rates, networks), np.tile(order, (1, len(rates), 1)), np.int32(taken),
            data.x_train, data.y_train, data.x_val, data.y_val)
        scores.append(loss_and_accuracy)
    trained_weights = {True: iter(moving), False: iter(still)}
    after = [next(trained_weights[trained]).numpy() for trained in trains]
    after = [values.reshape(len(rates), networks, *values.shape[1:]) for values in after]
    scores = np.reshape(scores, (-1, 2, len(rates), networks)).transpose(1, 2, 3, 0)
    runs = xr.Dataset({name: (("learning_rate", "seed", "step"), values)
                       for name, values in zip(("val_loss", "val_accuracy"), scores, strict=True)},
                      {"learning_rate": np.atleast_1d(learning_rate), "seed": list(seeds),
                       "step": range(0, steps + 1, evaluate_every)})
    return (runs, after) if np.ndim(learning_rate) else (runs.isel(learning_rate=0), [values[0] for values in after])


def _a_twentieth(steps):
    """The largest divisor of some steps that is at most a twentieth of them, and at most `MOST`; 1 of few steps."""
    largest = min(MOST, max(1, steps // 20))
    return next(every for every in range(largest, 0, -1) if steps % every == 0)


@functools.lru_cache(maxsize=32)
def _program(structure):
    """A compiled "take some steps, then validate" for stacked networks of a structure (JSON), and which weights move.

    The step of one network is mapped over all of them, as in `fit_many` (lecture A1).
    """
    import keras
    import tensorflow as tf

    from course_utils.training import layers
    from course_utils.training.program import for_all_runs, xla_works

    with initial_weights.seeded(0):   # only the formula is used
        model = layers.mappable(keras.models.model_from_json(structure))
    loss_of = keras.losses.SparseCategoricalCrossentropy()

    def gradients(run):
        moving, still, x, y = run
        with tf.GradientTape() as tape:
            tape.watch(moving)
            outputs, still = model.stateless_call(moving, still, x, training=True)
            loss = loss_of(y, outputs)
        return tape.gradient(loss, moving), still

    @tf.function(jit_compile=xla_works(), autograph=False)
    def program(moving, still, rates, order, steps, x, y, x_val, y_val):
        def validate(run):
            outputs, _ = model.stateless_call(*run, x_val, training=False)
            hits = tf.equal(tf.argmax(outputs, -1, output_type=y_val.dtype), y_val)
            return loss_of(y_val, outputs), tf.reduce_mean(tf.cast(hits, "float32"))

        def step(now, moving, still):
            slopes, still = for_all_runs(gradients, (moving, still, tf.gather(x, order[now]), tf.gather(y, order[now])))
            moving = [values - tf.reshape(rates, [-1] + [1] * (len(values.shape) - 1)) * slope
                      for values, slope in zip(moving, slopes, strict=True)]
            return now + 1, moving, still

        _, moving, still = tf.while_loop(lambda now, *_: now < steps, step, (0, moving, still))
        return moving, still, *for_all_runs(validate, (moving, still))

    moves = {id(variable) for variable in model.trainable_variables}
    return program, [id(variable) in moves for variable in model.weights]
