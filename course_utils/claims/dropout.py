"""Claims about dropout, tried in lecture 09."""

import numpy as np
import xarray as xr

from course_utils import fit_many, models
from course_utils.claims import A_POINT, Claim
from course_utils.claims.register import Study
from course_utils.experiments.comparison import Comparison, grid
from course_utils.experiments.tasks import TASKS
from course_utils.experiments.tuning import at_best, scores_at_best_rate, settled, steps_to

SRIVASTAVA = "Srivastava et al., Dropout (2014)"
# Four seeds instead of two, and the mean of the last epochs instead of the last one: the best of these learning rates
# differ by less than a point, and with two seeds, chance chose between them.
TUNING_SEEDS = range(90, 94)
LEARNING_RATES = [0.1, 0.3, 1.0]   # with batch norm, there are others: `beside_batch_norm`
RATES = [0.0, 0.2, 0.5]
WIDE = 64        # units in each of two hidden layers
CONDITIONS = {"right labels": {}, "30 % wrong labels": {"label_noise": 0.3}, "128 samples": {"train_size": 128}}
GOAL = 0.9       # validation accuracy that counts as learned
EVERY = 11       # steps between two evaluations


# The learning rates begin at 0.1 because in the pilot no arm was best at 0.03, and they reach 1.0 because on few
# tones the network *without* dropout is at its best there: with 0.3 at most, dropout seemed to gain ten points.
def three_conditions(task, seeds, *, width=WIDE, conditions=tuple(CONDITIONS)):
    """A network without dropout and at two rates, each at its best learning rate, in some conditions.

    Parameters
    ----------
    task : function seed → Split
    seeds : sequence of int
    width : int
        Units in each of two hidden layers.
    conditions : sequence of str
        From `CONDITIONS`. All train for the same number of steps.

    Returns
    -------
    xarray.Dataset, dims (condition, dropout, seed)
        ``val_accuracy`` of each measuring seed, averaged over the last fifth of the training, and ``tuned``, the
        mean over the tuning seeds.
    """
    data = task(0)
    runs = [fit_many(models.mlp, data, {
        "width": width, "depth": 2, "dropout": RATES, "learning_rate": LEARNING_RATES,
        "seed": [*TUNING_SEEDS, *seeds], **CONDITIONS[condition]}, epochs=20) for condition in conditions]
    scores = [settled(one).reset_coords(drop=True) for one in runs]
    return scores_at_best_rate(xr.concat(scores, xr.Variable("condition", list(conditions))), TUNING_SEEDS)


def at_best_of(runs, rates):
    """Accuracy at the one of these dropout rates that was best on the tuning seeds; dims (condition, seed)."""
    rate = runs.tuned.sel(dropout=list(rates)).idxmax("dropout")
    return runs.val_accuracy.sel(dropout=rate).drop_vars("dropout")


def gained(runs):
    """Accuracy with dropout, at its best rate, minus without; dims (condition, seed)."""
    return at_best_of(runs, [0.2, 0.5]) - runs.val_accuracy.sel(dropout=0.0, drop=True)


def gained_with_wrong_labels(runs):
    """`gained` with 30% label noise, per seed."""
    return gained(runs).sel(condition="30 % wrong labels", drop=True)


def gained_by_a_half(runs):
    """Accuracy at rate 0.5 minus that at the best of the other rates, including 0; dims (condition, seed)."""
    return runs.val_accuracy.sel(dropout=0.5, drop=True) - at_best_of(runs, [0.0, 0.2])


def gained_by_a_half_on_average(runs):
    """`gained_by_a_half`, averaged over the conditions, per seed."""
    return gained_by_a_half(runs).mean("condition")


def race(task, seeds):
    """Steps to 90 %, with dropout and without, each at the learning rate that is fastest for it."""
    runs = fit_many(models.mlp, task(0), {
        "width": WIDE, "depth": 2, "dropout": [0.0, 0.5], "learning_rate": LEARNING_RATES,
        "seed": [*TUNING_SEEDS, *seeds]}, epochs=20, evaluate_every=EVERY)
    runs["steps"] = steps_to(GOAL, runs.val_accuracy)
    return at_best("learning_rate", runs, score=-np.log(runs.steps), seeds=TUNING_SEEDS)


