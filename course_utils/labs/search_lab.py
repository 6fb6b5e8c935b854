"""By how much does the validation score overstate what a search chooses? Trials on a map, and then the test set."""

import functools

import numpy as np
import xarray as xr

from course_utils import stats
from course_utils.experiments import searches, tabular
from course_utils.formatting import in_percent, in_points, minus
from course_utils.labs import controls
from course_utils.labs.base import Lab

SAMPLERS = ["grid", "random", "quasi-random", "TPE"]
GRIDS = {9: (1, 3, 1, 3), 16: (2, 2, 2, 2), 36: (2, 3, 3, 2), 64: (2, 4, 4, 2)}   # trials: points on each axis
REPEATS = range(1000, 1020)   # searches in addition to the one in the figure, because one alone proves nothing
LOW_RATE = 0.3                # below it are two thirds of the logarithmic axis, but a tenth of the linear one
LEVELS = np.arange(1, 9) / 10   # of accuracy, on the map
CHOSEN = {"color": "C1", "marker": "*", "markersize": 14, "markeredgecolor": "0.1", "linestyle": ""}
TEST = {"color": "C2", "marker": "D", "markeredgecolor": "0.1", "linestyle": ""}


class SearchLab(Lab):
    """Learning rate and dropout of each trial on the map, the best score so far, and what the test set says about it.

    The map shows dropout against the learning rate: of the knobs that take any value, dropout changes the table's
    mean accuracy the most. (Width changes it even more, but then all trials would be in four rows.)
    """

    controls = {
        "sampler": controls.choice("sampler", SAMPLERS, "random", structural=False),
        "trials": controls.choice("trials", list(GRIDS), 36, structural=False),
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
        """Search trial by trial; with the test set open, search twenty more times with other images and seeds."""
        objective = spent(state, state["number"], lambda objective: report(results(state, objective)))
        runs, others = results(state, objective), []
        for seed in REPEATS if state["open_test"] else ():
            if report(runs):
                break
            others.append(winner(*(state[name] for name in ("sampler", "trials", "images", "axis")), seed))
            runs = results(state, objective, others)
        return runs

    def draw(self, axes, state, runs):
        """Trials over the table's mean accuracy on the left; best score so far and its test score on the right."""
        left, right = axes
        self._draw_map(left, runs)
        best = np.maximum.accumulate(runs.score.values)
        chosen, budget = place(runs) + 1, state["trials"]
        opened = runs.sizes["search"] > 0
        right.step(runs.trial, best, where="post", color="C0", linestyle="-", marker="", label="best so far")
        right.plot(chosen, best[-1], **CHOSEN, label="chosen")
        drawn = [best[-1]]
        if opened:
            drawn.append(float(runs.test[0]))
            right.plot([chosen] * 2, drawn, color="0.4", linewidth=1, linestyle=":", marker="")
            right.plot(chosen, drawn[-1], **TEST, label="test")
        others = runs.isel(search=slice(1, None))
        if (count := others.sizes["search"]) > 1:
            for part, at, look in (("validation", 1.14, CHOSEN | {"markersize": 9}), ("test", 1.24, TEST)):
                score = stats.interval(others[part], over="search")
                right.errorbar(at * budget, score["mean"], [[score["mean"] - score["low"]],
                                                            [score["high"] - score["mean"]]], capsize=5, **look)
                drawn.append(float(score["low"]))
        floor = 0.5 if min(drawn) > 0.52 else 0.0
        if count > 1:
            right.axvspan(1.06 * budget, 1.33 * budget, color="0.95", zorder=0)
            right.text(1.19 * budget, -0.03, f"mean of\n{count} others", ha="center", va="top", fontsize=9,
                       transform=right.get_xaxis_transform())
        right.set(title="Validation and test accuracy" if opened else "Best validation accuracy so far", xlabel="trial",
                  xlim=(0, (1.33 if opened else 1.05) * budget), xticks=[1, *(budget * np.arange(1, 5) // 4)],
                  ylim=(floor, 1 + 0.2 * (1 - floor)), yticks=np.linspace(floor, 1, 6))
        right.legend(loc="upper center", ncols=3, fontsize=9)
        return sentence(state, runs)

    def result(self, state, runs):
        """The best validation accuracy, and its test accuracy once the test set is open."""
        test = f", {float(runs.test[0]):.0%} on the test set" if runs.sizes["search"] else ""
        return f"{float(runs.score.max()):.0%} validation accuracy{test}"

    @staticmethod
    def done(runs):
        """Share of the trials of all searches that are done."""
        started = max(1, runs.sizes["search"])   # the last one may still be running
        return (started - 1 + runs.sizes["trial"] / runs.attrs["trials"]) / runs.attrs["searches"]

    @staticmethod
    def _draw_map(ax, runs):
        level = background()
        lines = ax.contour(level.learning_rate, level.dropout, level, LEVELS, colors="0.55", linewidths=0.8)
        ax.contourf(level.learning_rate, level.dropout, level, LEVELS, cmap="Greys", vmin=0, vmax=2, extend="max")
        ax.clabel(lines, LEVELS[2::2], fontsize=8, fmt="%.1f")
        ax.scatter(runs.learning_rate, runs.dropout, c=runs.trial, cmap="Blues", vmin=-len(runs.trial) / 4,
                   vmax=len(runs.trial), marker="o", s=34, edgecolors="0.15", linewidths=0.7,
                   label="trials, later: darker")
        best = runs.isel(trial=place(runs))
        ax.plot(best.learning_rate, best.dropout, **CHOSEN, label=f"chosen: trial {int(best.trial)}")
        (low, *_, high) = tabular.SPACE["learning_rate"]
        ax.set(title="Trials, over mean accuracy", xscale="log", xlabel="learning rate", ylabel="dropout",
               xlim=(low / 1.2, high * 1.2), ylim=(-0.03, 0.72), yticks=np.arange(7) / 10)
        ax.grid(visible=False)
        ax.legend(loc="upper center", ncols=2, fontsize=9, columnspacing=0.8, handletextpad=0.3)


def spent(state, seed, each=lambda objective: None):
    """The `tabular.Objective` of one search after all trials; `each` is called with it after each trial.

    `state` is that of the lab; `seed` determines the validation images and the sampler's random numbers.
    """
    objective, budget = tabular.Objective(seed, validation=state["images"]), state["trials"]

    def score(params):
        if state["axis"] == "linear":
            params = params | {"learning_rate": linear(params["learning_rate"])}
        accuracy = objective(params)
        each(objective)
        return accuracy

    search = {"grid": searches.grid(dict(zip(tabular.SPACE, GRIDS[budget], strict=True))),
              "random": searches.at_random(budget), "quasi-random": searches.optuna("qmc", trials=budget),
              "TPE": searches.optuna("tpe", trials=budget)}[state["sampler"]]
    search(score, seed)
    return objective


@functools.lru_cache(maxsize=4096)
def winner(sampler, trials, images, axis, seed):
    """The scores of the best trial of one search, as `tabular.Objective.winner` returns them."""
    return spent({"sampler": sampler, "trials": trials, "images": images, "axis": axis}, seed).winner()


def linear(rate):
    """The learning rate that is as far along a linear axis as this one is along the logarithmic axis.

    Searching evenly along a linear axis means searching evenly along the logarithmic one and moving each point.
    So every sampler has both axes.
    """
    low, *_, high = tabular.SPACE["learning_rate"]
    return low + (high - low) * np.log(rate / low) / np.log(high / low)


def results(state, objective, others=()):
    """The trials so far, and the scores of those chosen.

    Returns
    -------
    xarray.Dataset
        Along ``trial``: ``score``, ``learning_rate``, ``dropout``. Along ``search``: ``validation`` and ``test`` of
        the chosen trial, first of the search in the figure, then of each of `others`; of length 0 while the test
        set is closed or the search is running.
    """
    done = state["open_test"] and len(objective.scores) == state["trials"]
    winners = [objective.winner(), *others] if done else []
    return xr.Dataset(
        {"score": ("trial", objective.scores)} |
        {knob: ("trial", [params[knob] for params in objective.asked]) for knob in ("learning_rate", "dropout")} |
        {part: ("search", [scores[part] for scores in winners]) for part in ("validation", "test")},
        {"trial": np.arange(1, 1 + len(objective.scores))},
        {"trials": state["trials"], "searches": 1 + len(REPEATS) * state["open_test"]})


@functools.cache
def background():
    """The table's final accuracy, mean over seeds, widths, and penalties: dims (dropout, learning_rate)."""
    accuracy = tabular.table().accuracy.isel(epoch=-1)
    return accuracy.mean(["seed", "width", "l2"]).transpose("dropout", "learning_rate")


def sentence(state, runs):
    """What was tried and chosen and, with the test set open, the test score."""
    sampler, rates = state["sampler"], np.unique(runs.learning_rate)
    best = float(runs.score[place(runs)])
    text = (f"{sampler[0].upper()}{sampler[1:]}: {runs.sizes['trial']} trials with {len(rates)} different learning "
            f"rates, {np.sum(rates < LOW_RATE) or 'none'} of them below {LOW_RATE:g}. {state['images']} validation "
            f"images chose trial {place(runs) + 1}, with accuracy {best:.1%}")
    if not runs.sizes["search"]:
        return f"{text}. The test set is closed."
    test, images = float(runs.test[0]), tabular.table().sizes["image"] - state["images"]
    text += f"; on the {images} test images it has {test:.1%}: a gap of {minus(f'{100 * (best - test):.1f}')} points."
    others = runs.isel(search=slice(1, None))
    if (count := others.sizes["search"]) > 1:
        validation, test = (in_percent(stats.interval(others[part], over="search")) for part in ("validation", "test"))
        gap = stats.interval(others.validation - others.test, over="search")
        text += (f" Mean of {count} other such searches, with 95% intervals: validation {validation}, "
                 f"test {test}, gap {in_points(gap)}.")
    return f"{text} If you move a control because of this result, the test set becomes a validation set."


def place(runs):
    """Position of the chosen trial: the first of those with the best score."""
    return int(np.argmax(runs.score.values))
