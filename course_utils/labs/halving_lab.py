"""What do you save by stopping bad trials early, and does the best one survive? One search, and many others."""

import functools

import numpy as np
import xarray as xr
from matplotlib.ticker import ScalarFormatter

from course_utils import plots, stats
from course_utils.experiments import tabular
from course_utils.formatting import in_percent, in_points
from course_utils.labs import controls
from course_utils.labs.base import Lab
from course_utils.labs.search_lab import CHOSEN
from course_utils.search import pruning

PRUNERS = ["none", *pruning.RULES]
SIZES = [16, 32, 64, 128]
REPEATS = range(1000, 1200)   # searches in addition to the one in the figure, because one alone proves nothing
LEGEND = {"ncols": 2, "fontsize": 9, "columnspacing": 0.8, "handlelength": 1.5, "handletextpad": 0.5}
HINDSIGHT = {"color": "C2", "linestyle": "--", "linewidth": 1.5, "marker": "D", "markeredgecolor": "0.1"}


class HalvingLab(Lab):
    """When the runs of a search are stopped, and how good the choice is compared with no pruner at equal budget.

    The budget is counted in epochs. Without a pruner, the first configurations of the same search
    are trained to the end until the same number of epochs is spent (rounded up to a whole training).
    """

    controls = {
        "pruner": controls.choice("pruner", PRUNERS, "successive halving", structural=False),
        "factor": controls.choice("reduction factor", [2, 3, 4], 3, structural=False),
        "first": controls.integer("epochs to the first rung", 1, low=1, high=6),
        "configurations": controls.choice("configurations", SIZES, 64, structural=False),
        "number": controls.integer("search number", 1, low=1, high=10),
    }
    try_this = (
        "Move the first rung from one epoch to two and to four. What do you save, and what do you lose?",
        "Choose a reduction factor of 4 and 16 configurations. What does it cost to stop the slow starter?",
        "Use the median rule with few configurations and with many. When does it help?")
    compiles = False
    busy = "Searching …"

    def compute(self, state, report):
        """Prune one search for the left picture, and two hundred others for the right one."""
        setting = tuple(state[name] for name in ("pruner", "factor", "first", "configurations"))
        curves, _, place = tabular.sample(state["number"], state["configurations"])
        pruned = prune(curves, *setting[:3])
        knobs = {name: ("configuration", np.asarray(values)[at]) for (name, values), at in zip(
            tabular.SPACE.items(), place, strict=True)}
        shown = xr.Dataset({"accuracy": (("configuration", "epoch"), curves),
                            "epochs": ("configuration", pruned.epochs)} | knobs,
                           {"epoch": np.arange(1, 1 + tabular.EPOCHS)}, {"chosen": pruned.chosen})
        return shown.merge(others(*setting), combine_attrs="override")

    def draw(self, axes, state, runs):
        """Curves as far as they were trained on the left; accuracy of the choices against their cost on the right."""
        left, right = axes
        self._draw_curves(left, runs)
        plain, choice = (stats.interval(part, over="search") for part in (runs.plain, runs.choice))
        equal, spent = stats.interval(runs.equal, over="search"), float(runs.spent.mean())
        plots.band(right, plain.budget, plain, color="C0", marker="", linestyle="-", label="no pruner")
        right.axvline(spent, color="0.4", linewidth=1, linestyle=":", marker="")
        right.errorbar(spent, choice["mean"], [[choice["mean"] - choice["low"]], [choice["high"] - choice["mean"]]],
                       capsize=5, label="this pruner", **CHOSEN | {"markersize": 10})
        lowest = min(float(score["low"]) for score in (equal, choice))
        floor = min(np.floor(20 * (lowest - 0.01)) / 20, 0.8)
        right.text(spent, floor, " equal epochs", rotation=90, ha="left", va="bottom", fontsize=9, color="0.3")
        right.set(title=f"Mean of {runs.sizes['search']} other searches", xscale="log", xlabel="total epochs",
                  ylim=(floor, 0.9 + 0.15 * (0.9 - floor)), yticks=np.arange(round(20 * floor), 19) / 20)
        right.set_xticks(tabular.EPOCHS * 2 ** np.arange(np.log2(len(plain.budget)) + 1))
        right.xaxis.set_major_formatter(ScalarFormatter())
        right.minorticks_off()
        right.legend(loc="upper center", **LEGEND)
        return sentence(state, runs)

    def result(self, state, runs):
        """The share of the epochs that were spent, and what was chosen."""
        spent = float(runs.epochs.sum()) / (runs.sizes["configuration"] * tabular.EPOCHS)
        return f"{float(runs.accuracy[runs.attrs['chosen'], -1]):.0%} accuracy for {spent:.0%} of the epochs"

    @staticmethod
    def _draw_curves(ax, runs):
        scores, lasts, epochs = runs.accuracy.values, runs.epochs.values, runs.epoch.values
        chosen, best, ended = runs.attrs["chosen"], hindsight(runs), lasts == len(epochs)
        for label, which, look in (("stopped", ~ended, {"color": "0.55", "linewidth": 0.8, "marker": "x"}),
                                   ("to the end", ended, {"color": "C0", "linewidth": 1.2, "marker": ""})):
            for row in np.flatnonzero(which):
                ax.plot(epochs[:lasts[row]], scores[row, :lasts[row]], linestyle="-", markevery=[-1],
                        markeredgecolor="0.45", label=label, **look)
                label = None   # one entry in the legend
        if not ended[best]:
            ax.plot(epochs[lasts[best] - 1:], scores[best, lasts[best] - 1:], markevery=[-1],
                    label="would have been best", **HINDSIGHT)
        ax.plot(epochs, scores[chosen], color="C1", linestyle="-", marker="")
        ax.plot(epochs[-1:], scores[chosen, -1:], label="chosen", **CHOSEN)
        ax.set(title="Accuracy in one search", xlabel="epoch", xlim=(0.7, tabular.EPOCHS + 0.5),
               xticks=range(1, tabular.EPOCHS + 1), ylim=(0, 1.22), yticks=np.arange(6) / 5)
        ax.legend(loc="upper center", **LEGEND)


