"""By how much does the validation score overstate what a search chooses? Trials on a map, and then the test set."""

import numpy as np
import xarray as xr

from course_utils import plots, stats
from course_utils.experiments import searches, tabular
from course_utils.formatting import in_percent, in_points, points
from course_utils.labs import controls
from course_utils.labs.base import Lab

REPEATS = range(1000, 1020)   # searches in addition to the one in the figure, because one alone proves nothing
LOW_RATE = 0.3                # below it are two thirds of the logarithmic axis, but a tenth of the linear one
LEVELS = np.arange(1, 9) / 10   # of accuracy, on the map
TEST = {"color": "C2", "marker": "D", "markeredgecolor": "0.1", "linestyle": ""}


class SearchLab(Lab):
    """Learning rate and dropout of each trial on the map, the best score so far, and what the test set says about it.

    The map shows dropout against the learning rate: of the knobs that take any value, dropout changes the table's
    mean accuracy the most. (Width changes it even more, but then all trials would be in four rows.)
    """

    controls = {
        "sampler": controls.choice("sampler", list(searches.SAMPLERS), "random", structural=False),
        "trials": controls.choice("trials", list(searches.GRIDS), 36, structural=False),
        "images": controls.choice("validation images", [50, 100, 200, 400], 100, structural=False),
        "axis": controls.choice("learning-rate axis", ["log", "linear"], "log", structural=False),
        "number": controls.integer("search number", 1, low=1, high=10),
        "open_test": controls.boolean("open the test set", False),
    }
    try_this = (
        "Use few validation images and many trials, and open the test set. How far does the accuracy drop?",
        "Do the same with many validation images. Is the choice better, or is its score just more honest?",
        "Choose the linear axis. Where do most of the trials go?")
    compiles = False
    stays_light = True
    busy = "Searching …"

    def compute(self, state, report):
        """Search once; with the test set open, search twenty more times with other images and seeds."""
        setting = [state[name] for name in ("sampler", "trials", "images", "axis")]
        seeds = [state["number"], *(REPEATS if state["open_test"] else [])]
        first = searches.searched(*setting, state["number"])
        trials = {"score": first.scores} | {knob: [params[knob] for params in first.asked]
                                            for knob in ("learning_rate", "dropout")}
        winners = []
        for seed in seeds:
            winners.append(searches.searched(*setting, seed).winner())
            runs = xr.Dataset(
                {name: ("trial", values) for name, values in trials.items()}
                | {part: ("search", [winner[part] for winner in winners]) for part in ("validation", "test")},
                {"trial": np.arange(1, 1 + state["trials"])}, {"searches": len(seeds)})
            if report(runs):
                break
        return runs

    def draw(self, axes, state, runs):
        """Trials over the table's mean accuracy on the left; best score so far and its test score on the right."""
        left, right = axes
        chosen = runs.isel(trial=int(runs.score.argmax("trial")), search=0)   # the first one if there is a tie
        others = runs.isel(search=slice(1, None))
        self._draw_map(left, runs, chosen)
        budget, count = state["trials"], others.sizes["search"]
        right.step(runs.trial, np.maximum.accumulate(runs.score.values), where="post", color="C0", linestyle="-",
                   marker="", label="best so far")
        right.plot(chosen.trial, chosen.score, **plots.LOOKS["chosen"], label="chosen")
        scores = [chosen.score]   # that have to be inside the frame
        if state["open_test"]:
            right.plot([chosen.trial] * 2, [chosen.score, chosen.test], color="0.4", linewidth=1, linestyle=":",
                       marker="")
            right.plot(chosen.trial, chosen.test, **TEST, label="test")
            scores.append(chosen.test)
        if count > 1:
            for part, at, look in (("validation", 1.14, plots.LOOKS["chosen"]), ("test", 1.24, TEST)):
                score = stats.interval(others[part], over="search")
                plots.error_bars(right, at * budget, score, **look)
                scores.append(score.low)
            right.axvspan(1.06 * budget, 1.33 * budget, color="0.95", zorder=0)
            right.text(1.19 * budget, -0.03, f"mean of\n{count} others", ha="center", va="top", fontsize=9,
                       transform=right.get_xaxis_transform())
        floor = 0.5 if min(scores) > 0.52 else 0.0   # the first trials may be below it
        right.set(title="Validation and test accuracy" if state["open_test"] else "Best validation accuracy so far",
                  xlabel="trial", xlim=(0, (1.33 if state["open_test"] else 1.05) * budget),
                  xticks=[1, *(budget * np.arange(1, 5) // 4)], ylim=(floor, 1.2 - 0.2 * floor),
                  yticks=np.linspace(floor, 1, 6))
        right.legend(loc="upper center", ncols=3, fontsize=9)
        return sentence(state, runs, chosen, others)

    def result(self, state, runs):
        """The best validation accuracy, and its test accuracy once the test set is open."""
        test = f", {float(runs.test[0]):.0%} on the test set" if state["open_test"] else ""
        return f"{float(runs.score.max()):.0%} validation accuracy{test}"

    @staticmethod
    def done(runs):
        """Share of the searches that are done."""
        return runs.sizes["search"] / runs.attrs["searches"]

    @staticmethod
    def _draw_map(ax, runs, chosen):
        accuracy = tabular.table().accuracy.isel(epoch=-1)
        level = accuracy.mean(["seed", "width", "l2"]).transpose("dropout", "learning_rate")
        lines = ax.contour(level.learning_rate, level.dropout, level, LEVELS, colors="0.55", linewidths=0.8)
        ax.contourf(level.learning_rate, level.dropout, level, LEVELS, cmap="Greys", vmin=0, vmax=2, extend="max")
        ax.clabel(lines, LEVELS[2::2], fontsize=8, fmt="%.1f")
        ax.scatter(runs.learning_rate, runs.dropout, c=runs.trial, cmap="Blues", vmin=-len(runs.trial) / 4,
                   vmax=len(runs.trial), marker="o", s=34, edgecolors="0.15", linewidths=0.7,
                   label="trials, later: darker")
        ax.plot(chosen.learning_rate, chosen.dropout, **plots.LOOKS["chosen"],
                label=f"chosen: trial {int(chosen.trial)}")
        (low, *_, high) = tabular.SPACE["learning_rate"]
        ax.set(title="Trials, over mean accuracy", xscale="log", xlabel="learning rate", ylabel="dropout",
               xlim=(low / 1.2, high * 1.2), ylim=(-0.03, 0.72), yticks=np.arange(7) / 10)
        ax.grid(visible=False)
        ax.legend(loc="upper center", ncols=2, fontsize=9, columnspacing=0.8, handletextpad=0.3)


def sentence(state, runs, chosen, others):
    """What was tried and chosen and, with the test set open, the test score."""
    rates = np.unique(runs.learning_rate)
    text = (f"{runs.sizes['trial']} trials ({state['sampler']}) with {len(rates)} different learning rates, "
            f"{np.sum(rates < LOW_RATE)} of them below {LOW_RATE:g}. The best one, trial {int(chosen.trial)}, has an "
            f"accuracy of {float(chosen.score):.1%} on {state['images']} validation images")
    if not state["open_test"]:
        return f"{text}. The test set is closed."
    images = tabular.table().sizes["image"] - state["images"]
    text += (f" and of {float(chosen.test):.1%} on the {images} test images: a gap of "
             f"{points(chosen.score - chosen.test)}.")
    if others.sizes["search"] > 1:
        validation, test, gap = (stats.interval(part, over="search") for part in (
            others.validation, others.test, others.validation - others.test))
        text += (f" Mean of {others.sizes['search']} other such searches, with 95% intervals: validation "
                 f"{in_percent(validation)}, test {in_percent(test)}, gap {in_points(gap)}.")
    return f"{text} If you move a control because of this result, the test set becomes a validation set."
