"""How many seeds do you need before you can say that one network beats another?"""

import functools

import numpy as np
import xarray as xr

from course_utils import datasets, fit_many, models, plots, stats
from course_utils.labs import controls
from course_utils.labs.base import Lab

POPULATION = 80      # seeds that are really trained, each with a split of its own
EXPERIMENTS = 1000   # drawn from them
SHOWN = 30
MOST = 50            # seeds of the longest experiment
COLORS = {"right": "C0", "undecided": "0.5", "wrong": "C1"}
DASHES = {"right": "-", "undecided": ":", "wrong": "--"}


class SeedsLab(Lab):
    """Real runs of two networks; you choose what their true difference is."""

    controls = {
        "effect": controls.uniform("difference in points", 1.0, high=2.0, step=0.1),
        "seeds": controls.choice("seeds", [2, 3, 5, 10, 20, MOST], 5, structural=False),
        "paired": controls.boolean("both networks share their seeds", False),
        "peek": controls.boolean("stop when the interval excludes zero", False),
    }
    try_this = (
        "How many seeds find the difference in four out of five experiments? How many if the networks share seeds?",
        "Set the difference to 0. How many intervals are orange, and does that depend on the number of seeds?",
        "Keep the difference at 0, stop when the interval excludes zero, and add seeds. What happens?")

    def compute(self, state, report):
        """Draw experiments from real runs, which are trained once."""
        return experiments(population(), state["effect"], paired=state["paired"], peek=state["peek"])

    def draw(self, axes, state, runs):
        """Intervals of some experiments on the left; the verdicts of all, by the number of seeds, on the right."""
        left, right = axes
        verdicts = says(runs, state["effect"])
        intervals, chosen = runs.sel(seeds=state["seeds"]), verdicts.sel(seeds=state["seeds"])
        for row in range(SHOWN):
            left.plot([intervals.low[row], intervals.high[row]], [row, row], color=COLORS[str(chosen.values[row])],
                      marker="", linestyle="-", linewidth=2)
        for at, color in {0: "0.3", state["effect"]: "C2"}.items():
            left.axvline(at, color=color, linewidth=1.2, marker="", linestyle="-" if at == 0 else "--")
        left.set(title=f"Intervals of {SHOWN} experiments", xlabel="measured difference (points)",
                 xlim=(-4, 6), ylim=(-1, SHOWN), yticks=[])
        for word, color in COLORS.items():
            if word != "right" or state["effect"]:
                right.plot(verdicts.seeds, (verdicts == word).mean("experiment"), color=color,
                           linestyle=DASHES[word], marker="", label=word)
        right.axvline(state["seeds"], color="0.3", linewidth=1, marker="", linestyle="-")
        right.set(title=f"Share of {EXPERIMENTS} experiments", xlabel="seeds", xlim=(0, MOST + 1), ylim=(-0.02, 1.02))
        plots.label_lines(right)
        return self._sentence(state, {word: float((chosen == word).mean()) for word in COLORS})

    def result(self, state, runs):
        """How often experiments of this kind are right, or wrong if there is nothing to find."""
        word = "right" if state["effect"] else "wrong"
        share = float((says(runs.sel(seeds=state["seeds"]), state["effect"]) == word).mean())
        return f"{share:.0%} of the experiments {'find the difference' if state['effect'] else 'are wrong'}"

    @staticmethod
    def _sentence(state, share):
        head = (f"True difference {state['effect']:g} points, {'paired' if state['paired'] else 'unpaired'}, "
                f"{'up to ' if state['peek'] else ''}{state['seeds']} seeds: ")
        if not state["effect"]:
            return head + (f"{share['wrong']:.1%} of {EXPERIMENTS} experiments report a difference that doesn't exist, "
                           f"and {share['undecided']:.1%} are undecided.")
        single = wrong_with_one(population(), state["effect"], paired=state["paired"])
        return head + (f"{share['right']:.1%} of {EXPERIMENTS} experiments find it, {share['undecided']:.1%} are "
                       f"undecided, and {share['wrong']:.1%} report the opposite. A single run of each network would "
                       f"rank the networks incorrectly in {single:.1%} of the cases.")


@functools.cache
def population():
    """Validation accuracy in points of a narrow and a wide network: dims (arm, seed), trained once."""
    runs = fit_many(models.mlp, datasets.digits, {
        "width": [32, 64], "depth": 2, "learning_rate": 0.1, "seed": range(POPULATION)},
        epochs=20, callback=lambda partial: False)
    points = 100 * runs.val_accuracy.isel(epoch=-1, drop=True)
    return points.rename(width="arm").assign_coords(arm=["narrow", "wide"])


def experiments(points, effect, *, paired, peek):
    """Interval of the difference for 2 … MOST seeds, in many experiments.

    Parameters
    ----------
    points : xarray.DataArray, dims (arm, seed)
        Arms "narrow" and "wide"; only their variation is used, not their means.
    effect : float
        The true difference, in the same unit.
    paired : bool
        Whether run k of both arms has the same seed.
    peek : bool
        Stop adding seeds as soon as the interval excludes zero.

    Returns
    -------
    xarray.Dataset with ``mean``, ``low``, ``high``, dims (seeds, experiment)
    """
    rng = np.random.default_rng(0)
    centered = points - points.mean("seed")
    samples = rng.integers(points.sizes["seed"], size=(2, EXPERIMENTS, MOST))
    narrow, wide = centered.sel(arm="narrow").values, effect + centered.sel(arm="wide").values
    arms = [narrow[samples[0]], wide[samples[0 if paired else 1]]]
    both = xr.DataArray(arms, dims=("arm", "experiment", "seed"), coords={"arm": ["narrow", "wide"]})
    difference = stats.paired_difference if paired else stats.unpaired_difference
    numbers = range(2, MOST + 1)
    intervals = xr.concat([difference(both.isel(seed=slice(n)), "arm", between=("narrow", "wide")) for n in numbers],
                          xr.Variable("seeds", list(numbers)))
    return _stopped(intervals) if peek else intervals


def _stopped(intervals):
    """The intervals at which the experiments end if each stops at the first interval that excludes zero."""
    sure = ((intervals.low > 0) | (intervals.high < 0)).transpose("seeds", "experiment")
    first = xr.where(sure.any("seeds"), sure.argmax("seeds"), sure.sizes["seeds"])
    stop = np.minimum(xr.DataArray(np.arange(sure.sizes["seeds"]), dims="seeds"), first)
    return intervals.drop_vars("seeds").isel(seeds=stop).assign_coords(seeds=intervals.seeds)


def says(intervals, effect):
    """The verdict of each interval on the true difference: "right", "undecided", or "wrong"."""
    above, below = intervals.low > 0, intervals.high < 0
    return xr.where(above & (effect > 0), "right", xr.where(above | below, "wrong", "undecided"))


def wrong_with_one(points, effect, *, paired):
    """Probability that with one run of each the wrong network looks better; a tie counts half."""
    centered = points - points.mean("seed")
    narrow, wide = centered.sel(arm="narrow").values, effect + centered.sel(arm="wide").values
    gained = wide - narrow if paired else wide[:, None] - narrow
    return float((gained < 0).mean() + (gained == 0).mean() / 2)
