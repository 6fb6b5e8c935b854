"""Is a compiled program what Keras would do? Three steps and a validation of some of its runs, compared with Keras.

TensorFlow's vectorized form of an operation, XLA, and the layers that replace Keras's each have mistakes of their own,
which would go unnoticed: the numbers look like any others.
"""

import contextlib

import numpy as np
import tensorflow as tf

from course_utils.training import initial_weights, layers, noise, optimizers, penalties

STEPS = 3
RATE = 0.01   # large enough for a wrong gradient to show in the weights, small enough not to diverge
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}


def difference(program, state, numbers, order, data, members):
    """What differs first between a program and Keras: the name of a kind of numbers, or None.

    Numbers are compared relative to the largest of their kind in the model. Where a gradient consists of rounding
    errors, as that of a bias before a batch normalization, so does the update of the weight; it is left out.

    Parameters
    ----------
    program : program.Program
    state, numbers, order, data
        As the program takes them, for all its runs.
    members : list of int
        Which runs to compare.
    """
    dtype = program.model.compute_dtype
    tolerance = TOLERANCE[dtype]
    numbers = numbers | {"learning_rate": tf.fill(numbers["learning_rate"].shape, tf.constant(RATE, dtype))}
    state = (state[0], state[1], program.optimizer.with_rate(state[2], numbers["learning_rate"]))
    before, losses = state, []
    for step in range(STEPS):
        state, scores = program(state, numbers, np.roll(order, -step, 0), tf.constant(step), tf.constant(1), data)
        losses.append(scores["loss"])
    losses.append(scores["val_loss"])
    for member in members:
        run = [_member(part, member) for part in (before, state, losses)]
        expected = _by_keras(program, run[0], _member(numbers, member), order, data, member)
        for kind, (ours, theirs, *rounding) in _kinds(program, run, expected, dtype).items():
            largest = max((np.abs(values[np.isfinite(values)]).max(initial=0) for values in theirs), default=0)
            if not all(np.allclose(one, other, rtol=0, atol=tolerance * largest + slack, equal_nan=True)
                       for one, other, slack in zip(ours, theirs, *rounding or [[0.0] * len(ours)], strict=True)):
                return kind
    return None


def _member(stacks, member):
    return tf.nest.map_structure(lambda stack: stack[member].numpy(), stacks)


def _kinds(program, run, expected, dtype):
    """What should be equal: dict kind → two lists of arrays and, for updates, a list of what rounding adds."""
    before, (trainable, other, slots), losses = run
    eps = np.finfo(dtype).eps
    of_weights = eps * 8 * max((np.abs(weight).max(initial=0) for weight in trainable), default=0)
    largest = max(np.nanmax(gradient, initial=0) for gradient in expected["gradients"])
    real = [gradient > largest * 1e3 * eps for gradient in expected["gradients"]]

    def updates(weights):
        return [np.where(kept, weight - start, 0)
                for kept, weight, start in zip(real, weights, before[0], strict=True)]

    # Adam's steps are as long for small gradients as for large ones, so rounding errors of small gradients count more.
    rounding = [of_weights + np.abs(update) * 64 * eps * largest / np.maximum(gradient, largest * eps)
                for update, gradient in zip(updates(expected["trainable"]), expected["smallest"], strict=True)]
    kinds = {"loss": (losses[:1], expected["losses"][:1]),
             "gradients": (updates(trainable), updates(expected["trainable"]), rounding)}
    for name, variables, ours, theirs in (
            ("state", program.model.non_trainable_variables, other, expected["other"]),
            ("optimizer", program.optimizer.variables, slots, expected["slots"])):
        for variable, one, other_one in zip(variables, ours, theirs, strict=True):
            kind = kinds.setdefault(f"{name} {variable.name.rpartition('_')[2]}", ([], []))
            kind[0].append(one.astype("float64"))
            kind[1].append(other_one.astype("float64"))
    return kinds | {"later losses": (losses[1:STEPS], expected["losses"][1:]),
                    "validation loss": (losses[STEPS:], [expected["validation"]])}


def _by_keras(program, state, numbers, order, data, member):
    """The same steps of one run by Keras, uncompiled; random layers draw what they draw in the program."""
    model, plan, scores = program.model, program.plan, program.scores
    first = 0 if plan.data_sets == 1 else plan.samples * member
    losses, gradients, smallest = [], [0.0] * len(state[0]), [np.inf] * len(state[0])

    def loss(x, y, weight, *, now, training):
        with noise.drawing_from(noise.Stream(numbers["key"], tf.constant(now), numbers["levels"])):
            outputs = model(x, training=training)
        value = scores.loss(y, outputs, weight, numbers["label_smoothing"] if "label_smoothing" in plan.used else None)
        value = tf.add_n([value, *model.losses])
        if {"l1", "l2"} & set(plan.used):
            value += penalties.penalty(model.trainable_variables, model.trainable_variables, numbers["l1"],
                                       numbers["l2"])
        return value

    with (layers.replaced(model, layers.RANDOM), _weights(model, state),
          initial_weights.seeded(0, model.compute_dtype)):
        optimizer = optimizers.copy(program.optimizer.given, numbers, program.optimizer.decays)
        optimizer.build(model.trainable_variables)
        for step in range(STEPS):
            chosen = order[step % len(order), member]
            batch = {"x": tf.gather(data["x"], first + chosen), "y": tf.gather(data["y"][member], chosen)}
            batch = program.augment(batch, numbers, tf.constant(step))
            weight = tf.gather(data["weight"][member], chosen) if plan.weighted else None
            with tf.GradientTape() as tape:
                found = loss(batch["x"], batch["y"], weight, now=step, training=True)
            slopes = tape.gradient(found, [variable.value for variable in model.trainable_variables],
                                   unconnected_gradients="zero")
            slopes = [tf.convert_to_tensor(slope) for slope in slopes]
            optimizer.apply(slopes, model.trainable_variables)
            if "max_norm" in plan.used:
                weights = [variable.value for variable in model.trainable_variables]
                for variable, value in zip(model.trainable_variables, penalties.bounded(
                        model.trainable_variables, weights, numbers["max_norm"]), strict=True):
                    variable.assign(value)
            losses.append(found.numpy())
            sizes = [np.abs(slope) for slope in slopes]
            gradients = [np.fmax(most, size) for most, size in zip(gradients, sizes, strict=True)]
            smallest = [np.fmin(least, np.where(size, size, np.inf))   # a zero is exact
                        for least, size in zip(smallest, sizes, strict=True)]
        # A recurrent layer with dropout draws even in validation.
        other = [variable.numpy() for variable in model.non_trainable_variables]
        place = 0 if plan.data_sets == 1 else member
        validation = loss(data["x_val"][place], data["y_val"][place], None, now=-1, training=False).numpy()
        return {"losses": losses, "validation": validation, "gradients": gradients, "smallest": smallest,
                "slots": [v.numpy() for v in optimizer.variables],
                "trainable": [v.numpy() for v in model.trainable_variables],
                "other": other}


@contextlib.contextmanager
def _weights(model, state):
    """Let a model have these weights inside this context."""
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    before = [variable.numpy() for variable in variables]
    try:
        for variable, value in zip(variables, [*state[0], *state[1]], strict=True):
            variable.assign(value)
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
