"""Ways to spend a budget of trials on the table (`tabular`): each returns a function of an objective and a seed."""

import itertools

import numpy as np

from course_utils import search
from course_utils.experiments import tabular

BUDGET = 36   # trials of every search


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