def prune(curves, pruner, factor, first):
    """What one of the pruners does with curves; `pruning.Pruned`."""
    if pruner == "none":
        return pruning.no_pruning(curves)
    settings = {"first": first} if pruner == "median" else {"factor": factor, "first": first}
    return pruning.RULES[pruner](curves, **settings)


@functools.lru_cache(maxsize=512)
def others(pruner, factor, first, configurations):
    """Two hundred searches in addition to the one in the figure.

    Returns
    -------
    xarray.Dataset, dim search
        ``choice``, ``equal``, ``unpruned``: worth (`tabular.sample`) of what is chosen with the pruner, without one
        in as many epochs, and with everything trained to the end. ``spent``: epochs with the pruner. ``lost``: epochs
        of the configuration that would have ended best. ``plain``, (search, budget): worth without a pruner.
    """
    rows = []
    for seed in REPEATS:
        curves, worth, _ = tabular.sample(seed, configurations)
        pruned = prune(curves, pruner, factor, first)
        leader = [int(np.argmax(curves[:count, -1])) for count in range(1, 1 + configurations)]
        plain = worth[leader]
        rows.append({"choice": worth[pruned.chosen], "equal": plain[-(-pruned.spent // tabular.EPOCHS) - 1],
                     "unpruned": plain[-1], "spent": pruned.spent, "lost": pruned.epochs[leader[-1]], "plain": plain})
    return xr.Dataset({name: (("search", "budget") if name == "plain" else "search", [row[name] for row in rows])
                       for name in rows[0]}, {"budget": tabular.EPOCHS * np.arange(1, 1 + configurations)})


def hindsight(runs):
    """Which configuration of the search in the figure would have ended best if all had been trained to the end."""
    return int(np.argmax(runs.accuracy.isel(epoch=-1).values))


def sentence(state, runs):
    """What was stopped when, what was chosen, and the results of two hundred other searches."""
    epochs, chosen, best, full = runs.epochs.values, runs.attrs["chosen"], hindsight(runs), tabular.EPOCHS
    name = "no pruner" if state["pruner"] == "none" else state["pruner"]
    stopped = [f"{np.sum(epochs == last)} after {_epochs(last)}" for last in np.unique(epochs[epochs < full])]
    rate, width, dropout = (runs[knob].values[chosen] for knob in ("learning_rate", "width", "dropout"))
    text = (f"{name[0].upper()}{name[1:]}, {len(epochs)} configurations: {', '.join(stopped) or 'none'} stopped; "
            f"{np.sum(epochs == full)} trained to the end; {epochs.sum()} of {epochs.size * full} epochs spent. "
            f"Chosen: accuracy {float(runs.accuracy[chosen, -1]):.1%}, learning rate {rate:.2g}, width {width}, "
            f"dropout {dropout:g}")
    if epochs[best] < full:
        text += (f"; a configuration with learning rate {float(runs.learning_rate[best]):.2g}, stopped after "
                 f"{_epochs(epochs[best])}, would have reached {float(runs.accuracy[best, -1]):.1%}")
    text += (f". In {runs.sizes['search']} other searches, the choice, trained again with other seeds, reaches "
             f"{in_percent(stats.interval(runs.choice, over='search'))} (mean and 95% interval)")
    if state["pruner"] == "none":
        return f"{text}."
    equal, unpruned = (_gained(runs.choice - other) for other in (runs.equal, runs.unpruned))
    lost, at_once = (float((runs.lost <= last).mean()) for last in (full - 1, state["first"]))
    return (f"{text}: {equal} compared with fewer configurations in as many epochs, and {unpruned} compared with all "
            f"configurations trained to the end. The best configuration was stopped in {lost:.0%} of the searches, at "
            f"the first opportunity in {at_once:.0%}.")


def _gained(difference):
    return in_points(stats.interval(difference, over="search"))


def _epochs(count):
    return f"{count} epoch{'' if count == 1 else 's'}"
