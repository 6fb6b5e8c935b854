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
        """Do nothing: Optuna would stop its own loop here, but the driver counts the trials itself."""


class _QMC(optuna.samplers.QMCSampler):
    """A sampler that knows its space from the start; Optuna's learns it from a first trial that is drawn at random."""

    def __init__(self, space, seed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)   # its interface, not its points
            super().__init__(scramble=True, seed=seed)
        self.space = {name: distribution for name, distribution in space.items() if not distribution.single()}

    def infer_relative_search_space(self, study, trial):
        return self.space


def sampler(name, space, seed, grid):
    """How the configuration of each trial is chosen; "grid" goes through `grid`, which comes from `space.grid`.

    Returns
    -------
    callable number → optuna.samplers.BaseSampler
        The sampler that draws the configuration of the trial of that number. All randomness depends only on the seed
        and the number, so that a resumed search goes on as if it had never stopped; one random sampler for all trials
        would draw its first ones again.
    """
    if isinstance(name, optuna.samplers.BaseSampler):
        shared = name
    elif name == "grid":
        shared = _Grid(grid, seed=seed)
    elif name == "qmc":
        shared = _QMC(space, seed)
    elif name in SAMPLERS:
        kind = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}[name]
        return lambda number: kind(seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
    else:
        raise ValueError(f"There is no sampler {name!r}; there are {', '.join(SAMPLERS)}, and Optuna's own objects.")
    return lambda number: shared


def pruner(name):
    """The pruner of that name, Optuna's own object, or, for None, a pruner that never prunes."""
    if name is None:
        return optuna.pruners.NopPruner()
    if isinstance(name, optuna.pruners.BasePruner):
        return name
    if name not in PRUNERS:
        raise ValueError(f"There is no pruner {name!r}; there are {', '.join(PRUNERS)}, and Optuna's own objects.")
    return PRUNERS[name]()