def times_as_many_steps(runs):
    """Steps with dropout over steps without, per seed."""
    steps = runs.steps.drop_vars("learning_rate")
    return steps.sel(dropout=0.5, drop=True) / steps.sel(dropout=0.0, drop=True)


def normalized(place="between", *, input_shape=(64,), classes=10, width=64, momentum=0.9):
    """Two hidden layers, each Dense → batch norm → ReLU, and one dropout layer.

    Parameters
    ----------
    place : {"between", "behind"}
        Position of the dropout layer: between the hidden layers, so that the second normalization sees
        dropped features; or after the last normalization and its ReLU.
    input_shape, classes, width, momentum
        As in `models.mlp`.

    Returns
    -------
    keras.Sequential, not compiled; its dropout rate is 0.5.

    Source: Li et al. (2019), Understanding the disharmony between dropout and batch
    normalization by variance shift.
    """
    import keras
    from keras import layers

    stack = [keras.Input(input_shape)]
    for here in ("between", "behind"):
        stack += [layers.Dense(width, use_bias=False, kernel_initializer="he_normal"),
                  layers.BatchNormalization(momentum=momentum), layers.Activation("relu")]
        if here == place:
            stack.append(layers.Dropout(0.5))
    return keras.Sequential([*stack, layers.Dense(classes, activation="softmax")])


def beside_batch_norm(task, seeds):
    """Dropout at rate 0.5 in a normalized network, in two places and not at all, labels right and 30 % wrong."""
    runs = fit_many(normalized, task(0), {
        "place": ["between", "behind"], "dropout": [0.0, 0.5], "label_noise": [0.0, 0.3],
        "learning_rate": [0.03, 0.1, 0.3], "seed": [*TUNING_SEEDS, *seeds]}, epochs=10)
    return scores_at_best_rate(settled(runs).reset_coords(drop=True), TUNING_SEEDS)


def gained_beside(runs):
    """Accuracy with dropout minus without; dims (place, label_noise, seed)."""
    return runs.val_accuracy.sel(dropout=0.5, drop=True) - runs.val_accuracy.sel(dropout=0.0, drop=True)


def lost_between(runs):
    """Accuracy lost by dropout between two normalizations, clean labels, per seed."""
    return -gained_beside(runs).sel(place="between", label_noise=0.0, drop=True)


CLAIMS = [
    Claim("do-overfitting", "Dropout prevents overfitting.", f"common reading of {SRIVASTAVA}, title", "09",
          "accuracy gained with 30 % wrong labels, each at its best rates",
          three_conditions, gained_with_wrong_labels, threshold=A_POINT, neutral=0.0,
          smallest_effect=A_POINT, pilot_sd=0.0106),
    Claim("do-half", "0.5 is the best rate.", f"common reading of {SRIVASTAVA}, introduction", "09",
          "accuracy gained by rate 0.5 over the best of none and 0.2, mean of three conditions",
          three_conditions, gained_by_a_half_on_average, threshold=-A_POINT, neutral=None, smallest_effect=0.0046,
          pilot_sd=0.0048),
    Claim("do-slows", "Dropout slows training.", f"{SRIVASTAVA}, conclusion: two to three times", "09",
          "times as many steps to 90 % with dropout 0.5, each at its fastest learning rate",
          race, times_as_many_steps, threshold=1.1, neutral=1.0, smallest_effect=0.4, pilot_sd=0.21, ratio=True),
    Claim("do-batch-norm", "Do not use dropout with batch norm.",
          "common reading of Li et al., Disharmony between dropout and batch normalization (2019)", "09",
          "accuracy lost by dropout between two normalizations, labels right, each at its best learning rate",
          beside_batch_norm, lost_between, threshold=A_POINT, neutral=0.0, smallest_effect=A_POINT, pilot_sd=0.0071),
]

STUDIES = [
    Study("do-overfitting", Comparison(
        arms={"without": {}, "with": {}},
        tune={"without": grid(dropout=[0.0], learning_rate=[0.01, 0.03, 0.1, 0.3, 0.6, 1.0]),
              "with": grid(dropout=[0.2, 0.5], learning_rate=[0.1, 0.3, 1.0])},
        fixed={"width": WIDE, "depth": 2, "label_noise": 0.3}, steps=800),
        "accuracy gained by dropout with 30% label noise, each at its best settings", threshold=0.02, neutral=0.0,
        margin=0.02, within="800 steps", tasks=tuple(TASKS)),
]
