"""What do you save by stopping bad trials early, and does the best one survive? One search, and many others."""

import numpy as np
import xarray as xr
from matplotlib.ticker import ScalarFormatter

from course_utils import plots, stats
from course_utils.experiments import searches, tabular
from course_utils.formatting import in_percent, in_points
from course_utils.labs import controls
from course_utils.labs.base import Lab
from course_utils.search import pruning

REPEATS = range(1000, 1200)   # searches in addition to the one in the figure, because one alone proves nothing
LEGEND = {"loc": "upper center", "ncols": 2, "fontsize": 9, "columnspacing": 0.8, "handlelength": 1.5,
          "handletextpad": 0.5}


class HalvingLab(Lab):
    """When the runs of a search are stopped, and how good the choice is compared with no pruner at equal budget.

    The budget is counted in epochs. Without a pruner, the first configurations of the same search
    are trained to the end until the same number of epochs is spent (rounded up to a whole training).
    """

    controls = {
        "pruner": controls.choice("pruner", ["none", *pruning.RULES], "successive halving", structural=False),
        "factor": controls.choice("reduction factor", [2, 3, 4], 3, structural=False),
        "first": controls.integer("epochs to the first rung", 1, low=1, high=6),
        "configurations": controls.choice("configurations", [16, 32, 64, 128], 64, structural=False),
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
        setting = [state[name] for name in ("pruner", "factor", "first")]
        curves, _, place = tabular.sample(state["number"], state["configurations"])
        pruned = searches.prune(curves, *setting)
        knobs = {name: ("configuration", np.asarray(values)[at])
                 for (name, values), at in zip(tabular.SPACE.items(), place, strict=True)}
        shown = xr.Dataset({"accuracy": (("configuration", "epoch"), curves),
                            "epochs": ("configuration", pruned.epochs)} | knobs,
                           {"epoch": np.arange(1, 1 + tabular.EPOCHS)},
                           {"chosen": pruned.chosen, "best": np.argmax(curves[:, -1])})
        others = searches.pruned(*setting, state["configurations"], REPEATS)
        return shown.merge(others, combine_attrs="override")

    def draw(self, axes, state, runs):
        """Curves as far as they were trained on the left; accuracy of the choices against their cost on the right."""
        left, right = axes
        self._draw_curves(left, runs)
        choice, equal, plain = (stats.interval(part, over="search") for part in (
            runs.choice, runs.equal, runs.plain))
        plots.band(right, plain.budget, plain, color="C0", marker="", linestyle="-", label="no pruner")
        plots.error_bars(right, runs.spent.mean(), choice, **plots.LOOKS["chosen"], label="this pruner")
        right.axvline(runs.spent.mean(), color="0.4", linewidth=1, linestyle=":", marker="", label="equal epochs")
        floor = min(0.8, float(min(equal.low, choice.low)) - 0.02)
        right.set(title=f"Mean of {runs.sizes['search']} other searches", xlabel="total epochs",
                  ylim=(floor, 0.9 + 0.3 * (0.9 - floor)))
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(ScalarFormatter())
        right.legend(**LEGEND)
        return sentence(state, runs)

    def result(self, state, runs):
        """The share of the epochs that were spent, and what was chosen."""
        accuracy, share = float(runs.accuracy[runs.attrs["chosen"], -1]), float(runs.epochs.mean()) / tabular.EPOCHS
        return f"{accuracy:.0%} accuracy for {share:.0%} of the epochs"

    @staticmethod
    def _draw_curves(ax, runs):
        ended, best = runs.epochs == tabular.EPOCHS, runs.attrs["best"]
        trained = runs.accuracy.where(runs.epoch <= runs.epochs).transpose("epoch", "configuration")
        ax.plot(runs.epoch, trained[:, ~ended], color="0.55", linewidth=0.8, linestyle="-", marker="")
        last = runs.isel(configuration=~ended)
        ax.plot(last.epochs, last.accuracy.sel(epoch=last.epochs), color="0.45", marker="x", linestyle="",
                label=None if ended.all() else "stopped")
        first, *_ = ax.plot(runs.epoch, trained[:, ended], color="C0", linewidth=1.2, linestyle="-", marker="")
        first.set_label("to the end")
        if not ended[best]:
            rest = runs.accuracy[best, int(runs.epochs[best]) - 1:]
            ax.plot(rest.epoch, rest, color="C2", linestyle="--", marker="D", markevery=[-1], markeredgecolor="0.1",
                    label="would have been best")
        chosen = runs.accuracy[runs.attrs["chosen"]]
        ax.plot(runs.epoch, chosen, **plots.LOOKS["chosen"] | {"linestyle": "-", "markevery": [-1], "label": "chosen"})
        ax.set(title="Accuracy in one search", xlabel="epoch", xlim=(0.7, tabular.EPOCHS + 0.5),
               xticks=runs.epoch, ylim=(0, 1.22), yticks=np.arange(6) / 5)
        ax.legend(**LEGEND)


def sentence(state, runs):
    """What was stopped when, what was chosen, and the results of two hundred other searches."""
    epochs, full = runs.epochs.values, tabular.EPOCHS
    chosen, best = (runs.isel(configuration=at, epoch=-1) for at in (runs.attrs["chosen"], runs.attrs["best"]))
    stopped = [f"{np.sum(epochs == last)} after epoch {last}" for last in np.unique(epochs[epochs < full])]
    text = (f"Pruner: {state['pruner']}. Trained to the end: {np.sum(epochs == full)} of {epochs.size} configurations; "
            f"stopped: {', '.join(stopped) or 'none'}. Epochs spent: {epochs.sum()} of {epochs.size * full}. "
            f"Chosen: accuracy {float(chosen.accuracy):.1%}, learning rate {float(chosen.learning_rate):.2g}, width "
            f"{int(chosen.width)}, dropout {float(chosen.dropout):g}")
    if best.epochs < full:
        text += (f"; one with learning rate {float(best.learning_rate):.2g}, stopped after epoch {int(best.epochs)}, "
                 f"would have reached {float(best.accuracy):.1%}")
    choice, to_equal, to_all = (stats.interval(part, over="search") for part in (
        runs.choice, runs.choice - runs.equal, runs.choice - runs.plain[:, -1]))
    text += (f". In {runs.sizes['search']} other searches, the choice, trained again with other seeds, reaches "
             f"{in_percent(choice)} (mean and 95% interval)")
    if state["pruner"] == "none":
        return f"{text}."
    lost, at_once = (float((runs.lost <= last).mean()) for last in (full - 1, state["first"]))
    return (f"{text}: {in_points(to_equal)} compared with no pruner in as many epochs, and {in_points(to_all)} "
            f"compared with all trained to the end. The best configuration was stopped in {lost:.0%} of the searches, "
            f"at the first opportunity in {at_once:.0%}.")
