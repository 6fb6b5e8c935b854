"""Claims about normalizing inputs, tried in lecture 04."""

import numpy as np
import xarray as xr
from sklearn.base import clone
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from course_utils import fit_many, models
from course_utils.claims import A_POINT, SLIP, Claim
from course_utils.experiments.tuning import at_best, settled, steps_to

ALONE, MIN_MAX, STANDARDIZED = FunctionTransformer(), MinMaxScaler(), StandardScaler()
RATES = [0.03, 0.1, 0.3, 1.0]
# Every seed stretches the features differently; with only two seeds, chance would choose the learning rate.
TUNING_SEEDS = range(90, 96)
GOAL = 0.8   # accuracy that both tasks reach, even with features in unequal units
EPOCHS = 8


def alone_or_standardized(task, seeds):
    """Features as they come and in unequal units, left alone and standardized, at four learning rates."""
    return _by_arm({"as they come": task, "in unequal units": unequal(task)},
                   {"left alone": ALONE, "standardized": STANDARDIZED}, seeds, evaluate_every=11)


def times_as_many_steps(runs):
    """Steps to 80% standardized over left alone, each at its best rate; dims (features, seed).

    A run that never gets there counts with the last step, a lower bound.
    """
    steps = steps_to(GOAL, runs.val_accuracy)
    steps = at_best_rate(steps, -steps)
    return steps.sel(scaling="standardized", drop=True) / steps.sel(scaling="left alone", drop=True)


def lost_as_they_come(runs):
    """Final accuracy of features as they come: left alone minus standardized, each at its best rate, per seed."""
    return _gained_over_standardized(runs, "left alone").sel(features="as they come", drop=True)


def steps_as_they_come(runs):
    """`times_as_many_steps` with features as they come, per seed."""
    return times_as_many_steps(runs).sel(features="as they come", drop=True)


def min_max_or_standardized(task, seeds):
    """Features in unequal units, as they are and with two values in a thousand a hundred times too large."""
    return _by_arm({"clean": unequal(task), "with slips": unequal(task, slips=0.002)},
                   {"min–max": MIN_MAX, "standardized": STANDARDIZED}, seeds)


def gained_by_min_max(runs):
    """Final accuracy min–max scaled minus standardized, each at its best rate; dims (features, seed)."""
    return _gained_over_standardized(runs, "min–max")


def gained_with_slips(runs):
    """`gained_by_min_max` with misread values, per seed."""
    return gained_by_min_max(runs).sel(features="with slips", drop=True)


def _gained_over_standardized(runs, scaling):
    final = at_best_rate(settled(runs), settled(runs))
    return final.sel(scaling=scaling, drop=True) - final.sel(scaling="standardized", drop=True)


def on_unequal_units(task, scalers, seeds):
    """Final accuracy of features in unequal units, each scaling at its best rate; dims (scaling, seed).

    `scalers` maps names to transformers from scikit-learn.
    """
    runs = _by_arm({"clean": unequal(task)}, scalers, seeds).isel(features=0, drop=True)
    return at_best_rate(settled(runs), settled(runs))


def at_best_rate(values, score):
    """`tuning.at_best` of values by a score, dims (..., learning_rate, seed), on this lecture's tuning seeds."""
    return at_best("learning_rate", values, score=score, seeds=TUNING_SEEDS).drop_vars("learning_rate")


def unequal(task, *, spread=10.0, slips=0.0):
    """The task with features in different units, and with some values misread.

    Parameters
    ----------
    task : function seed → Split
    spread : float, at least 1
        Each feature is multiplied by a factor between 1/spread and spread, drawn from a log-uniform
        distribution; then all are divided by one number so that their average variance is 1.
    slips : float in [0, 1]
        Share of values that are a hundred times too large because the decimal point slipped.
    """
    def split(seed):
        data, rng = task(seed), np.random.default_rng(seed)
        factors = spread ** rng.uniform(-1, 1, data.x_train.shape[1])
        factors /= np.sqrt(np.mean((factors * data.x_train.std(0)) ** 2))
        x_train, x_val = (x * factors * np.where(rng.random(x.shape) < slips, 100, 1)
                          for x in (data.x_train, data.x_val))
        return data.replace(x_train=x_train.astype("float32"), x_val=x_val.astype("float32"), test=None)

    return split


def scaled(task, scaler):
    """The task with its features scaled by a transformer from scikit-learn, fitted to each split's training samples."""
    def split(seed):
        data = task(seed)
        fitted = clone(scaler).fit(data.x_train)
        return data.replace(x_train=fitted.transform(data.x_train), x_val=fitted.transform(data.x_val), test=None)

    return split


def _by_arm(tasks, scalers, seeds, **options):
    """Train each scaling of each task, with the tuning seeds too; dims (features, scaling, ...)."""
    def train(task, scaler):
        return fit_many(models.mlp, scaled(task, scaler), {
            "learning_rate": RATES, "seed": [*TUNING_SEEDS, *seeds]}, epochs=EPOCHS, **options)[["val_accuracy"]]

    rows = [xr.concat([train(task, scaler) for scaler in scalers.values()], xr.Variable("scaling", list(scalers)))
            for task in tasks.values()]
    return xr.concat(rows, xr.Variable("features", list(tasks)))


# The first two get their best chance: features that come in one unit anyway.
CLAIMS = [
    Claim("ni-unsuited", "Standardization is not suited to deep learning.", SLIP, "04",
          "accuracy lost by standardizing features as they come",
          alone_or_standardized, lost_as_they_come, threshold=A_POINT, neutral=0.0,
          smallest_effect=A_POINT, pilot_sd=0.014),
    Claim("ni-slows", "Normalizing the inputs slows training down.", SLIP, "04",
          "times as many steps to 80 % with standardized features, which come in one unit anyway",
          alone_or_standardized, steps_as_they_come, threshold=1.1, neutral=1.0, smallest_effect=0.155, pilot_sd=0.22,
          ratio=True),
    Claim("ni-same", "Min–max scaling and standardization are the same.", SLIP, "04",
          "accuracy gained by min–max (expected to lose) over standardization, two values in a thousand misread",
          min_max_or_standardized, gained_with_slips, threshold=-A_POINT, neutral=None,
          smallest_effect=0.08, pilot_sd=0.088),
]
