"""Which configuration is next, and which trial stops early: samplers and pruners by name."""

import warnings

import numpy as np
import optuna

PRUNERS = {
    "median": optuna.pruners.MedianPruner,
    "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}
SAMPLERS = ("grid", "random", "qmc", "tpe")


class _Grid(optuna.samplers.GridSampler):
    def after_trial(self, study, trial, state, values):
        """Optuna would stop its own loop here; the driver counts by itself."""


class _QMC(optuna.samplers.QMCSampler):
    """Knows its space, where Optuna's learns it from a first trial drawn at random."""

    def __init__(self, space, seed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)   # its interface, not its points
            super().__init__(scramble=True, seed=seed)
        self.space = {name: distribution for name, distribution in space.items() if not distribution.single()}

    def infer_relative_search_space(self, study, trial):
        return self.space


def sampler(name, space, seed, grid):
    """How the configuration of each trial is found; "grid" walks through `grid`, as `space.grid` gives it.

    Returns
    -------
    callable number → optuna.samplers.BaseSampler
        The sampler that draws the configuration of the trial of that number. What is random
        depends on the seed and the number alone, so that a resumed search goes on as if it had
        never stopped; one sampler for all trials would draw its first ones again.
    """
    if isinstance(name, optuna.samplers.BaseSampler):
        return lambda number: name
    if name == "grid":
        one = _Grid(grid, seed=seed)
    elif name == "qmc":
        one = _QMC(space, seed)
    elif name in SAMPLERS:
        kind = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}[name]
        return lambda number: kind(seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
    else:
        raise ValueError(f"There is no sampler {name!r}; there are {', '.join(SAMPLERS)}, and Optuna's own objects.")
    return lambda number: one


def pruner(name):
    """The pruner of that name, Optuna's own object, or for None one that never prunes."""
    if name is None:
        return optuna.pruners.NopPruner()
    if isinstance(name, optuna.pruners.BasePruner):
        return name
    if name not in PRUNERS:
        raise ValueError(f"There is no pruner {name!r}; there are {', '.join(PRUNERS)}, and Optuna's own objects.")
    return PRUNERS[name]()
