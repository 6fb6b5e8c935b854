"""How many seeds tell a narrow network from a wide one? Experiments drawn from many real runs, with a known truth."""

import functools

import numpy as np
import xarray as xr

from course_utils import datasets, fit_many, models, stats

POPULATION = 80      # seeds that are really trained, each with a split of its own
EXPERIMENTS = 1000   # drawn from them
MOST = 50            # seeds of the longest experiment


@functools.cache
def population():
    """Validation accuracy of a narrow and a wide network, trained once: points above their mean, (2, POPULATION)."""
    runs = fit_many(models.mlp, datasets.digits, {
        "width": [32, 64], "depth": 2, "learning_rate": 0.1, "seed": range(POPULATION)},
        epochs=20, callback=lambda partial: False)
    points = 100 * runs.val_accuracy.isel(epoch=-1)
    return (points - points.mean("seed")).transpose("width", "seed").values


def experiments(points, effect, *, paired, peek):
    """Intervals of the difference for 2 … MOST seeds, as from `stats`, in many experiments: dims (seeds, experiment).

    The experiments are drawn from the `points` of `population`. `effect` is the true difference, in points. If
    `paired`, run k of both networks has the same seed. Those who `peek` stop as soon as the interval excludes zero.
    """
    narrow, wide = points
    first, second = np.random.default_rng(0).integers(len(narrow), size=(2, EXPERIMENTS, MOST))
    arms = [narrow[first], effect + wide[first if paired else second]]
    drawn = xr.DataArray(arms, {"arm": [0, 1]}, ("arm", "experiment", "seed"))
    difference = stats.paired_difference if paired else stats.unpaired_difference
    seeds = np.arange(2, MOST + 1)
    intervals = xr.concat([difference(drawn.isel(seed=slice(count)), "arm", between=(0, 1)) for count in seeds],
                          xr.Variable("seeds", seeds))
    return stopped(intervals) if peek else intervals


def stopped(intervals):
    """The intervals at which the experiments end if each stops at the first interval that excludes zero."""
    sure = (intervals.low > 0) | (intervals.high < 0)
    first = intervals.seeds.where(sure).min("seeds")   # NaN if there is none
    return intervals.sel(seeds=np.fmin(intervals.seeds, first).astype(int)).assign_coords(seeds=intervals.seeds)


def says(intervals, effect):
    """The verdict of each interval on the true difference: "right", "undecided", or "wrong"."""
    above, below = intervals.low > 0, intervals.high < 0
    return xr.where(above & (effect > 0), "right", xr.where(above | below, "wrong", "undecided"))


def wrong_with_one(points, effect, *, paired):
    """Probability that with one run of each the wrong network looks better; a tie counts half."""
    narrow, wide = points[0], effect + points[1]
    gained = wide - narrow if paired else wide[:, None] - narrow
    return float((gained < 0).mean() + (gained == 0).mean() / 2)
