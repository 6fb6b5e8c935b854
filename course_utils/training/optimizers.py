"""What an optimizer does to stacked weights, written once for all runs.

Keras's optimizers keep their state in variables of one model. Their formulas are elementwise,
so the same formula over a stack of weights, with one learning rate per run, is the same
training; each rule here is the `update_step` of its Keras optimizer.
"""

import inspect
import json
import re

import keras
import tensorflow as tf

REFUSED = ["clipnorm", "clipvalue", "global_clipnorm", "use_ema", "loss_scale_factor", "gradient_accumulation_steps"]


def get(optimizer):
    """A Keras optimizer from its name or itself.

    Raises
    ------
    ValueError
        It is neither.
    NotImplementedError
        `fit_many` has no rule for it, or not for one of its settings.
    """
    try:
        optimizer = keras.optimizers.get(optimizer)
    except (ValueError, TypeError):
        raise ValueError(f"{optimizer!r} is no optimizer; expected a name such as 'sgd' or 'adam', or a Keras "
                         "optimizer such as keras.optimizers.SGD(momentum=0.9).") from None
    if type(optimizer) not in RULES:
        known = ", ".join(kind.__name__ for kind in RULES)
        raise NotImplementedError(f"fit_many cannot train with {type(optimizer).__name__}; it knows {known}: take one "
                                  "of these, or train this model with model.fit.")
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise NotImplementedError("fit_many builds models of its own, so exclude_from_weight_decay(var_list=…) means "
                                  "nothing to it; give var_names, such as ['bias', 'gamma', 'beta'].")
    for setting in REFUSED:
        if getattr(optimizer, setting, None):
            raise NotImplementedError(f"fit_many cannot train with {setting} (optimizer {optimizer.name!r}); leave "
                                      "it out, or train this model with model.fit.")
    return optimizer


def name(optimizer):
    """What an optimizer is called in a grid: its name, without the number that Keras may have added."""
    kind = type(optimizer).__name__.lower()
    return kind if re.fullmatch(rf"{kind}(_\d+)?", optimizer.name, re.IGNORECASE) else optimizer.name


def key(optimizer):
    """What a compiled program depends on: everything but the numbers that each run has of its own."""
    config = optimizer.get_config() | {"name": None}
    for number in ("learning_rate", "weight_decay"):
        if not isinstance(config[number], dict):   # a dict describes a schedule
            del config[number]
    excluded = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    return json.dumps([type(optimizer).__name__, config, excluded and excluded.pattern], sort_keys=True, default=repr)


def learning_rate(optimizer):
    """The rate a run has if the grid has none: for a schedule, the one it starts from; None if it has no such rate."""
    schedule = _schedule(optimizer)
    if schedule is not None and not _starts_from_a_rate(schedule):
        return None
    rate = optimizer.learning_rate if schedule is None else schedule.initial_learning_rate
    return float(f"{float(rate):.7g}")   # Keras keeps 0.01 as a float32


def check_grid(optimizer, knobs):
    """Refuse learning rates in the grid that a schedule has no place for."""
    schedule = _schedule(optimizer)
    if "learning_rate" in knobs and schedule is not None and not _starts_from_a_rate(schedule):
        raise ValueError(f"grid['learning_rate'] has no meaning for the schedule {type(schedule).__name__} of the "
                         "optimizer; leave it out, or use a schedule that starts from initial_learning_rate "
                         "without warm-up.")


def rates(optimizer):
    """A function ``(learning_rate (runs,), step)`` → the rates of this step (runs,)."""
    schedule = _schedule(optimizer)
    if schedule is None:
        return lambda learning_rate, step: learning_rate
    if not _starts_from_a_rate(schedule):
        return lambda learning_rate, step: tf.zeros_like(learning_rate) + tf.cast(schedule(step), learning_rate.dtype)
    config = schedule.get_config()
    return lambda learning_rate, step: type(schedule).from_config(
        config | {"initial_learning_rate": learning_rate})(step)


def _schedule(optimizer):
    """The learning-rate schedule of an optimizer, or None."""
    given = optimizer._learning_rate
    return given if isinstance(given, keras.optimizers.schedules.LearningRateSchedule) else None


