"""The knobs of `fit_many`: their default values, and which values each of them takes."""

import numbers

import numpy as np

# Augmentation, in the order in which it is applied, each with the strength of a run that does not set it.
AUGMENTATION = {"horizontal_flip": 0.0, "vertical_flip": 0.0, "rotation": 0.0, "zoom": 0.0, "placement": 0.0,
                "shift": 0, "cutout": 0, "pixel_noise": 0.0, "mixup": 0.0, "augment_probability": 1.0}

# Knobs that are only numbers to the compiled program, with their values if they are not in the grid. None stands for
# the value of the optimizer, of the whole training set, or of the model's layers.
NUMERIC = {"learning_rate": None, "seed": 0, "train_size": None, "label_noise": 0.0,
           "initial_scale": 1.0, "shuffle": True, "weight_decay": None, "dropout": None, "gaussian_noise": None,
           "l1": None, "l2": None, "max_norm": None, "label_smoothing": None, **dict.fromkeys(AUGMENTATION)}


def check(knob, value, subject=None):
    """Refuse a number that no training could use, before anything is compiled.

    `subject` begins the sentence, such as "shift is"; without it, the number comes from the grid.
    """
    rules = {
        "learning_rate": (lambda v: _is(numbers.Real, v) and np.isfinite(v) and v >= 0, "a number from 0 up"),
        "seed": (lambda v: _is(numbers.Integral, v) and v >= 0, "a whole number from 0 up"),
        "train_size": (lambda v: v is None or (_is(numbers.Integral, v) and v > 0), "a whole number from 1 up"),
        "label_noise": (lambda v: _is(numbers.Real, v) and 0 <= v <= 1, "a share between 0 and 1"),
        "initial_scale": (lambda v: _is(numbers.Real, v) and np.isfinite(v) and v >= 0, "a number from 0 up"),
        **dict.fromkeys(("weight_decay", "l1", "l2", "gaussian_noise", "pixel_noise", "mixup"), (
            lambda v: v is None or (_is(numbers.Real, v) and np.isfinite(v) and v >= 0), "a number from 0 up")),
        **dict.fromkeys(("shift", "cutout"), (
            lambda v: v is None or (_is(numbers.Integral, v) and v >= 0), "a whole number of pixels from 0 up")),
        **dict.fromkeys(("placement", "horizontal_flip", "vertical_flip", "augment_probability"), (
            lambda v: v is None or (_is(numbers.Real, v) and 0 <= v <= 1), "a share between 0 and 1")),
        "rotation": (lambda v: v is None or (_is(numbers.Real, v) and 0 <= v <= 180), "degrees from 0 to 180"),
        "zoom": (lambda v: v is None or (_is(numbers.Real, v) and 0 <= v < 1), "a share from 0 to less than 1"),
        "max_norm": (lambda v: v is None or (_is(numbers.Real, v) and v > 0), "a number above 0, np.inf for no bound"),
        "label_smoothing": (lambda v: v is None or (_is(numbers.Real, v) and 0 <= v < 1),
                            "a share from 0 to less than 1"),
        "dropout": (lambda v: _is(numbers.Real, v) and 0 <= v < 1, "a rate from 0 to less than 1"),
        "shuffle": (lambda v: isinstance(v, bool | np.bool_), "True or False"),
        "batch_size": (lambda v: _is(numbers.Integral, v) and v > 0, "a whole number from 1 up"),
    }
    if knob in rules and not rules[knob][0](value):
        raise ValueError(f"{subject or f'grid[{knob!r}] holds'} {value!r}; expected {rules[knob][1]}.")


def _is(kind, value):
    return isinstance(value, kind) and not isinstance(value, bool)
