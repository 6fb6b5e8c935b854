"""Searches of the table (`tabular`).

Ways to spend a budget of trials: each returns a function of an objective and a seed. Whole searches, with a sampler or
with a pruner.
"""

import functools
import itertools

import numpy as np
import xarray as xr

from course_utils import search
from course_utils.experiments import tabular
from course_utils.search import pruning

BUDGET = 36   # trials of every search
GRIDS = {9: (1, 3, 1, 3), 16: (2, 2, 2, 2), 36: (2, 3, 3, 2), 64: (2, 4, 4, 2)}   # trials: points on each axis


def optuna(sampler, *, trials=BUDGET, space=None):
    """A search with one of Optuna's samplers, in the table's space by default."""
    def spend(objective, seed):
        search.run(objective, space or tabular.space(), n_trials=trials, sampler=sampler, seed=seed, progress=False)
    return spend


def grid(counts):
    """A regular grid with a random offset, because nobody knows beforehand where its points should be."""
    def spend(objective, seed):
        offsets = np.random.default_rng([seed, 1]).random(len(counts))
        shares = [(np.arange(count) + offset) / count for count, offset in zip(counts.values(), offsets, strict=True)]
        for point in itertools.product(*shares):
            objective(tabular.config_at(dict(zip(counts, point, strict=True))))
    return spend


def at_random(trials):
    """A random search like Optuna's, but faster."""
    def spend(objective, seed):
        for shares in np.random.default_rng([seed, 3]).random((trials, len(tabular.SPACE))):
            objective(tabular.config_at(dict(zip(tabular.SPACE, shares, strict=True))))
    return spend


def one_by_one(*knobs):
    """From a random configuration: each knob in turn, in random order, while the others stay at their best value."""
    def spend(objective, seed):
        rng = np.random.default_rng([seed, 2])
        best = dict(zip(tabular.SPACE, rng.random(len(tabular.SPACE)), strict=True))
        tried = []
        for knob in rng.permutation(knobs):
            tried += [best | {knob: share} for share in rng.random(BUDGET // len(knobs))]
            for shares in tried[len(objective.scores):]:
                objective(tabular.config_at(shares))
            best = tried[int(np.argmax(objective.scores))]
    return spend


SAMPLERS = {
    "grid": lambda trials: grid(dict(zip(tabular.SPACE, GRIDS[trials], strict=True))), "random": at_random,
    "quasi-random": lambda trials: optuna("qmc", trials=trials), "TPE": lambda trials: optuna("tpe", trials=trials)}


@functools.lru_cache(maxsize=1024)
def searched(sampler, trials, images, axis, seed):
    """The `tabular.Objective` of one search after all trials.

    Parameters
    ----------
    sampler : str
        One of `SAMPLERS`; a grid has as many trials as one of `GRIDS`.
    trials : int
    images : int
        That choose; the others are test images.
    axis : {"log", "linear"}
        Of the learning rate.
    seed : int
        Determines the validation images and the sampler's random numbers.
    """
    objective = tabular.Objective(seed, validation=images)

    def on_linear_axis(params):
        return objective(params | {"learning_rate": linear(params["learning_rate"])})

    SAMPLERS[sampler](trials)(on_linear_axis if axis == "linear" else objective, seed)
    return objective


def linear(rate):
    """The learning rate that is as far along a linear axis as this one is along the logarithmic axis.

    Drawing evenly along the logarithmic axis and moving each point draws evenly along the linear one, so this works
    for every sampler.
    """
    low, *_, high = tabular.SPACE["learning_rate"]
    return low + (high - low) * np.log(rate / low) / np.log(high / low)


def prune(curves, pruner, factor, first):
    """What a pruner by name, or "none", does with curves: a `pruning.Pruned`."""
    if pruner == "none":
        return pruning.no_pruning(curves)
    settings = {"first": first} if pruner == "median" else {"factor": factor, "first": first}
    return pruning.RULES[pruner](curves, **settings)


@functools.lru_cache(maxsize=512)
def pruned(pruner, factor, first, configurations, seeds):
    """Random searches with a pruner, and the same ones without.

    Returns
    -------
    xarray.Dataset, dim search
        ``choice``: mean accuracy of what is chosen, trained with other seeds. ``plain``, (search, budget): that
        without a pruner; ``equal``: in as many epochs, rounded up to a whole training. ``spent``: epochs with the
        pruner. ``lost``: epochs of the configuration that would have ended best.
    """
    rows = []
    for seed in seeds:
        curves, again, _ = tabular.sample(seed, configurations)
        result = prune(curves, pruner, factor, first)
        leaders = [int(np.argmax(curves[:count, -1])) for count in range(1, 1 + configurations)]
        rows.append((again[result.chosen], result.spent, result.epochs[leaders[-1]], again[leaders]))
    choice, spent, lost, plain = zip(*rows, strict=True)
    found = xr.Dataset({"choice": ("search", list(choice)), "spent": ("search", list(spent)),
                        "lost": ("search", list(lost)), "plain": (("search", "budget"), np.array(plain))},
                       {"budget": tabular.EPOCHS * np.arange(1, 1 + configurations)})
    return found.assign(equal=found.plain.sel(budget=found.spent, method="backfill").drop_vars("budget"))