def _starts_from_a_rate(schedule):
    warms_up = getattr(schedule, "warmup_target", None) is not None
    return "initial_learning_rate" in inspect.signature(type(schedule)).parameters and not warms_up


def sgd(optimizer):
    """Stochastic gradient descent, with (Nesterov) momentum."""
    def plain(weight, gradient, slots, rate, step):
        return weight - rate * gradient, slots

    def with_momentum(weight, gradient, slots, rate, step):
        momentum = tf.cast(optimizer.momentum, weight.dtype)   # rounded to float32 on the way, as Keras does
        velocity = momentum * slots[0] - rate * gradient
        change = momentum * velocity - rate * gradient if optimizer.nesterov else velocity
        return weight + change, [velocity]

    return (1, with_momentum) if optimizer.momentum else (0, plain)


def rmsprop(optimizer):
    """Gradients divided by a running root mean square (Tieleman & Hinton 2012, lecture 6e)."""
    rho, momentum, centered = optimizer.rho, optimizer.momentum, optimizer.centered

    def update(weight, gradient, slots, rate, step):
        slots = list(slots)
        slots[0] = rho * slots[0] + (1 - rho) * tf.square(gradient)
        spread = slots[0]
        if centered:
            slots[1] = rho * slots[1] + (1 - rho) * gradient
            spread = spread - tf.square(slots[1])
        change = rate * gradient / tf.sqrt(spread + optimizer.epsilon)
        if momentum > 0:
            slots[-1] = momentum * slots[-1] + change
            change = slots[-1]
        return weight - change, slots

    return 1 + centered + (momentum > 0), update


def adam(optimizer):
    """Adam and, since weight decay is not its business here, AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019)."""
    beta_1, beta_2, amsgrad = optimizer.beta_1, optimizer.beta_2, optimizer.amsgrad

    def update(weight, gradient, slots, rate, step):
        time = tf.cast(step + 1, weight.dtype)
        rate = rate * tf.sqrt(1 - tf.cast(beta_2, time.dtype) ** time) / (1 - tf.cast(beta_1, time.dtype) ** time)
        mean = slots[0] + (gradient - slots[0]) * (1 - beta_1)
        square = slots[1] + (tf.square(gradient) - slots[1]) * (1 - beta_2)
        slots = [mean, square, tf.maximum(slots[2], square)] if amsgrad else [mean, square]
        return weight - rate * mean / (tf.sqrt(slots[-1]) + optimizer.epsilon), slots

    return 2 + amsgrad, update


RULES = {keras.optimizers.SGD: sgd, keras.optimizers.RMSprop: rmsprop,
         keras.optimizers.Adam: adam, keras.optimizers.AdamW: adam}


def stacked(optimizer, variables, decays):
    """An optimizer for stacked weights.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
    variables : list of keras.Variable
        The trainable variables of one model, of which the weights are stacks.
    decays : bool
        Whether the runs have a weight decay.

    Returns
    -------
    slots : int
        How many arrays of a weight's shape the rule remembers, all starting at 0.
    update : callable ``(weights, gradients, slots, learning_rate, weight_decay, step)`` →
        ``(weights, slots)``; learning_rate and weight_decay are (runs,), step counts from 0.
    """
    count, rule = RULES[type(optimizer)](optimizer)
    scheduled = rates(optimizer)

    def update(weights, gradients, slots, learning_rate, weight_decay, step):
        learning_rate = scheduled(learning_rate, step)
        new = []
        for variable, weight, gradient, slot in zip(variables, weights, gradients, slots, strict=True):
            rate = _per_run(learning_rate, weight)
            if decays and optimizer._use_weight_decay(variable):
                weight = weight - weight * _per_run(weight_decay, weight) * rate
            new.append(rule(weight, gradient, slot, rate, step))
        return [weight for weight, _ in new], [slot for _, slot in new]

    return count, update


def _per_run(numbers, weight):
    """(runs,) → (runs, 1, …), to be broadcast over stacked weights."""
    return tf.reshape(numbers, [weight.shape[0]] + [1] * (len(weight.shape) - 1))
