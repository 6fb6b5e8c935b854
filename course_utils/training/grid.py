"""What the learner asked for: a grid of knobs, checked and taken apart into runs."""

import inspect
import itertools

import numpy as np

from course_utils.training.knobs import NUMERIC, check

COUPLED = "configuration"   # the key of knobs that vary together


def parse(grid, build_model, batch_size, optimizer):
    """Check a grid and return ``(axes, fixed, optimizers)``.

    Parameters
    ----------
    grid : dict
        Knob → one value, or a sequence of different values; ``"configuration"`` → a list of dicts
        knob → value.
    build_model : callable
        Its arguments are knobs too.
    batch_size : int
    optimizer : str or keras.optimizers.Optimizer
        Used, like `batch_size`, where the grid has none.

    Returns
    -------
    axes : dict knob → list of values
        One dimension of the result each, in the order of the grid. The values of
        ``"configuration"`` are dicts.
    fixed : dict knob → value
    optimizers : dict name → keras.optimizers.Optimizer
        In the grid an optimizer goes by its name.

    Raises
    ------
    TypeError, ValueError
        One sentence each: not a dict, an unknown knob, no value, a value twice, a bad number.
    """
    from course_utils.training import optimizers

    if not isinstance(grid, dict):
        raise TypeError(f"grid is a {type(grid).__name__}; expected a dict such as "
                        "{'learning_rate': [0.01, 0.1], 'seed': range(10)}.")
    if not callable(build_model) or _is_model(build_model):
        raise TypeError(f"build_model is {_described(build_model)}; expected a function that builds a model, such as "
                        "models.mlp, so that each run gets weights of its own.")
    known = _arguments(build_model)
    axes, fixed, chosen = {}, NUMERIC | {"batch_size": batch_size, "optimizer": optimizer}, {}
    coupled = _columns(grid)
    separate = {knob: values for knob, values in grid.items() if knob != COUPLED}
    defaults = {knob: fixed[knob] for knob in ("batch_size", "optimizer") if knob not in separate | coupled}
    for knob, values in [*(defaults | separate).items(), *coupled.items()]:
        if known is not None and knob not in fixed and knob not in known:
            raise ValueError(f"{knob!r} is not a knob: {_name(build_model)} takes {_listed(known)}, and "
                             f"fit_many itself knows {_listed([*NUMERIC, 'batch_size', 'optimizer'])}.")
        alone = isinstance(values, str) or not np.iterable(values)
        values = [value.item() if isinstance(value, np.generic) else value for value in ([values] if alone else values)]
        if not values:
            raise ValueError(f"grid[{knob!r}] is empty; give it at least one value.")
        if knob == "optimizer":
            kinds = [optimizers.get(value) for value in values]
            values = [optimizers.name(kind) for kind in kinds]
            chosen |= dict(zip(values, kinds, strict=True))
        for value in values:
            check(knob, value)
            if isinstance(value, dict | set | np.ndarray):
                raise TypeError(f"grid[{knob!r}] holds a {type(value).__name__}; expected numbers, strings, or tuples, "
                                "which can be told apart: give each of its parts as a knob of its own.")
            if knob not in coupled and values.count(value) > 1:
                raise ValueError(f"grid[{knob!r}] holds {value!r} twice; every value of a knob must differ.")
        if knob in coupled:
            coupled[knob] = values
        elif alone:
            fixed[knob] = values[0]
        else:
            axes[knob] = values
        if knob in coupled or not alone:
            fixed.pop(knob, None)
    if coupled:
        rows = [dict(zip(coupled, row, strict=True)) for row in zip(*coupled.values(), strict=True)]
        axes = {knob: rows if knob == COUPLED else axes[knob] for knob in grid if knob in {*axes, COUPLED}}
    for optimizer in chosen.values():
        optimizers.check_grid(optimizer, separate | coupled)
    return axes, fixed, chosen


def structures(axes, fixed):
    """Group all runs by structure: the knobs that change a shape or the graph.

    Returns
    -------
    list of ``(structure, positions, numbers)``
        structure : dict, the arguments of `build_model`, ``batch_size`` and ``optimizer``
        positions : list of flat positions in the array of all runs
        numbers : list of dicts, the numeric knobs of each of these runs
    """
    groups = {}
    for position, values in enumerate(itertools.product(*axes.values())):
        run = fixed | dict(zip(axes, values, strict=True))
        run |= run.pop(COUPLED, {})
        numeric = {knob: run.pop(knob) for knob in NUMERIC}
        key = tuple(sorted((knob, repr(value)) for knob, value in run.items()))
        _, positions, numbers = groups.setdefault(key, (run, [], []))
        positions.append(position)
        numbers.append(numeric)
    return list(groups.values())


def _columns(grid):
    """The knobs that vary together: dict knob → list of values, one for each configuration."""
    if COUPLED not in grid:
        return {}
    rows = grid[COUPLED]
    if not (isinstance(rows, list | tuple) and rows and all(isinstance(row, dict) and row for row in rows)):
        raise TypeError(f"grid['{COUPLED}'] is {rows!r:.60}; expected a list of dicts such as "
                        "[{'learning_rate': 0.1, 'dropout': 0.2}, {'learning_rate': 0.3, 'dropout': 0.0}].")
    for row in rows:
        if set(row) != set(rows[0]):
            raise ValueError(f"A configuration has {_listed(row)}, another {_listed(rows[0])}; expected the same knobs "
                             "in all of them.")
    if both := [knob for knob in rows[0] if knob in grid]:
        raise ValueError(f"{both[0]!r} is in the grid and in its configurations; expected it in one of them.")
    return {knob: [row[knob] for row in rows] for knob in rows[0]}


def _arguments(build_model):
    """Names of the arguments of `build_model`, or None if it takes any."""
    parameters = inspect.signature(build_model).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters]


def _is_model(build_model):
    return hasattr(build_model, "layers") and not isinstance(build_model, type)


def _described(build_model):
    return "a model" if _is_model(build_model) else f"a {type(build_model).__name__}"


def _name(build_model):
    return getattr(build_model, "__name__", "build_model")


def _listed(names):
    return ", ".join(names) or "no arguments"
