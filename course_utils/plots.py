"""Every figure of the course: means with 95 % bands, intervals beside a threshold; and what it shows, in words."""

import functools
import pathlib
import re
import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from course_utils import accessible, moved, stats

__getattr__ = moved.old_names(__name__)

plt.style.use(pathlib.Path(__file__).with_name("course.mplstyle"))

# How values and axes are called in figures, where the name in the code is not what one would say.
NAMES = {"val_accuracy": "validation accuracy", "val_loss": "validation loss", "accuracy": "training accuracy",
         "loss": "training loss", "learning_rate": "learning rate", "initial_scale": "initial-weight scale",
         "label_noise": "share of wrong labels", "train_size": "training images", "step": "steps",
         "l1": "L1", "l2": "L2"}
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


def lines(scores, x, *, by=None, over="seed", test_share=None, title=None, labels=None, ax=None):
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
    test_share : float in (0, 1), optional
        The repeats are random splits of one data set, which score on this share of it: draw
        `stats.resampled_interval`, which is wider.
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
    said = (stats.interval(scores, over=over) if test_share is None else
            stats.resampled_interval(scores, over=over, test_share=test_share))
    at = scores[x].values
    dense = len(at) > 25
    for value in scores[by].values if by else [None]:
        line = said.sel({by: value}) if by else said
        label = None if by is None else (labels or {}).get(value, value_label(by, value))
        band(ax, at, line, label=label, **({"marker": ""} if dense else {}))
    if x in LOGARITHMIC and min(at) > 0:
        _logarithmic(ax, x)
    ax.set(xlabel=axis_label(x), ylabel=axis_label(scores.name))
    if title:
        ax.set_title(title)
    if by:
        ax.legend()
    return ax


def band(ax, x, interval, **look):
    """A mean as a line, its interval as a band around it.

    Parameters
    ----------
    ax : matplotlib axes
    x : array (points,)
    interval : xarray.Dataset, dim (points,), with ``mean``, ``low``, ``high``
        From `stats`.
    **look
        Of the line, as `matplotlib.axes.Axes.plot` takes it; the band follows its color and `alpha`.
    """
    line, = ax.plot(x, interval["mean"], **look)
    ax.fill_between(x, interval["low"], interval["high"], color=line.get_color(),
                    alpha=0.2 * look.get("alpha", 1), linewidth=0)


def curves(runs, score="loss", *, title=None, ax=None):
    """Training and validation score by epoch: means over seeds with their 95 % intervals.

    Parameters
    ----------
    runs : xarray.Dataset, dims (seed, epoch)
        From `fit_many`. Diverged runs are left out, and the legend counts them.
    score : {"loss", "accuracy"}
    title : str, optional
        States the finding.
    ax : matplotlib axes, optional
        A new figure otherwise.

    Returns
    -------
    matplotlib axes
    """
    lost = runs.diverged.any("epoch")
    left_out = f" ({int(lost.sum())} of {lost.size} runs diverged)" if lost.any() else ""
    pair = runs[[score, f"val_{score}"]].sel(seed=~lost.values).to_dataarray("part").rename(score)
    ax = lines(pair, "epoch", by="part", title=title, ax=ax,
                 labels={score: f"training{left_out}", f"val_{score}": "validation"})
    ax.set_ylabel(score)
    return ax


