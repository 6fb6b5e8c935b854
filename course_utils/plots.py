"""Every figure of the course: means with 95 % bands, intervals with a threshold; and what it shows, in words.

A `title` states the finding. Functions with an argument `ax` draw into these matplotlib axes, or else
into a new figure, and return the axes.
"""

import functools
import pathlib
import re
import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects, ticker
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure

from course_utils import accessible, moved, stats

__getattr__ = moved.old_names(__name__)

plt.style.use(pathlib.Path(__file__).with_name("course.mplstyle"))

# Names of values and axes in figures, where they differ from the names in the code.
NAMES = {"val_accuracy": "validation accuracy", "val_loss": "validation loss", "accuracy": "training accuracy",
         "loss": "training loss", "learning_rate": "learning rate", "initial_scale": "initial-weight scale",
         "label_noise": "label noise", "train_size": "training samples", "step": "steps",
         "l1": "L1", "l2": "L2"}
# How the arms and the parts of the data look in every figure that compares them.
LOOKS = {"with": {"color": "C0", "linestyle": "-", "marker": "o"},
         "without": {"color": "C1", "linestyle": "--", "marker": "s"},
         "training": {"color": "C2", "linestyle": "--", "marker": ""},
         "validation": {"color": "C4", "linestyle": "-", "marker": ""},
         "chosen": {"color": "C1", "linestyle": "", "marker": "*", "markersize": 11, "markeredgecolor": "0.1"}}
REGIONS = LinearSegmentedColormap.from_list("regions", ["#0072B2", "#FFFFFF", "#D55E00"])   # of two classes
LOGARITHMIC = {"learning_rate", "initial_scale", "train_size"}
VALUES = {"batch_norm": {False: "plain", True: "batch norm"},
          "norm_position": {"before": "before the activation", "after": "after the activation"},
          "shuffle": {False: "sorted by class", True: "shuffled"}}


def panels(count=1):
    """A new figure with panels side by side, as (figure, list of axes)."""
    # Notebooks crop a figure to what is drawn, so one panel needs no layout engine.
    figure = plt.figure(figsize=(4.2 * count, 3.4), layout="constrained") if count > 1 else plt.figure()
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def axes():
    """Axes of a new figure."""
    return panels()[1][0]


def lines(scores, x, *, by=None, over="seed", title=None, labels=None, ax=None):
    """Mean score over seeds against one dimension, with its 95 % interval as a band.

    Parameters
    ----------
    scores : xarray.DataArray, dims (x, over) or (x, by, over)
    x : str
        Dimension of the horizontal axis; logarithmic for a learning rate and the like.
    by : str, optional
        Dimension with one line for each value.
    over : str
        Dimension of the repeats.
    labels : dict value of `by` → str, optional
    """
    ax = ax or axes()
    bands = stats.interval(scores, over=over)
    points = scores[x].values
    look = {"marker": ""} if len(points) > 25 else {}
    for value in scores[by].values if by else [None]:
        label = None if by is None else (labels or {}).get(value, value_label(by, value))
        band(ax, points, bands.sel({by: value}) if by else bands, label=label, **look)
    if x in LOGARITHMIC and min(points) > 0:
        _logarithmic(ax, x)
    elif x in ("epoch", "step"):
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
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


def error_bars(ax, x, interval, **look):
    """Means as points and their intervals as vertical bars; the arguments are those of `band`."""
    lengths = np.reshape([interval["mean"] - interval["low"], interval["high"] - interval["mean"]], (2, -1))
    ax.errorbar(x, interval["mean"], lengths, **{"capsize": 4} | look | {"linestyle": ""})


def tiles(ax, pictures):
    """Gray pictures (rows, columns, height, width), with values from 0 to 1, as one image with white lines between."""
    framed = np.pad(pictures, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=np.nan)   # drawn white
    rows, columns, height, width = framed.shape
    picture(ax, framed.swapaxes(1, 2).reshape(rows * height, columns * width), vmin=-0.25, vmax=1.25,
            interpolation="nearest")
    ax.spines[:].set_visible(False)


def over_seeds(ax, x, scores, **look):
    """The mean over seeds as a line with its 95 % interval, as `band` draws them; nothing for fewer than two seeds.

    Parameters
    ----------
    ax, x, look
        As in `band`.
    scores : xarray.DataArray, dims (points, seed)

    Returns
    -------
    xarray.Dataset with ``mean``, ``low``, ``high`` at the last point, or None.
    """
    if scores.sizes["seed"] < 2:
        return None
    found = stats.interval(scores)
    band(ax, x, found, **look)
    return found.isel({found["mean"].dims[0]: -1})


