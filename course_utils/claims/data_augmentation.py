"""Claims about data augmentation, tried in lecture 11."""

import numpy as np
import xarray as xr

from course_utils import fit_many, models
from course_utils.claims import A_POINT, SLIP, Claim
from course_utils.claims.register import Study
from course_utils.experiments.comparison import Comparison
from course_utils.experiments.tuning import at_best, scores_at_best_rate, settled, steps_to

TUNING_SEEDS = range(80, 84)
# For Adam: in the pilot, the rate 1.0 of plain SGD was best for some arms, and some runs of other arms diverged.
LEARNING_RATES = [0.003, 0.01]
FAST_RATES = [0.01, 0.03]   # for the race
# The kinds of augmentation that may compete, each at the mildest strength in common use.
KINDS = {"none": {}, "shifts": {"shift": 1}, "rotations": {"rotation": 15.0}, "flips": {"horizontal_flip": 0.5}}
FEW, MORE = 100, 400   # training images
NETWORK = {"depth": 2, "width": 64}
EPOCHS = 15
RACE = 4      # epochs
GOAL = 0.9   # validation accuracy that counts as learned
EVERY = 3    # steps between two evaluations


def kinds(task, seeds, *, train_size=FEW, kinds=tuple(KINDS)):
    """A network trained on few images, with each kind of augmentation, each at its best learning rate.

    Parameters
    ----------
    task : function seed → Split, of square images
    seeds : sequence of int
    train_size : int
        Training images; the number of steps does not depend on it.
    kinds : sequence of str, from `KINDS`

    Returns
    -------
    xarray.Dataset, dims (kind, seed)
        `scores_at_best_rate` of the validation accuracy, averaged over the last fifth of the training.
    """
    data = task(0)
    none = {knob: 0 for kind in kinds for knob in KINDS[kind]}   # all name the same knobs and share a program
    scores = [settled(fit_many(models.mlp, data, {
        **NETWORK, **none, **KINDS[kind], "train_size": train_size, "learning_rate": LEARNING_RATES,
        "seed": [*TUNING_SEEDS, *seeds]}, epochs=EPOCHS, optimizer="adam")).reset_coords(drop=True) for kind in kinds]
    return scores_at_best_rate(xr.concat(scores, xr.Variable("kind", list(kinds))), TUNING_SEEDS)


def gained(runs):
    """Accuracy with each kind minus without augmentation; dims (kind, seed)."""
    change = runs.val_accuracy - runs.val_accuracy.sel(kind="none", drop=True)
    return change.sel(kind=runs.kind != "none")


def gained_by_shifts(runs):
    """`gained` by shifts, per seed."""
    return gained(runs).sel(kind="shifts", drop=True)


def gained_by_flips(runs):
    """`gained` by flips from left to right, per seed."""
    return gained(runs).sel(kind="flips", drop=True)


def against_more_data(task, seeds):
    """`kinds` of augmentation on few images, and four times as many images without any.

    Returns
    -------
    xarray.Dataset
        That of `kinds`, and ``more``, dim (seed,), the accuracy with four times as many images.
    """
    runs = kinds(task, seeds)
    more = kinds(task, seeds, train_size=MORE, kinds=["none"])
    return runs.assign(more=more.val_accuracy.sel(kind="none", drop=True))


def best_kind(runs):
    """The kind of augmentation that was best on the tuning seeds."""
    return runs.tuned.sel(kind=runs.kind != "none").idxmax("kind").item()


def gained_over_more_data(runs):
    """Accuracy of few images with the best kind of augmentation minus that of four times as many, per seed."""
    return runs.val_accuracy.sel(kind=best_kind(runs), drop=True) - runs.more


def race(task, seeds):
    """Steps to 90 % on all images, with small rotations and without, each at the rate that is fastest for it."""
    runs = fit_many(models.mlp, task(0), {
        **NETWORK, "rotation": [0.0, 15.0], "learning_rate": FAST_RATES, "seed": [*TUNING_SEEDS, *seeds]},
        epochs=RACE, optimizer="adam", evaluate_every=EVERY)
    runs["steps"] = steps_to(GOAL, runs.val_accuracy)
    return at_best("learning_rate", runs, score=-np.log(runs.steps), seeds=TUNING_SEEDS)


def speed_kept(runs):
    """Steps without augmentation over steps with, per seed."""
    steps = runs.steps.drop_vars("learning_rate")
    return steps.sel(rotation=0.0, drop=True) / steps.sel(rotation=15.0, drop=True)


# The second task has to consist of images: letters, where a mirrored b is a d.
CLAIMS = [
    Claim("da-always", "Data augmentation always helps.", SLIP, "11",
          "accuracy gained by shifts of one pixel, 100 training images, each at its best learning rate",
          against_more_data, gained_by_shifts, threshold=A_POINT, neutral=0.0, smallest_effect=0.02, pilot_sd=0.0222,
          second_task="glyphs"),
    Claim("da-flips", "Flips are always safe.", SLIP, "11",
          "accuracy gained by flips from left to right, 100 training images, each at its best learning rate",
          against_more_data, gained_by_flips, threshold=-A_POINT, neutral=None, smallest_effect=0.015, pilot_sd=0.0163,
          second_task="glyphs"),
    Claim("da-substitute", "Augmentation is a substitute for data.", SLIP, "11",
          "accuracy gained by the best kind of augmentation on 100 images over 400 without any",
          against_more_data, gained_over_more_data, threshold=-A_POINT, neutral=None,
          smallest_effect=0.02, pilot_sd=0.0222, second_task="glyphs"),
    Claim("da-free", "Augmentation is free.", SLIP, "11",
          "of its speed kept: steps to 90 % without rotations over steps with, each at its fastest rate",
          race, speed_kept, threshold=0.9, neutral=None,
          smallest_effect=0.1, pilot_sd=0.207, ratio=True, second_task="glyphs"),
]

STUDIES = [
    Study("da-flips", Comparison(
        arms={"no flips": {"horizontal_flip": 0.0}, "flips": {"horizontal_flip": 0.5}},
        tune={"learning_rate": [0.001, 0.003, 0.01]}, fixed={"train_size": 200}, steps=300, build_model=models.cnn,
        optimizer="adam", images=True),
        "accuracy gained by flips from left to right, a CNN and 200 training images", threshold=-0.02, margin=0.03,
        tasks=("digits", "mnist", "emoji"), minutes=5.0),
]