def intervals(effects, *, threshold=None, needed="what the claim needs", neutral=None, xlabel=None, title=None,
              ax=None):
    """One horizontal interval for each effect, beside the threshold it is judged by.

    Parameters
    ----------
    effects : dict label → anything with ``mean``, ``low``, ``high``
        From `stats` or a `claims.Verdict`.
    threshold, neutral : float, optional
        Drawn as a dashed line, named `needed`, and a thin one (no effect).
    needed : str
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
        ax.axvline(threshold, color="C1", label=needed, marker="", linestyle="--")
    if neutral is not None or threshold is not None:
        ax.figure.legend(loc="outside lower center", ncols=2)
    ax.set(xlabel=xlabel)
    if title:
        ax.set_title(title)
    return ax


def power_law(errors, law, *, over="seed", title=None, ax=None):
    """Mean errors against training-set size, a power law fitted to some, and how it fares at the others.

    Parameters
    ----------
    errors : xarray.DataArray, dims (train_size, over)
    law : power_law.PowerLaw
        Fitted to some of these sizes; the others are held out.
    over : str
        Dimension of the repeats.
    title : str, optional
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = ax or axes()
    measured = stats.interval(errors, over=over)
    held_out = ~errors.train_size.isin(law.fitted)
    sizes = np.geomspace(errors.train_size.min(), errors.train_size.max(), 50)
    said = law.predict(sizes)
    ax.plot(sizes, said["mean"], color="C1", marker="", label="power law, 95 % prediction")
    ax.fill_between(sizes, said["low"], said["high"], color="C1", alpha=0.2, linewidth=0)
    for which, label, face in ((~held_out, "fitted", "C0"), (held_out, "held out", "white")):
        part = measured.sel(train_size=which)
        ax.errorbar(part.train_size, part["mean"], [part["mean"] - part["low"], part["high"] - part["mean"]],
                    color="C0", marker="o", markerfacecolor=face, linestyle="", capsize=3, label=label)
    _logarithmic(ax, "train_size")
    errors_on_log_axis(ax)
    ax.set(xlabel=axis_label("train_size"))
    ax.set_title(title or "")
    ax.legend()
    return ax


def contours(loss, path, best, *, title=None, ax=None):
    """A loss over two weights, and the way an optimizer went down it.

    Parameters
    ----------
    loss : callable, weights (..., 2) → loss (...)
        Zero at `best`.
    path : array (steps, 2)
        Weights from the first to the last; of a path that leaves the picture, the part inside.
    best : array (2,)
        The weights with the lowest loss. They stand in the middle; both axes have one scale.
    title : str, optional
        States the finding.
    ax : matplotlib axes, optional
        A new figure otherwise.

    Returns
    -------
    matplotlib axes
    """
    ax = ax or axes()
    start = np.asarray(path[0])
    reach = 1.35 * np.abs(start - best).max()
    sides = [np.linspace(at - reach, at + reach, 201) for at in best]
    values = loss(np.stack(np.meshgrid(*sides), -1))
    ax.contour(*sides, values, levels=loss(start) * np.array([0.01, 0.1, 0.3, 0.6, 1, 1.5, 2.2, 3]), colors="0.55",
               linewidths=0.9)
    ax.plot(*np.transpose(path), color="C0", linestyle="-", marker=".", linewidth=1.2, markersize=4)
    ax.plot(*start, color="C0", marker="o", linestyle="")
    ax.plot(*best, color="C1", marker="*", markersize=12, linestyle="")
    ax.set(xlim=(sides[0][0], sides[0][-1]), ylim=(sides[1][0], sides[1][-1]), aspect="equal",
           xlabel="first weight", ylabel="second weight")
    ax.set_title(title or "")
    ax.grid(visible=False)
    return ax


def images(rows, *, title=None):
    """Rows of small images with labels; the gray scale of a column is that of its first image.

    Parameters
    ----------
    rows : list of dict label → array (height, width), or (height, width, 3) for colors
        Equally long. Labels stand above the first row, and above each other row that has its own.
    title : str, optional
        States the finding.

    Returns
    -------
    matplotlib figure
    """
    made = plt.figure(figsize=(1.7 * len(rows[0]), 0.8 + 1.5 * len(rows)), layout="constrained")
    grid = made.subplots(len(rows), len(rows[0]), squeeze=False)
    for axes, pictures in zip(grid, rows, strict=True):
        for ax, (label, picture), first in zip(axes, pictures.items(), rows[0].values(), strict=True):
            ax.imshow(picture, cmap="gray", vmin=np.min(first), vmax=np.max(first))
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            if pictures is rows[0] or list(pictures) != list(rows[0]):
                ax.set_title(label, fontsize=10, fontweight="normal", loc="center")
    if title:
        made.suptitle(title, x=0.01, ha="left")
    return made


