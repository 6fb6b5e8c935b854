"""Claims about searching for hyperparameters, tried in lecture 12.

Nothing is trained here: a search looks its trials up in the table (`tabular`). A seed is a repetition;
it decides which images are for validation and which for testing, the seed of every trial, and what is
random in the search. All arms of a repetition share these, and all searches have the same budget.
"""

import itertools

import numpy as np
import xarray as xr

from course_utils.claims import A_POINT, SLIP, Claim
from course_utils.experiments import tabular
from course_utils.experiments.searches import BUDGET, at_random, grid, one_by_one, optuna

VALIDATION = 100    # images that choose
SIZES = [50, 100, 200, 400]
TRIALS = [1, 3, 6, 12, 36, 100]
# Points on each axis: divided as evenly as possible, and by somebody who knows which axis matters.
EVEN = {"width": 2, "learning_rate": 3, "l2": 3, "dropout": 2}
KNOWING = {"width": 2, "learning_rate": 9, "l2": 2, "dropout": 1}


def samplers(task, seeds):
    """Five ways to spend one budget."""
    return searched(task, seeds, {
        "grid": grid(EVEN), "grid, 9 rates": grid(KNOWING), "random": optuna("random"),
        "quasi-random": optuna("qmc"), "TPE": optuna("tpe")})


def schemes(task, seeds):
    """All knobs at once, one after the other, or the learning rate alone; always at random."""
    return searched(task, seeds, {"all at once": optuna("random"), "one after the other": one_by_one(*tabular.SPACE),
                                  "learning rate only": one_by_one("learning_rate")})


def searched(task, seeds, arms):
    """Search with every arm in every repetition, and return the results of `tabular.Objective.winner`.

    Parameters
    ----------
    task : function from `datasets` that names the table
    seeds : sequence of int
    arms : dict name → function (objective, seed) that calls the objective

    Returns
    -------
    xarray.Dataset of ``validation``, ``test``, and ``again``, dims (arm, seed)
    """
    winners = []
    for arm, seed in itertools.product(arms.values(), seeds):
        objective = tabular.Objective(seed, validation=VALIDATION, task=task.__name__)
        arm(objective, seed)
        winners.append(objective.winner())
    return _labelled(winners, {"arm": list(arms), "seed": list(seeds)})


def winners(task, seeds):
    """Random searches of several lengths, whose winner is chosen on few or many images."""
    found = []
    for images, seed in itertools.product(SIZES, seeds):
        objective = tabular.Objective(seed, validation=images, task=task.__name__)
        at_random(max(TRIALS))(objective, seed)
        found += [objective.winner(trials) for trials in TRIALS]
    return _labelled(found, {"images": SIZES, "seed": list(seeds), "trials": TRIALS})


def _labelled(winners, coords):
    shape = [len(values) for values in coords.values()]
    return xr.Dataset({name: (list(coords), np.reshape([winner[name] for winner in winners], shape))
                       for name in winners[0]}, coords)


def gained(runs, over, by):
    """Accuracy of the chosen configuration, trained again with other seeds: arm `by` minus arm `over`, per seed."""
    return runs.again.sel(arm=by, drop=True) - runs.again.sel(arm=over, drop=True)


def gained_by_random(runs):
    """Random search minus the even grid, per seed."""
    return gained(runs, "grid", "random")


def gained_by_tpe(runs):
    """TPE minus random search, per seed."""
    return gained(runs, "random", "TPE")


def gained_at_once(runs):
    """All knobs at once minus one after the other, per seed."""
    return gained(runs, "one after the other", "all at once")


def kept(runs):
    """Test minus validation accuracy of the chosen network, per seed."""
    chosen = runs.sel(images=VALIDATION, trials=BUDGET, drop=True)
    return chosen.test - chosen.validation


CLAIMS = [
    Claim("hs-random", "Random search beats grid search.",
          "Bergstra & Bengio, Random search for hyper-parameter optimization (2012)", "12",
          "test accuracy gained over an even grid, 36 trials each, drawn from one table",
          samplers, gained_by_random, threshold=A_POINT, neutral=0.0, smallest_effect=0.01, pilot_sd=0.03),
    Claim("hs-bayes", "Bayesian optimization beats random search.",
          "Turner et al., Bayesian optimization is superior to random search (2021)", "12",
          "test accuracy gained by TPE (its first ten trials are random) over random search, 36 trials each, drawn "
          "from one table",
          samplers, gained_by_tpe, threshold=A_POINT, neutral=0.0, smallest_effect=0.01, pilot_sd=0.024),
    Claim("hs-what-you-get", "The best validation score is what you get.", SLIP, "12",
          "test minus validation accuracy of the best of 36 networks, 100 images choose, drawn from one table",
          winners, kept, threshold=-A_POINT, neutral=None, smallest_effect=0.01, pilot_sd=0.032),
    Claim("hs-at-once", "Tune everything at once.", "common advice", "12",
          "test accuracy gained over one knob after the other, 36 trials each, random search, drawn from one table",
          schemes, gained_at_once, threshold=A_POINT, neutral=0.0, smallest_effect=0.03, pilot_sd=0.087),
]
