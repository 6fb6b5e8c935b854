"""Every figure of the course: means with 95 % bands, intervals beside a threshold."""

import pathlib

import matplotlib.pyplot as plt
import numpy as np

from course_utils import stats

plt.style.use(pathlib.Path(__file__).with_name("course.mplstyle"))

# How values and axes are called in figures, where the name in the code is not what one would say.
NAMES = {"val_accuracy": "validation accuracy", "val_loss": "validation loss", "accuracy": "training accuracy",
         "loss": "training loss", "learning_rate": "learning rate", "initial_scale": "initial-weight scale",
         "label_noise": "share of wrong labels", "train_size": "training images", "step": "steps"}
LOGARITHMIC = {"learning_rate", "initial_scale", "train_size"}
VALUES = {"batch_norm": {False: "plain", True: "batch norm"},
          "norm_position": {"before": "before the activation", "after": "after the activation"},
          "shuffle": {False: "sorted by class", True: "shuffled"}}


def panels(count=1, *, made=None):
    """A figure with panels side by side.

    Parameters
    ----------
    count : int
    made : matplotlib.figure.Figure, optional
        An empty figure to put them into; a new one of pyplot's otherwise.

    Returns
    -------
    (figure, list of axes)
    """
    # Notebooks cut a figure to what is drawn, so that one panel needs no layout engine.
    made = made or (plt.figure(figsize=(4.2 * count, 3.4), layout="constrained") if count > 1 else plt.figure())
    return made, list(made.subplots(1, count, squeeze=False)[0])


def axes():
    """Axes of a new figure."""
    return panels()[1][0]


def against(scores, x, *, by=None, over="seed", title=None, labels=None, ax=None):
    """Mean score over seeds against one dimension, with its 95 % interval as a band.

    Parameters
    ----------
    scores : xarray.DataArray, dims (x, over) or (x, by, over)
    x : str
        Dimension of the horizontal axis; logarithmic for a learning rate and its like.
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
    ax = ax or axes()
    band = stats.interval(scores, over=over)
    at = scores[x].values
    dense = len(at) > 25
    for value in scores[by].values if by else [None]:
        line = band.sel({by: value}) if by else band
        label = None if by is None else (labels or {}).get(value, say(by, value))
        drawn, = ax.plot(at, line["mean"], label=label, **({"marker": ""} if dense else {}))
        ax.fill_between(at, line["low"], line["high"], color=drawn.get_color(), alpha=0.2, linewidth=0)
    if x in LOGARITHMIC and min(at) > 0:
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
    ax = ax or plt.figure(figsize=(6.4, 1.3 + 0.4 * len(effects)), layout="constrained").subplots()
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
        ax.figure.legend(loc="outside lower center", ncols=2)
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


def _part(effect, part):
    return effect[part] if hasattr(effect, "data_vars") else getattr(effect, part)
