"""Claims about learning rates and schedules, of lectures 02 and 12."""

import keras
import xarray as xr

from course_utils import fit_many, models
from course_utils.claims import A_POINT, Claim
from course_utils.claims.register import Study
from course_utils.experiments.comparison import Comparison, final, grid
from course_utils.experiments.tasks import TASKS
from course_utils.experiments.tuning import TUNING_SEEDS

RATES = [0.001, 0.01, 0.03, 0.1, 0.3, 1.0]
DEFAULT_RATE = 0.1
# One change at a time. The default: three hidden layers of 64 ReLU units, He initialization, batch size 32, no
# decay, learning rate 0.1. Each other hyperparameter goes to an end of the range that is common in books and code.
# All were written down before the trial ran.
CHANGES = {
    "none": {}, "width": {"width": 16}, "depth": {"depth": 1}, "activation": {"activation": "sigmoid"},
    "large batch": {"batch_size": 128},
    "small initial weights": {"initial_scale": 0.3}, "large initial weights": {"initial_scale": 2.0},
    "weight decay": {"weight_decay": 0.03}}


def all_hyperparameters(task, seeds):
    """One network and seven changes to it, each at six learning rates from 0.001 to 1."""
    data, everyone = task(0), [*TUNING_SEEDS, *seeds]
    grid = {"learning_rate": RATES, "weight_decay": 0.0, "seed": everyone}
    scores = [fit_many(models.mlp, data, grid | change, epochs=6).val_accuracy.isel(epoch=-1)
              for change in CHANGES.values()]
    return xr.concat([score.reset_coords(drop=True) for score in scores],
                     xr.Variable("change", list(CHANGES))).to_dataset(name="val_accuracy")


def regained(runs):
    """Accuracy regained by tuning the learning rate again after a change, mean over changes, per seed."""
    changed = runs.drop_sel(change="none")
    best = _tuning(changed.val_accuracy).mean("seed").idxmax("learning_rate")
    scores = _measured(changed).val_accuracy
    gain = scores.sel(learning_rate=best) - scores.sel(learning_rate=DEFAULT_RATE)
    return gain.drop_vars("learning_rate", errors="ignore").mean("change")


def _tuning(runs):
    return runs.sel(seed=list(TUNING_SEEDS))


def _measured(runs):
    return runs.drop_sel(seed=list(TUNING_SEEDS))


# A common way to begin, with Adam's default rate. Each arm tunes one of these and leaves the others alone.
DEFAULTS = {"learning_rate": 0.001, "width": 64, "depth": 2, "activation": "relu", "dropout": 0.0, "weight_decay": 0.0}
CHOICES = {
    "learning_rate": [0.0003, 0.001, 0.003], "width": [16, 64, 256], "depth": [1, 2, 4],
    "activation": ["relu", "tanh", "sigmoid"], "dropout": [0.0, 0.2, 0.5], "weight_decay": [0.0, 0.01, 0.1]}


def over_the_best_other(runs):
    """Final accuracy of the first arm minus that of the arm with the best mean among the others, per seed."""
    scores = final(runs.val_accuracy)
    first, others = scores.isel(arm=0, drop=True), scores.isel(arm=slice(1, None))
    return first - others.isel(arm=others.mean("seed").argmax("arm"), drop=True)


DECAY_STEPS = 600
COSINE = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, DECAY_STEPS), name="cosine")

CLAIMS = [
    Claim("tc-only-one", "If you can tune only one hyperparameter, tune the learning rate.",
          "Goodfellow, Bengio & Courville, Deep learning (2016)", "02",
          "accuracy gained by tuning the learning rate over the best of five other hyperparameters"),
    Claim("tc-decay", "Lower the learning rate during training.", "common advice", "02",
          "accuracy gained by a cosine schedule, each at its best initial learning rate"),
    Claim("tc-tune-again", "After a change, tune the learning rate again.", "common advice", "12",
          "accuracy regained by tuning the rate again, mean over seven changes, after six epochs",
          all_hyperparameters, regained, threshold=A_POINT, neutral=0.0, smallest_effect=0.03, pilot_sd=0.03),
]
STUDIES = [
    Study("tc-only-one", Comparison(
        arms={name: {other: DEFAULTS[other] for other in DEFAULTS if other != name} for name in CHOICES},
        tune={name: grid(**{name: values}) for name, values in CHOICES.items()}, optimizer="adamw"),
        "accuracy gained by tuning the learning rate over the best of five other hyperparameters, from Adam's default",
        threshold=0.0, margin=0.015, effect=over_the_best_other, within="600 steps", tasks=tuple(TASKS),
        minutes=5.0),   # 36 networks for each half of the validation data
    Study("tc-decay", Comparison(
        arms={"constant": {}, "cosine": {"optimizer": COSINE}},
        tune={"learning_rate": [0.03, 0.1, 0.3, 0.6, 1.0]}, fixed={"depth": 2}, steps=DECAY_STEPS),
        "accuracy gained by a cosine schedule, each at its best initial learning rate", threshold=0.01, neutral=0.0,
        margin=0.01, within="600 steps", tasks=tuple(TASKS)),
]
