"""The knobs of `fit_many` that are only numbers to a compiled program: their defaults, and which values they take."""

import dataclasses
import numbers
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Knob:
    """One of them.

    Attributes
    ----------
    default
        Of a run whose grid does not set it. None stands for the value of the optimizer, of the whole training set, or
        of the model's layers.
    valid : callable value → bool
    expected : str
        What a refusal says was expected.
    """

    default: object
    valid: Callable
    expected: str


def _is(kind, value):
    return isinstance(value, kind) and not isinstance(value, bool)


def _number(default=None, *, below=np.inf, most=np.inf, expected="a number from 0 up"):
    return Knob(default, lambda v: _is(numbers.Real, v) and 0 <= v < below and v <= most and np.isfinite(v), expected)


def _share(default=None):
    return _number(default, most=1, expected="a share between 0 and 1")


def _whole(default=None, *, least=0, expected="a whole number from 0 up"):
    return Knob(default, lambda v: _is(numbers.Integral, v) and v >= least, expected)


KNOBS = {
    "learning_rate": _number(),
    "seed": _whole(0),
    "train_size": _whole(least=1, expected="a whole number from 1 up"),
    "label_noise": _share(0.0),
    "initial_scale": _number(1.0),
    "shuffle": Knob(True, lambda v: isinstance(v, bool | np.bool_), "True or False"),
    "weight_decay": _number(),
    "dropout": _number(below=1, expected="a rate from 0 to less than 1"),
    "gaussian_noise": _number(),
    "l1": _number(),
    "l2": _number(),
    "max_norm": Knob(None, lambda v: _is(numbers.Real, v) and v > 0, "a number above 0, np.inf for no bound"),
    "label_smoothing": _number(below=1, expected="a share from 0 to less than 1"),
}

# Augmentation, in the order in which it is applied. A default is for a run that does not set it while others do.
CHANGES = {
    "horizontal_flip": _share(0.0),
    "vertical_flip": _share(0.0),
    "rotation": _number(0.0, most=180, expected="degrees from 0 to 180"),
    "zoom": _number(0.0, below=1, expected="a share from 0 to less than 1"),
    "placement": _share(0.0),
    "shift": _whole(0, expected="a whole number of pixels from 0 up"),
    "cutout": _whole(0, expected="a whole number of pixels from 0 up"),
    "pixel_noise": _number(0.0),
    "mixup": _number(0.0),
    "augment_probability": _share(1.0),
}

AUGMENTATION = {name: knob.default for name, knob in CHANGES.items()}
NUMERIC = {name: knob.default for name, knob in KNOBS.items()} | dict.fromkeys(CHANGES)
OPTIONAL = {name for name, value in NUMERIC.items() if value is None} - {"learning_rate", "dropout"}   # None is a value
CHECKED = KNOBS | CHANGES | {"batch_size": _whole(least=1, expected="a whole number from 1 up")}


def check(knob, value, subject=None):
    """Refuse a number that no training could use, before anything is compiled.

    `subject` begins the sentence, such as "shift is"; without it, the number comes from the grid.
    """
    if knob not in CHECKED or (value is None and knob in OPTIONAL):
        return
    if not CHECKED[knob].valid(value):
        raise ValueError(f"{subject or f'grid[{knob!r}] holds'} {value!r}; expected {CHECKED[knob].expected}.")
