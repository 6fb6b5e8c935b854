"""Keras's optimizers for one run out of many: a step as a function of weights and state.

With TensorFlow, a Keras optimizer keeps its state in variables and updates them in place. `Stateless` takes both as
arguments and returns them, so that a step can be mapped over runs; the formulas remain Keras's own.
"""

import inspect
import json
import re

import keras
import numpy as np
import tensorflow as tf
from keras.src.optimizers.base_optimizer import BaseOptimizer

REFUSED = ["use_ema", "loss_scale_factor", "gradient_accumulation_steps"]


def get(optimizer):
    """A Keras optimizer from its name or itself.

    Raises
    ------
    ValueError
        It is neither.
    NotImplementedError
        `fit_many` cannot train with one of its settings.
    """
    try:
        optimizer = keras.optimizers.get(optimizer)
    except (ValueError, TypeError):
        raise ValueError(f"{optimizer!r} is no optimizer; expected a name such as 'sgd' or 'adam', or a Keras "
                         "optimizer such as keras.optimizers.SGD(momentum=0.9).") from None
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
    """What a compiled program depends on: everything but the numbers that each run has of its own. Hashable."""
    excluded, schedule = getattr(optimizer, "_exclude_from_weight_decay_pattern", None), schedule_of(optimizer)
    if schedule is not None and type(schedule).__module__.startswith("keras."):
        schedule = type(schedule).__name__, json.dumps(schedule.get_config(), sort_keys=True, default=repr)
    config = _config(optimizer) | {"name": None, "weight_decay": None}
    return (type(optimizer), json.dumps(config, sort_keys=True, default=repr), schedule, excluded and excluded.pattern)


def _config(optimizer):
    """The settings of an optimizer but for its learning rate; schedules of a learner's own may have no settings."""
    given = optimizer._learning_rate
    object.__setattr__(optimizer, "_learning_rate", None)
    try:
        return optimizer.get_config()
    finally:
        object.__setattr__(optimizer, "_learning_rate", given)


def learning_rate(optimizer):
    """The rate a run has if the grid has none: for a schedule, the one it starts from; None if it has no such rate."""
    schedule = schedule_of(optimizer)
    if schedule is not None and not _starts_from_a_rate(schedule):
        return None
    rate = optimizer.learning_rate if schedule is None else schedule.initial_learning_rate
    return float(f"{float(rate):.7g}")   # Keras keeps 0.01 as a float32


def check_grid(optimizer, knobs):
    """Refuse learning rates in the grid that a schedule has no place for."""
    schedule = schedule_of(optimizer)
    if "learning_rate" in knobs and schedule is not None and not _starts_from_a_rate(schedule):
        raise ValueError(f"grid['learning_rate'] has no meaning for the schedule {type(schedule).__name__} of the "
                         "optimizer; leave it out, or use a schedule that starts from initial_learning_rate "
                         "without warm-up.")


def schedule_of(optimizer):
    """The learning-rate schedule of an optimizer, or None."""
    given = optimizer._learning_rate
    return given if isinstance(given, keras.optimizers.schedules.LearningRateSchedule) else None


def _starts_from_a_rate(schedule):
    warms_up = getattr(schedule, "warmup_target", None) is not None
    return "initial_learning_rate" in inspect.signature(type(schedule)).parameters and not warms_up


def _schedule_from(optimizer, learning_rate):
    """The schedule of an optimizer, starting from this rate if it starts from one at all; None without a schedule."""
    schedule = schedule_of(optimizer)
    if schedule is None or not _starts_from_a_rate(schedule):
        return schedule
    return type(schedule).from_config(schedule.get_config() | {"initial_learning_rate": learning_rate})


def copy(optimizer, numbers, decays, kind=None):
    """An optimizer with the settings of another, but the learning rate and (if it `decays`) weight decay of a run."""
    schedule = _schedule_from(optimizer, numbers["learning_rate"])
    config = _config(optimizer) | {
        "learning_rate": float(numbers["learning_rate"]) if schedule is None else schedule}
    made = (kind or type(optimizer)).from_config(config)
    if decays:
        made.weight_decay = numbers["weight_decay"]
    made._exclude_from_weight_decay_pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    return made


class _ByAssignment(keras.optimizers.Optimizer):
    """Keras's optimizers as they are written, which update variables by assigning to them.

    Its TensorFlow backend overrides these methods for `tf.distribute`, past the reach of a `keras.StatelessScope`.
    """

    assign, assign_add, assign_sub = BaseOptimizer.assign, BaseOptimizer.assign_add, BaseOptimizer.assign_sub
    stateless_apply, _var_key = BaseOptimizer.stateless_apply, BaseOptimizer._var_key
    _apply_weight_decay, _backend_update_step = BaseOptimizer._apply_weight_decay, BaseOptimizer._backend_update_step


class Stateless:
    """An optimizer whose step is a function.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Remains unchanged.
    variables : list of keras.Variable
        The trainable variables of one model.
    decays : bool
        Whether the runs have a weight decay.

    Attributes
    ----------
    variables : list of keras.Variable
        What it remembers.
    """

    def __init__(self, optimizer, variables, decays):
        self.given, self.decays = optimizer, decays
        kind = type(optimizer)
        kind = type(kind.__name__, (kind, _ByAssignment), {})   # after its own methods, before those of the backend
        self.optimizer = copy(optimizer, {"learning_rate": 0.0, "weight_decay": 0.0}, decays, kind)
        self.optimizer.build(variables)
        self.variables = self.optimizer.variables

    def state(self, runs):
        """What the optimizer remembers before the first step: list of arrays (runs, ...)."""
        return [np.repeat(variable.numpy()[None], runs, 0) for variable in self.variables]

    def with_rate(self, state, learning_rate):
        """The state with other learning rates (runs,); unchanged under a schedule, which has its own."""
        return [tf.cast(learning_rate, variable.dtype) if variable is self.optimizer._learning_rate else value
                for variable, value in zip(self.variables, state, strict=True)]

    def step(self, weights, gradients, state, numbers):
        """The weights and the state of a run after one step.

        `numbers` holds the ``learning_rate`` that a schedule starts from, and the ``weight_decay``.
        """
        if self.decays:
            self.optimizer.weight_decay = numbers["weight_decay"]
        schedule = _schedule_from(self.given, numbers.get("learning_rate"))
        if schedule is not None:
            self.optimizer._learning_rate = schedule
        return self.optimizer.stateless_apply(state, gradients, weights)
