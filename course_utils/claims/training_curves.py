"""Claims about learning rates and schedules, of lectures 02 and 12."""

import functools

import xarray as xr

from course_utils import fit_many, models
from course_utils.claims import A_POINT, Claim
from course_utils.claims.register import Study
from course_utils.experiments.comparison import Comparison
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


def costs(runs):
    """Accuracy that each hyperparameter costs when set badly; dims (change, seed).

    In ``fixed``, the learning rate stays at its default; in ``tuned``, it is tuned for each change. The first
    change is that of the learning rate, from its best value to its worst, both chosen on the tuning seeds.
    """
    mean = _tuning(runs.val_accuracy).mean("seed")
    scores = _measured(runs).val_accuracy
    best, worst = mean.idxmax("learning_rate"), mean.sel(change="none").idxmin("learning_rate")
    tuned = scores.sel(learning_rate=best).drop_vars("learning_rate")
    fixed = scores.sel(learning_rate=DEFAULT_RATE, drop=True)
    top = tuned.sel(change="none", drop=True)
    rate = top - scores.sel(change="none", learning_rate=worst, drop=True).drop_vars("learning_rate", errors="ignore")
    changes = [change for change in CHANGES if change != "none"]
    fixed = (fixed.sel(change="none", drop=True) - fixed).sel(change=changes)
    rate = rate.expand_dims(change=["learning rate"])
    return xr.Dataset({"fixed": xr.concat([rate, fixed], "change"),
                       "tuned": (top - tuned).sel(change=changes)})


def rate_against_others(runs):
    """What a badly set learning rate costs minus the costliest other change on the tuning seeds, per seed."""
    fixed = runs.val_accuracy.sel(learning_rate=DEFAULT_RATE, drop=True)
    costliest = _tuning(fixed).mean("seed").drop_sel(change="none").idxmin("change")
    cost = costs(runs).fixed
    return cost.sel(change="learning rate", drop=True) - cost.sel(change=costliest.item(), drop=True)


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


DECAY_STEPS = 600

BENGIO = "common reading of Bengio, Practical recommendations for gradient-based training of deep architectures (2012)"
CLAIMS = [
    Claim("tc-learning-rate", "The learning rate is the most important hyperparameter.", BENGIO, "02",
          "accuracy that a bad learning rate costs more than the costliest other change, after six epochs",
          all_hyperparameters, rate_against_others, threshold=A_POINT, neutral=None,
          smallest_effect=0.1, pilot_sd=0.07),
    Claim("tc-decay", "Lower the learning rate during training.", "common advice", "02",
          "accuracy gained by a cosine schedule, each at its best initial learning rate"),
    Claim("tc-tune-again", "After a change, tune the learning rate again.", "common advice", "12",
          "accuracy regained by tuning the rate again, mean over seven changes, after six epochs",
          all_hyperparameters, regained, threshold=A_POINT, neutral=0.0, smallest_effect=0.03, pilot_sd=0.03),
]


def __getattr__(name):
    """`STUDIES`, which need Keras: it is imported when they are first asked for."""
    if name != "STUDIES":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _studies()


@functools.cache
def _studies():
    import keras

    cosine = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, DECAY_STEPS), name="cosine")
    return [Study("tc-decay", Comparison(
        arms={"constant": {}, "cosine": {"optimizer": cosine}},
        tune={"learning_rate": [0.03, 0.1, 0.3, 0.6, 1.0]}, fixed={"depth": 2}, steps=DECAY_STEPS),
        "accuracy gained by a cosine schedule, each at its best initial learning rate", threshold=0.01, neutral=0.0,
        margin=0.01, within="600 steps", tasks=tuple(TASKS))]
