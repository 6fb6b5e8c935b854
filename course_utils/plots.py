"""Every figure of the course: means with 95 % bands, intervals beside a threshold."""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_utils import stats

plt.style.use(pathlib.Path(__file__).with_name("course.mplstyle"))

# How values and axes are called in figures, where the name in the code is not what one would say.
NAMES = {"val_accuracy": "validation accuracy", "val_loss": "validation loss", "accuracy": "training accuracy",
         "loss": "training loss", "learning_rate": "learning rate", "initial_scale": "initial-weight scale",
         "label_noise": "share of wrong labels", "train_size": "training images", "step": "steps"}
VALUES = {"batch_norm": {False: "plain", True: "batch norm"},
          "norm_position": {"before": "before the activation", "after": "after the activation"},
          "shuffle": {False: "sorted by class", True: "shuffled"}}


def figure(panels=1, *, height=3.6):
    """A figure with panels side by side, outside pyplot: safe in a lab's thread.

    Returns
    -------
    (matplotlib.figure.Figure, list of axes)
    """
    made = Figure(figsize=(6.4 if panels == 1 else 4.4 * panels, height))
    axes = made.subplots(1, panels, squeeze=False)[0]
    made.subplots_adjust(left=0.5 / panels ** 0.9 * 0.25 + 0.02, right=0.98, bottom=0.16, top=0.88, wspace=0.28)
    return made, list(axes)


def against(scores, x, *, by=None, over="seed", title=None, labels=None, ax=None):
    """Mean score over seeds against one dimension, with its 95 % interval as a band.

    Parameters
    ----------
    scores : xarray.DataArray, dims (x, over) or (x, by, over)
    x : str
        Dimension of the horizontal axis; logarithmic if its values are evenly spaced so.
    by : str, optional
        Dimension with one line for each value.
    over : str
        Dimension of the repeats.
    title : str, optional
        States the finding.
    labels : dict value of `by` → str, optional
    ax : matplotlib axes, optional
        A new figure otherwise.

    Returns
    -------
    matplotlib axes
    """
    ax = ax or plt.figure(layout="constrained").subplots()
    band = stats.interval(scores, over=over)
    at = scores[x].values
    dense = len(at) > 25
    for value in scores[by].values if by else [None]:
        line = band.sel({by: value}) if by else band
        label = None if by is None else (labels or {}).get(value, say(by, value))
        drawn, = ax.plot(at, line["mean"], label=label, **({"marker": ""} if dense else {}))
        ax.fill_between(at, line["low"], line["high"], color=drawn.get_color(), alpha=0.2, linewidth=0)
    if log_spaced(at):
        ax.set_xscale("log")
    ax.set(xlabel=name(x), ylabel=name(scores.name))
    if title:
        ax.set_title(title)
    if by:
        ax.legend()
    return ax


def intervals(effects, *, threshold=None, neutral=None, xlabel=None, title=None, ax=None):
    """One horizontal interval for each effect, beside the threshold it is judged by.

    Parameters
    ----------
    effects : dict label → anything with ``mean``, ``low``, ``high``
        From `stats` or a `claims.Verdict`.
    threshold, neutral : float, optional
        Drawn as a dashed line (what the claim needs) and a thin one (no effect).
    xlabel, title : str, optional
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = ax or plt.figure(figsize=(6.4, 1.2 + 0.45 * len(effects)), layout="constrained").subplots()
    for row, effect in enumerate(effects.values()):
        mean, low, high = (float(_part(effect, part)) for part in ("mean", "low", "high"))
        ax.errorbar(mean, row, xerr=[[mean - low], [high - mean]], color="C0", marker="o", capsize=4, linestyle="")
    ax.set_yticks(range(len(effects)), list(effects))
    ax.set_ylim(len(effects) - 0.5, -0.5)
    if neutral is not None:
        ax.axvline(neutral, color="0.4", linewidth=1, label="no effect", marker="", linestyle="-")
    if threshold is not None:
        ax.axvline(threshold, color="C1", label="what the claim needs", marker="", linestyle="--")
    if neutral is not None or threshold is not None:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2)
    ax.set(xlabel=xlabel)
    if title:
        ax.set_title(title)
    return ax


def name(what):
    """How a variable or a knob is called in a figure."""
    return NAMES.get(what, str(what or "").replace("_", " "))


def say(knob, value):
    """How one value of a knob is called in a legend."""
    value = value.item() if isinstance(value, np.generic) else value
    return VALUES.get(knob, {}).get(value, f"{name(knob)} {value:g}" if isinstance(value, int | float) and
                                    not isinstance(value, bool) else f"{name(knob)} {value}")


def log_spaced(values):
    """Whether numbers are evenly spaced on a logarithmic axis and span at least a decade."""
    values = np.asarray(values)
    if values.dtype.kind not in "if" or len(values) < 3 or values.min() <= 0 or values.max() < 10 * values.min():
        return False
    steps = np.diff(np.log(values))
    return bool(np.ptp(steps) < 0.75 * abs(steps.mean()))


def _part(effect, part):
    return effect[part] if hasattr(effect, "data_vars") else getattr(effect, part)