def converged(runs):
    """The runs of `fit_many` that did not diverge, and how many did: ``" (1 of 3 runs diverged)"``, or ``""``."""
    diverged = runs.diverged.any("step" if "step" in runs.dims else "epoch")
    count = f" ({int(diverged.sum())} of {diverged.size} runs diverged)" if diverged.any() else ""
    return runs.sel(seed=~diverged.values), count


def label_lines(ax):
    """Write the label of each line in the axes near its right end, in its color, instead of a legend.

    Call it last, when the limits of the axes are final.
    """
    ends, occupied = {}, []
    for line in ax.lines:
        points = (line.get_transform() + ax.transAxes.inverted()).transform(line.get_xydata())
        points = points[np.isfinite(points).all(1)].clip(0, 1)
        if len(points) and np.ptp(points[:, 0]):   # not a vertical line
            near = points[points[:, 0] >= points[-1, 0] - 0.3, 1]
            occupied.append((near.min(), near.max()))
            if not line.get_label().startswith("_"):
                ends[line] = points[-1]
    # From the edge that is nearer to most ends, so that labels are in the order of their lines.
    from_above = bool(np.mean([y for _, y in ends.values()] or [0]) > 0.5)
    for line, (x, end) in sorted(ends.items(), key=lambda item: item[1][1], reverse=from_above):
        half = 0.01 + 0.033 * (1 + line.get_label().count("\n"))   # of the label's height, with a gap
        places = np.arange(half, 1 - half, 0.01)
        conflicts = [sum(low < y + half and y - half < high for low, high in occupied) for y in places]
        y = places[np.lexsort((abs(places - end), conflicts))[0]]   # free if possible, and close to the line's end
        occupied.append((y - half, y + half))
        darker = 0.75 * np.array(to_rgb(line.get_color()))   # letters are thinner than lines
        ax.text(max(x, 0.6) - 0.01, y, line.get_label(), color=darker, transform=ax.transAxes, ha="right",
                va="center", fontsize=10, fontweight="bold",
                path_effects=[patheffects.withStroke(linewidth=3, foreground="white")])


def curves(runs, score="loss", *, title=None, ax=None):
    """Training and validation score by epoch: means over seeds with their 95 % intervals.

    Parameters
    ----------
    runs : xarray.Dataset, dims (seed, epoch)
        From `fit_many`. Diverged runs are left out, and the legend counts them.
    score : {"loss", "accuracy"}
    """
    runs, count = converged(runs)
    ax = ax or axes()
    for name, label in ((score, "training"), (f"val_{score}", "validation")):
        over_seeds(ax, runs.epoch.values, runs[name], label=label, **LOOKS[label])
    ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel=score)
    if title:
        ax.set_title(title)
    ax.legend(title=count.strip(" ()") or None)
    return ax


def learning_curve(runs, x="train_size", *, target=None, title=None, ax=None):
    """Training and validation accuracy at the end of training, against the number of training samples.

    Parameters
    ----------
    runs : xarray.Dataset, dims (x, seed, epoch or step)
        From `fit_many`.
    x : str
        Another numeric dimension, such as the number of units: a *validation curve*.
    target : float, optional
        The accuracy that is needed; drawn as a dashed line.
    """
    ax, last = ax or axes(), runs.isel({"step" if "step" in runs.dims else "epoch": -1})
    for name, label in (("accuracy", "training"), ("val_accuracy", "validation")):
        over_seeds(ax, last[x].values, last[name].transpose(x, "seed"), label=label, **LOOKS[label] | {"marker": "o"})
    if target is not None:
        ax.axhline(target, color="0.4", linestyle="--", marker="", label="target")
    ax.set_xscale("log", base=2)
    ax.set(xlabel=axis_label(x), ylabel="accuracy", title=title or "")
    ax.xaxis.set_major_formatter(ticker.ScalarFormatter())
    ax.legend()
    return ax


def history(history, *, metrics=("loss",), title=None):
    """What `model.fit` recorded, by epoch: a panel for each metric, with training and validation.

    Parameters
    ----------
    history : keras.callbacks.History, or its dict metric → list of one number per epoch
    metrics : sequence of str
        Without ``val_``.

    Returns
    -------
    list of matplotlib axes

    Raises
    ------
    ValueError
        A metric that was not recorded.
    """
    recorded = getattr(history, "history", history)
    figure, panes = panels(len(metrics))
    for ax, metric in zip(panes, metrics, strict=True):
        if metric not in recorded:
            raise ValueError(f"The history has no {metric!r}; it has {', '.join(recorded)}.")
        for name, label in ((metric, "training"), (f"val_{metric}", "validation")):
            if name in recorded:
                ax.plot(range(1, 1 + len(recorded[name])), recorded[name], label=label, **LOOKS[label] | {"marker": ""})
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        ax.set(xlabel="epoch", ylabel=metric.replace("_", " "))
        ax.set_ylim(bottom=0)
        label_lines(ax)
    if title and len(panes) > 1:
        figure.suptitle(title)
    elif title:
        panes[0].set_title(title)
    return panes


