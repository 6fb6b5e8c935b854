"""Search spaces: plain names for Optuna's distributions, and the grid over them."""

import json
import math

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

COLUMNS = ("value", "state", "node", "attempt", "seconds", "error")   # other columns of the table of trials


def uniform(low, high):
    """A number in [low, high], all equally likely."""
    return FloatDistribution(*_bounds("uniform", low, high))


def log_uniform(low, high):
    """A number in [low, high], all orders of magnitude equally likely; `low` is above 0."""
    return FloatDistribution(*_bounds("log_uniform", low, high, positive=True), log=True)


def integer(low, high, *, log=False):
    """A whole number from `low` to `high`, both included; with `log`, all orders of magnitude equally likely."""
    low, high = _bounds("integer", low, high, positive=log)
    if low != int(low) or high != int(high):
        raise ValueError(f"integer({low:g}, {high:g}) has a bound that is no whole number: use uniform or log_uniform.")
    return IntDistribution(int(low), int(high), log=log)


def choice(*values):
    """One of the values, all equally likely: strings, numbers, booleans or None."""
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    if invalid := [value for value in values if not isinstance(value, str | int | float | None)]:
        raise TypeError(f"choice takes strings, numbers, booleans and None, one by one, not {invalid[0]!r}: write "
                        "choice(32, 64), and give anything else a name.")
    if not values or len(set(map(repr, values))) < len(values):
        raise ValueError("choice() has nothing to choose from: write choice(32, 64)." if not values else
                         f"choice{tuple(values)} holds a value twice; every value must differ.")
    return CategoricalDistribution(values)


def _bounds(name, low, high, positive=False):
    """Both bounds as Python floats, checked."""
    try:
        low, high = float(low), float(high)
    except (TypeError, ValueError):
        raise TypeError(f"{name}({low!r}, {high!r}) needs two numbers.") from None
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"{name}({low:g}, {high:g}) needs two finite numbers, the lower one first.")
    if positive and low <= 0:
        raise ValueError(f"{name}({low:g}, {high:g}) is on a logarithmic scale: its lower bound must be above 0.")
    return low, high


def check(space):
    """Raise one sentence unless this is a search space."""
    if not isinstance(space, dict) or not space:
        raise ValueError('The space is empty: expected a dict such as {"learning_rate": search.log_uniform(1e-3, 1)}.')
    for name, distribution in space.items():
        if not isinstance(name, str) or name in COLUMNS:
            raise ValueError(f"{name!r} cannot be the name of a hyperparameter: expected a string that is not one of "
                             f"{', '.join(COLUMNS)}.")
        if not isinstance(distribution, BaseDistribution):
            raise TypeError(f"space[{name!r}] is {distribution!r}; expected search.log_uniform, "
                            "uniform, integer or choice.")


def describe(space):
    """The space as text, which is the same for equal spaces."""
    return json.dumps({name: distribution_to_json(space[name]) for name in sorted(space)})


def grid(space, n_trials):
    """A regular grid of at most `n_trials` points.

    Returns
    -------
    dict name → list of values
        All values of every `choice`. Of each range, equally many or, for the ranges named first, one more; they are
        equally far apart on its scale and include both ends (a single value is the middle). A range of integers gets
        no more points than it has integers.
    """
    counts = dict.fromkeys(space, 1)
    points = {name: _points(distribution, 1) for name, distribution in space.items()}
    if (smallest := _size(points)) > n_trials:
        raise ValueError(f"n_trials is {n_trials}; a grid over this space has at least {smallest} points.")
    growing = list(space)   # each of them in turn gets one more point, until that is one too many
    while growing:
        name = growing.pop(0)
        counts[name] += 1
        finer = {**points, name: _points(space[name], counts[name])}
        if _size(finer) > n_trials:
            break
        if len(finer[name]) > len(points[name]):   # otherwise it already has all its values
            points = finer
            growing.append(name)
    return points


def _size(points):
    return math.prod(map(len, points.values()))


def _points(distribution, count):
    """At most `count` values of a range, or all values of a choice."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    low, high = distribution.low, distribution.high
    spaced = np.geomspace if distribution.log else np.linspace
    values = spaced(low, high, count) if count > 1 else spaced(low, high, 3)[1:2]
    values = np.clip(values, low, high)   # geomspace may round past the ends
    if isinstance(distribution, IntDistribution):
        values = np.unique(values.round().astype(int))
    return list(dict.fromkeys(values.tolist()))
