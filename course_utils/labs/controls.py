"""The controls of a lab: what each may be, what it is called, and which widget shows it."""

import dataclasses
import functools
import math
from collections.abc import Callable

import ipywidgets as widgets


@dataclasses.dataclass(frozen=True)
class Control:
    """One knob of a lab.

    Attributes
    ----------
    label : str
        What the learner reads next to it.
    default : value at the start
    make : callable value → ipywidgets widget
    check : callable value → sentence or None
        What is wrong with a value given in code.
    examples : tuple
        Its ends and its middle, for tests.
    structural : bool
        Whether a change compiles a new program.
    """

    label: str
    default: object
    make: Callable
    check: Callable
    examples: tuple
    structural: bool = False


def log_uniform(label, default, *, low, high, steps_per_decade=8):
    """A slider on a logarithmic axis from `low` to `high`, both powers of ten in float."""
    make = functools.partial(widgets.FloatLogSlider, base=10, min=math.log10(low), max=math.log10(high),
                             step=1 / steps_per_decade, readout_format=".3g", tooltip=_range(low, high))
    return Control(label, default, make, _between(low, high), (low, default, high))


def uniform(label, default, *, low=0.0, high=1.0, step=0.05, unit=""):
    """A slider from `low`, which may be negative, to `high`; `unit` where the label does not say it."""
    make = functools.partial(widgets.FloatSlider, min=low, max=high, step=step, readout_format=".2f",
                             tooltip=_range(low, high, unit))
    return Control(label, default, make, _between(low, high), (low, default, high))


def integer(label, default, *, low, high):
    """A slider over the integers from `low` to `high`."""
    make = functools.partial(widgets.IntSlider, min=low, max=high, tooltip=_range(low, high))
    return Control(label, default, make, _between(low, high, int, "whole number"), (low, default, high))


def choice(label, values, default, *, structural=True):
    """A list to choose from."""
    def check(value):
        return None if value in values else f"expected one of {', '.join(map(repr, values))}"

    return Control(label, default, lambda value: widgets.Dropdown(options=values, value=value), check,
                   (values[0], default, values[-1]), structural)


def boolean(label, default, *, structural=False):
    """A checkbox."""
    def check(value):
        return None if isinstance(value, bool) else "expected True or False"

    make = functools.partial(widgets.Checkbox, indent=False)
    return Control(label, default, make, check, (False, True), structural)


def _range(low, high, unit=""):
    return f"from {low:g} to {high:g} {unit}".rstrip()


def _between(low, high, types=int | float, noun="number"):
    def check(value):
        fits = isinstance(value, types) and not isinstance(value, bool) and low <= value <= high
        return None if fits else f"expected a {noun} from {low:g} to {high:g}"

    return check