def intervals(effects, *, threshold=None, needed="what the claim needs", neutral=None, xlabel=None, title=None,
              ax=None):
    """One horizontal interval for each effect, compared with a threshold.

    Parameters
    ----------
    effects : dict label → anything with ``mean``, ``low``, ``high``
        From `stats` or a `claims.Verdict`.
    threshold, neutral : float, optional
        Drawn as a dashed line, named `needed`, and a thin one (no effect).
    """
    ax = ax or plt.figure(figsize=(6.4, 1.3 + 0.4 * len(effects)), layout="constrained").subplots()
    for row, effect in enumerate(effects.values()):
        mean, low, high = (float(effect[part] if hasattr(effect, "data_vars") else getattr(effect, part))
                           for part in ("mean", "low", "high"))
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
    """Mean errors against training-set size, and a power law fitted to some of them.

    Parameters
    ----------
    errors : xarray.DataArray, dims (train_size, over)
    law : power_law.PowerLaw
        Fitted to some of these sizes; the others are held out.
    over : str
        Dimension of the repeats.
    """
    ax = ax or axes()
    measured = stats.interval(errors, over=over)
    held_out = ~errors.train_size.isin(law.fitted)
    sizes = np.geomspace(errors.train_size.min(), errors.train_size.max(), 50)
    band(ax, sizes, law.predict(sizes), color="C1", marker="", label="power law, 95% prediction")
    for which, label, face in ((~held_out, "fitted", "C0"), (held_out, "held out", "white")):
        part = measured.sel(train_size=which)
        error_bars(ax, part.train_size, part, color="C0", marker="o", markerfacecolor=face, capsize=3, label=label)
    _logarithmic(ax, "train_size")
    errors_on_log_axis(ax)
    ax.set(xlabel=axis_label("train_size"))
    ax.set_title(title or "")
    ax.legend()
    return ax


def contours(loss, path, best, *, title=None, ax=None):
    """A loss over two weights, and the path of an optimizer.

    Parameters
    ----------
    loss : callable, weights (..., 2) → loss (...)
        Zero at `best`.
    path : array (steps, 2)
        Weights from the first to the last; of a path that leaves the picture, the part inside.
    best : array (2,)
        The weights with the lowest loss, in the middle of the picture; both axes have the same scale.
    """
    ax = ax or axes()
    start = np.asarray(path[0])
    reach = 1.35 * np.abs(start - best).max()
    sides = [np.linspace(weight - reach, weight + reach, 201) for weight in best]
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


def plane(split, size=40):
    """Points in rows and columns all over the plane around the training points of a Split: (size, size, 2)."""
    low, high = split.x_train.min(0) - 0.2, split.x_train.max(0) + 0.2
    sides = [np.linspace(low[axis], high[axis], size, dtype="float32") for axis in (0, 1)]
    return np.stack(np.meshgrid(*sides), -1)


def boundary(ax, split, probability, **look):
    """A line between the regions of two classes, if there is one.

    Parameters
    ----------
    ax : matplotlib axes
    split : Split
        Of points in the plane.
    probability : xarray.DataArray, dims (point,)
        Of one of the two classes at the points of ``plane(split)``, row by row.
    **look
        As `matplotlib.axes.Axes.contour` takes it.
    """
    across, up = np.moveaxis(plane(split), -1, 0)
    if probability.min() < 0.5 < probability.max():   # matplotlib warns where there is none
        ax.contour(across, up, probability.values.reshape(across.shape), levels=[0.5], **look)


def regions(ax, split, probability):
    """Mean probability of the second class as color, each network's boundary as a line, the training points on top.

    `probability` is an xarray.DataArray, dims (seed, point); everything else is as in `boundary`.
    """
    across, up = np.moveaxis(plane(split), -1, 0)
    if probability.sizes["seed"]:
        ax.contourf(across, up, probability.mean("seed").values.reshape(across.shape), levels=np.linspace(0, 1, 11),
                    cmap=REGIONS, alpha=0.5)
    for network in probability.transpose("seed", ...):
        boundary(ax, split, network, colors="0.25", linewidths=0.7)
    for label, (color, marker) in enumerate([("#0072B2", "o"), ("#D55E00", "s")]):
        chosen = split.x_train[split.y_train == label]
        ax.scatter(*chosen.T, s=13, c=color, marker=marker, edgecolors="white", linewidths=0.4, zorder=3)
    ax.set(xlim=(across.min(), across.max()), ylim=(up.min(), up.max()), xticks=[], yticks=[])
    ax.grid(visible=False)


def picture(ax, pixels, *, title=None, **look):
    """An image, by default a gray one, in axes without ticks; `look` as `matplotlib.axes.Axes.imshow` takes it."""
    ax.imshow(pixels, **{"cmap": "gray"} | look)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title or "")
    ax.grid(visible=False)