def alt_text(figure):
    """What a figure shows, for those who cannot see it: its titles, its axes, the names of what is compared.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    str, sentences; empty if nothing in the figure says what it is
    """
    panels = [ax for ax in figure.axes if ax.get_visible()]
    titles = _distinct(ax.get_title(place) for ax in panels for place in ("left", "center", "right"))
    if figure.get_suptitle():   # then those of the panels are labels, as above small images
        titles = [*_distinct([figure.get_suptitle()]), "; ".join(titles)]
    vertical = " and ".join(_distinct(ax.get_ylabel() for ax in panels))
    horizontal = " and ".join(_distinct(ax.get_xlabel() for ax in panels))
    axes = " against ".join(filter(None, [vertical, horizontal]))
    said = ": ".join(filter(None, [axes, "; ".join(_names(panels))]))   # names have commas in them
    if said[:1].isascii():   # "γ of a unit" is not "Γ of a unit"
        said = said[:1].upper() + said[1:]
    sentences = [text if text[-1] in ".?!…" else f"{text}." for text in (*titles, said) if text]
    return " ".join(sentences).replace("… …", "…")


def errors_on_log_axis(ax):
    """Make the vertical axis one of errors: logarithmic, in percent."""
    ax.set(yscale="log", ylabel="error")
    ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    ax.yaxis.set_minor_locator(ticker.NullLocator())


def axis_label(what):
    """How a variable or a knob is called in a figure."""
    return NAMES.get(what, str(what or "").replace("_", " "))


def value_label(knob, value):
    """How one value of a knob is called in a legend."""
    value = value.item() if isinstance(value, np.generic) else value
    if knob == "variable":   # of a dataset turned into an array: its variables are the lines
        return axis_label(value)
    return VALUES.get(knob, {}).get(value, f"{axis_label(knob)} {value:g}" if isinstance(value, int | float) and
                                    not isinstance(value, bool) else f"{axis_label(knob)} {value}")


def _logarithmic(ax, x):
    """A logarithmic horizontal axis; sizes of training sets stand as whole numbers, doubled."""
    doubled = x == "train_size"
    ax.set_xscale("log", base=2 if doubled else 10)
    if doubled:
        ax.xaxis.set_major_formatter(ticker.ScalarFormatter())


def _part(effect, part):
    return effect[part] if hasattr(effect, "data_vars") else getattr(effect, part)


def _names(panels):
    """The words in legends, and those that stand at ticks in place of a label; not the numbers there."""
    texts = [text for ax in panels if ax.get_legend() for text in ax.get_legend().get_texts()]
    for axis in [axis for ax in panels for axis in (ax.yaxis, ax.xaxis) if not axis.get_label_text()]:
        texts += axis.get_ticklabels()
    return [name for name in _distinct(text.get_text() for text in texts)
            if any(map(str.isalpha, re.sub(r"\\\w+", "", name)))]   # "$\mathdefault{10^{-3}}$" is a number


def _distinct(texts):
    """Texts that are not empty, once each, on one line."""
    return list(dict.fromkeys(filter(None, (" ".join(text.split()) for text in texts))))


def _bundle(figure):
    """What a notebook stores beside a figure's picture: words in place of its size and class."""
    _enable_once()
    said = alt_text(figure)
    return ({"text/plain": f"Figure: {said}"}, {"image/png": {"alt": said}}) if said else ({}, {})


@functools.cache
def _enable_once():
    # Only now: pyplot has brought its own way of drawing with the first figure.
    accessible.enable()
    _shell.display_formatter.formatters["image/png"].for_type(Figure, _picture)


def _picture(figure):
    """A figure's PNG, in base64, that says in its own file what it shows: JupyterLab passes on nothing else."""
    from IPython.core.pylabtools import print_figure

    return print_figure(figure, base64=True, pil_kwargs={"pnginfo": accessible.described(alt_text(figure))})


# A notebook stores with every figure, also with one that a learner draws, what it shows.
_shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
if _shell:
    _shell.display_formatter.mimebundle_formatter.for_type(Figure, _bundle)
