"""Claims about seeds and chance, tried in lecture 03."""

import functools

import numpy as np
import xarray as xr

from course_utils import fit_many, models
from course_utils.claims import SLIP, Claim
from course_utils.claims.register import Study
from course_utils.experiments.comparison import Comparison, gain
from course_utils.experiments.tasks import TASKS

RUNS = 10   # on each split


def wider(task, seeds):
    """A narrow network and one twice as wide; every seed is a split, with ten runs on it."""
    split = functools.cache(task)
    runs = fit_many(models.mlp, lambda number: split(number // RUNS), {
        "width": [32, 64], "depth": 2, "learning_rate": 0.1,
        "seed": [RUNS * seed + run for seed in seeds for run in range(RUNS)]}, epochs=20)
    points = 100 * runs.val_accuracy.isel(epoch=-1, drop=True)
    places = {"split": ("seed", np.repeat(list(seeds), RUNS)), "run": ("seed", list(range(RUNS)) * len(seeds))}
    points = points.drop_vars("seed").assign_coords(places).set_index(seed=["split", "run"]).unstack("seed")
    return xr.Dataset({"points": points.rename(split="seed")})


def within_chance(runs):
    """Share of pairs of runs of the narrow network less than 0.4 points apart, per split."""
    points = runs.points.sel(width=32, drop=True).transpose("seed", "run")
    first, second = np.triu_indices(points.sizes["run"], 1)
    apart = np.abs(points.values[:, first] - points.values[:, second])
    # Scores are multiples of one validation image, and subtracting them leaves rounding errors.
    return xr.DataArray((apart < 0.4 - 1e-4).mean(1), {"seed": points.seed}, "seed")


def wider_ahead(runs):
    """Share of seeds at which the wider network is ahead (ties: one half), per split."""
    gained = _gained(runs)
    return ((gained > 0) + 0.5 * (gained == 0)).mean("run")


def runs_saved(runs):
    """Variance of the difference with different seeds over that with shared seeds, per split."""
    return runs.points.var("run", ddof=1).sum("width") / _gained(runs).var("run", ddof=1)


def last_bit(task, seeds):
    """The same runs twice; the second time every nonzero input is larger by about one part in ten million."""
    data, grid = task(0), {"learning_rate": [0.1, 0.4], "seed": seeds}
    nudged = data.replace(x_train=data.x_train * (1 + np.finfo("float32").eps))
    twins = [fit_many(models.mlp, split, grid, epochs=10) for split in (data, nudged)]
    return xr.concat(twins, xr.Variable("twin", ["as it is", "last bit"]))


def same_accuracy(runs):
    """Whether twins have the same validation accuracy: 1 or 0, by rate, seed, and epoch."""
    return (runs.val_accuracy.std("twin") < 1e-6).astype(float).rename("twins_of_equal_accuracy")


def same_run(runs):
    """Share of the learning rates at which the twins end with the same accuracy, per seed."""
    return same_accuracy(runs).isel(epoch=-1, drop=True).mean("learning_rate")


def _gained(runs):
    return runs.points.sel(width=64, drop=True) - runs.points.sel(width=32, drop=True)


# The three claims that share an experiment need the same number of splits. Chosen after the pilot: the small network,
# its 20 epochs (after 10, the runs had not settled yet), and that "cancels out" means an interval half as wide.
CLAIMS = [
    Claim("bl-same-run", "I set the seed, so it is reproducible.", SLIP, "03",
          "of runs keep their accuracy when all nonzero inputs change in the last bit (learning rates 0.1 and 0.4)",
          last_bit, same_run, threshold=0.95, neutral=None, smallest_effect=0.1, pilot_sd=0.18),
    Claim("bl-point-four", "It gained 0.4 points, so it is better.", SLIP, "03",
          "of pairs of runs of one and the same network lie less than 0.4 points apart",
          wider, within_chance, threshold=0.95, neutral=None, smallest_effect=0.1, pilot_sd=0.14),
    Claim("bl-one-run", "I ran both once, with the same seed: the one ahead is better.", SLIP, "03",
          "of seeds put the wider network ahead",
          wider, wider_ahead, threshold=0.95, neutral=0.5, smallest_effect=0.085, pilot_sd=0.12),
    Claim("bl-same-seed", "With the same seed in both arms luck cancels out.", SLIP, "03",
          "times fewer runs needed when both arms share seeds, on one split",
          wider, runs_saved, threshold=4.0, neutral=1.0, smallest_effect=0.29, pilot_sd=0.41, ratio=True),
]


def second_ahead(runs):
    """Whether the second arm ends ahead of the first: 1, 0, or ½ for a tie, per seed."""
    ahead = gain(runs).round(6)   # a difference of whole samples, but for rounding
    return (ahead > 0) + 0.5 * (ahead == 0)


STUDIES = [
    Study("bl-one-run", Comparison(
        arms={"32 units": {"width": 32}, "64 units": {"width": 64}}, fixed={"depth": 2, "learning_rate": 0.1},
        steps=600),
        "of single runs put the wider network ahead", threshold=0.95, neutral=0.5, margin=1.0, scale="proportion",
        effect=second_ahead, within="600 steps", tasks=tuple(TASKS)),
]