def images(rows, *, title=None):
    """A matplotlib figure of small images with labels; the gray scale of a column is that of its first image.

    Parameters
    ----------
    rows : list of dict label → array (height, width), or (height, width, 3) for colors
        Of equal length. Labels are above the first row, and above every other row with labels of its own.
    """
    figure = plt.figure(figsize=(1.7 * len(rows[0]), 0.8 + 1.5 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for axes, pictures in zip(grid, rows, strict=True):
        for ax, (label, pixels), first in zip(axes, pictures.items(), rows[0].values(), strict=True):
            picture(ax, pixels, vmin=np.min(first), vmax=np.max(first))
            if pictures is rows[0] or list(pictures) != list(rows[0]):
                ax.set_title(label, fontsize=10, fontweight="normal", loc="center")
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def alt_text(figure):
    """What a matplotlib figure shows, for people who can't see it: its titles, its axes, the names of what is compared.

    Returns
    -------
    str
        Sentences; empty if the figure contains none of these.
    """
    panels = [ax for ax in figure.axes if ax.get_visible()]
    titles = _distinct(ax.get_title(place) for ax in panels for place in ("left", "center", "right"))
    if figure.get_suptitle():   # then the titles of the panels are labels, as above small images
        titles = [*_distinct([figure.get_suptitle()]), "; ".join(titles)]
    vertical = " and ".join(_distinct(ax.get_ylabel() for ax in panels))
    horizontal = " and ".join(_distinct(ax.get_xlabel() for ax in panels))
    axes = " against ".join(filter(None, [vertical, horizontal]))
    content = ": ".join(filter(None, [axes, "; ".join(_names(panels))]))   # names have commas in them
    if content[:1].isascii():   # "γ of a unit" is not "Γ of a unit"
        content = content[:1].upper() + content[1:]
    sentences = [text if text[-1] in ".?!…" else f"{text}." for text in (*titles, content) if text]
    return " ".join(sentences).replace("… …", "…")


def errors_on_log_axis(ax):
    """Make the vertical axis one of errors: logarithmic, in percent."""
    ax.set(yscale="log", ylabel="error")
    ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    ax.yaxis.set_minor_locator(ticker.NullLocator())


def axis_label(name):
    """The name of a variable or a knob in a figure."""
    return NAMES.get(name, str(name or "").replace("_", " "))


def value_label(knob, value):
    """The name of one value of a knob in a legend."""
    value = value.item() if isinstance(value, np.generic) else value
    if knob == "variable":   # of a dataset turned into an array: its variables are the lines
        return axis_label(value)
    return VALUES.get(knob, {}).get(value, f"{axis_label(knob)} {value:g}" if isinstance(value, int | float) and
                                    not isinstance(value, bool) else f"{axis_label(knob)} {value}")


def _logarithmic(ax, x):
    """A logarithmic horizontal axis; for sizes of training sets with base 2, and integers as tick labels."""
    ax.set_xscale("log", base=2 if x == "train_size" else 10)
    if x == "train_size":
        ax.xaxis.set_major_formatter(ticker.ScalarFormatter())


def _names(panels):
    """The words in legends and, on axes without a label, at the ticks; no numbers."""
    texts = [text for ax in panels if ax.get_legend() for text in ax.get_legend().get_texts()]
    for axis in [axis for ax in panels for axis in (ax.yaxis, ax.xaxis) if not axis.get_label_text()]:
        texts += axis.get_ticklabels()
    return [name for name in _distinct(text.get_text() for text in texts)
            if any(map(str.isalpha, re.sub(r"\\\w+", "", name)))]   # "$\mathdefault{10^{-3}}$" is a number


def _distinct(texts):
    """Texts that are not empty, once each, on one line."""
    return list(dict.fromkeys(filter(None, (" ".join(text.split()) for text in texts))))


def _bundle(figure):
    """What a notebook stores in addition to a figure's picture: words instead of its size and class."""
    _enable_once()
    text = alt_text(figure)
    return ({"text/plain": f"Figure: {text}"}, {"image/png": {"alt": text}}) if text else ({}, {})


@functools.cache
def _enable_once():
    # Only now: with the first figure, pyplot has registered its own way of drawing.
    accessible.enable()
    _shell.display_formatter.formatters["image/png"].for_type(Figure, _picture)


def _picture(figure):
    """A figure's PNG, in base64, whose file contains its description: JupyterLab passes on nothing else."""
    from IPython.core.pylabtools import print_figure

    return print_figure(figure, base64=True, pil_kwargs={"pnginfo": accessible.described(alt_text(figure))})


# A notebook stores a description with every figure, including those that learners draw.
_shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
if _shell:
    _shell.display_formatter.mimebundle_formatter.for_type(Figure, _bundle)
