"""Claims about searches at scale, and about improving a network by all means, tried in lecture 13."""

import bisect
import itertools

import numpy as np
import xarray as xr

from course_utils import fit_many, models
from course_utils.claims import A_POINT, SLIP, Claim
from course_utils.experiments import tabular
from course_utils.experiments.tuning import settled
from course_utils.search import pruning

EARLY = 2        # epochs after which a leader may be declared, of 12
TRIALS = 36
BUDGET = 16      # in full trainings; what a search spends is counted in epochs
RULES = {"random": pruning.no_pruning} | pruning.RULES

# Techniques for a network that has memorized its few images, each at a usual strength.
IMAGES = 300
NETWORK = {"width": 64, "depth": 2, "momentum": 0.9}   # few steps, so the running averages have to adapt quickly
TECHNIQUES = {"batch norm": {"batch_norm": True}, "dropout": {"dropout": 0.2}, "L2": {"l2": 1e-3},
              "augmentation": {"placement": 1.0}}
NONE = {"batch_norm": False, "dropout": 0.0, "l2": 0.0, "placement": 0.0}
ALL = {knob: value for technique in TECHNIQUES.values() for knob, value in technique.items()}
ARMS = ({"none": NONE} | {f"+ {name}": NONE | technique for name, technique in TECHNIQUES.items()} | {"all": ALL}
        | {f"− {name}": ALL | {knob: NONE[knob] for knob in technique} for name, technique in TECHNIQUES.items()})
LEARNING_RATES = [0.1, 0.3, 1.0]
TUNING_SEEDS = range(90, 93)
EPOCHS = 45
EVERY = 27   # steps between two evaluations


def leaders(task, seeds):
    """Random searches in which the leader after each epoch is declared the winner.

    Parameters
    ----------
    task : callable
        Of `datasets`; its name finds the table.
    seeds : sequence of int

    Returns
    -------
    xarray.Dataset, dims (epoch, seed)
        ``again``: the accuracy of the winner at the end, mean over other seeds. ``rank``: Spearman's
        correlation of the scores after this epoch with those at the end, of other seeds.
    """
    from scipy.stats import spearmanr

    found = []
    for seed in seeds:
        curves, again, _ = tabular.sample(seed, TRIALS, task=task.__name__)
        found.append([again[curves.argmax(0)], [spearmanr(scores, again).statistic for scores in curves.T]])
    return xr.Dataset({name: (("seed", "epoch"), part) for name, part in zip(
        ("again", "rank"), np.swapaxes(found, 0, 1), strict=True)},
        {"seed": list(seeds), "epoch": np.arange(1, 1 + tabular.EPOCHS)}).transpose()


def pruned(task, seeds, *, rules=("random", "successive halving"), budgets=(BUDGET,)):
    """Random searches that stop trainings by a rule, each as large as its budget of epochs allows.

    Parameters
    ----------
    task : callable
        Of `datasets`; its name finds the table.
    seeds : sequence of int
    rules : sequence of str
        From `RULES`.
    budgets : sequence of int
        In full trainings.

    Returns
    -------
    xarray.Dataset, dims (rule, budget, seed)
        ``again``: the accuracy of what was chosen, mean over other seeds; ``tried``: configurations.
    """
    found = []
    for rule, budget, seed in itertools.product(rules, budgets, seeds):
        curves, again, _ = tabular.sample(seed, budget * (1 if rule == "random" else 8), task=task.__name__)
        size = bisect.bisect_right(range(len(curves)), budget * tabular.EPOCHS,
                                   key=lambda last: RULES[rule](curves[:last + 1]).spent)
        found.append([again[RULES[rule](curves[:size]).chosen], size])
    coords = {"rule": list(rules), "budget": list(budgets), "seed": list(seeds)}
    columns = np.reshape(found, [*map(len, coords.values()), 2])
    return xr.Dataset({"again": (list(coords), columns[..., 0]), "tried": (list(coords), columns[..., 1])}, coords)


def ablation(task, seeds):
    """A network with no technique, with each one, with all, and with all but each one, at its best learning rate.

    Parameters
    ----------
    task : function seed → Split, of square images
    seeds : sequence of int

    Returns
    -------
    xarray.Dataset, dims (arm, seed)
        ``val_accuracy`` of each measuring seed, averaged over the last fifth of the training;
        ``learning_rate`` and ``tuned``, dim (arm,), the rate that was best on the tuning seeds, and
        their mean at it.
    """
    data = few_images(task)
    tuning = trained(data, [arm | {"learning_rate": rate} for arm in ARMS.values() for rate in LEARNING_RATES],
                     TUNING_SEEDS).mean("seed").values.reshape(len(ARMS), -1)
    rates = [LEARNING_RATES[best] for best in tuning.argmax(1)]
    scores = trained(data, [arm | {"learning_rate": rate} for arm, rate in zip(ARMS.values(), rates, strict=True)],
                     seeds).rename(configuration="arm")
    return xr.Dataset({"val_accuracy": scores, "learning_rate": ("arm", rates), "tuned": ("arm", tuning.max(1))},
                      {"arm": list(ARMS)})


def few_images(task):
    """The task with its first `IMAGES` training images only."""
    data = task(0)
    return data.replace(x_train=data.x_train[:IMAGES], y_train=data.y_train[:IMAGES])


def trained(data, configurations, seeds):
    """Settled validation accuracy of the capstone's network; dims (configuration, seed)."""
    runs = fit_many(models.mlp, data, {"configuration": configurations, "seed": list(seeds)} | NETWORK,
                    epochs=EPOCHS, evaluate_every=EVERY)
    return settled(runs).reset_coords(drop=True).drop_vars("configuration")


def kept_early(runs):
    """Accuracy of the early leader minus that of the winner at the end, per seed."""
    return runs.again.sel(epoch=EARLY, drop=True) - runs.again.isel(epoch=-1, drop=True)


def gained_by_halving(runs):
    """Accuracy gained over random search without pruning, per seed."""
    again = runs.again.sel(budget=BUDGET, drop=True)
    return again.sel(rule="successive halving", drop=True) - again.sel(rule="random", drop=True)


def gained_by_all(runs):
    """All techniques minus the best other combination on the tuning seeds, per seed."""
    best = runs.tuned.drop_sel(arm="all").idxmax("arm").item()
    return runs.val_accuracy.sel(arm="all", drop=True) - runs.val_accuracy.sel(arm=best, drop=True)


CLAIMS = [
    Claim("sc-early", "You see early which run will win.", SLIP, "13",
          f"accuracy, with other seeds, of the leader after {EARLY} of {tabular.EPOCHS} epochs minus that of the "
          "winner at the end, drawn from one table",
          leaders, kept_early, threshold=-A_POINT, neutral=None, smallest_effect=0.01, pilot_sd=0.043),
    Claim("sc-halving", "Stopping bad trials early finds better hyperparameters at the same cost.",
          "Li et al., Hyperband: a novel bandit-based approach to hyperparameter optimization (2018)", "13",
          f"accuracy, with other seeds, gained over full trainings, {BUDGET * tabular.EPOCHS} epochs each, drawn from "
          "one table",
          pruned, gained_by_halving, threshold=A_POINT, neutral=0.0, smallest_effect=0.01, pilot_sd=0.045),
    Claim("sc-everything", "Combine all techniques for the best result.", "common advice", "13",
          "accuracy of all techniques together minus the best other combination, 405 steps each",
          ablation, gained_by_all, threshold=-A_POINT, neutral=None, smallest_effect=0.03, pilot_sd=0.026,
          second_task="canvas_digits"),
]
