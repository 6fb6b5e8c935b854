"""The running example: an emoji classifier that starts out as beginners write it, and what each technique gains.

Each row adds one technique to the best row so far: the one with the highest mean accuracy on validation images of the
artist that the network learns from. It is chosen by the scores that are reported, so it looks a little better than it
is, and the next row's gain a little smaller. All rows use the same ten seeds, and each seed draws other training and
validation concepts. The test set stays closed. Nothing is tuned.

    make measure ARGS="scratch"     trains the rows that are missing and writes scoreboard.json
"""

import dataclasses
import functools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from course_utils import datasets, files, formatting, stats

FILE = Path(__file__).with_suffix(".json")
ARTISTS = {"google": "Noto", "twitter": "Twemoji"}   # the networks learn from the first
METRICS = ["accuracy", "balanced_accuracy", "macro_f1"]
SEEDS = range(10)
BATCH = 32
FIRST = {"artist": "google", "scaled": False, "epochs": 15, "learning_rate": 1e-3, "optimizer": "adam",
         "structure": {"filters": (32, 64, 128), "units": (128,)}, "knobs": {}}
# An epoch is one pass over one artist's training images, so the row with both takes as many steps as the others.
STEPS_PER_EPOCH = datasets.drawings.TRAINING // BATCH
SHARE = datasets.drawings.VALIDATION / (datasets.drawings.TRAINING + datasets.drawings.VALIDATION)


@dataclasses.dataclass(frozen=True)
class Row:
    """What a row changes, and how it is trained.

    Attributes
    ----------
    title : str
    lecture : str
        Number of the lecture that explains the technique.
    change : dict
        New values for some keys of `FIRST`; "structure" and "knobs" are added to what is there.
    branch : bool
        A side branch: later rows do not build on it.
    score : callable settings → dict artist → metric → list of one number per seed
        How it is trained, if not by `scores_of_networks`.
    """

    title: str
    lecture: str
    change: dict
    branch: bool = False
    score: Callable = dataclasses.field(default=None, repr=False)


def scores_of_networks(settings, seeds=SEEDS):
    """Train a network from scratch for each seed; its scores on both artists' validation images."""
    from course_utils import trained_model

    runs = _trained(settings, _data(settings, seeds), _steps(settings), weights=True)
    predictors = [trained_model(_network(settings), runs.sel(seed=seed)).predict_on_batch for seed in seeds]
    return {artist: _scores([_validation(seed, artist, scaled=settings["scaled"]) for seed in seeds], predictors)
            for artist in ARTISTS}


def scores_of_features(settings, seeds=SEEDS):
    """Logistic regression on features of the pretrained network; its C is chosen on the training images."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    from course_utils import pretrained

    def fitted(seed):
        split, size = datasets.emoji(seed, size=64), settings["knobs"].get("train_size")
        search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": np.logspace(-4, 0, 5)})
        return search.fit(pretrained.features(split.x_train)[:size], split.y_train[:size]).predict_proba

    models = [fitted(seed) for seed in seeds]
    return {artist: _scores([(pretrained.features(x), y) for x, y in (
        _validation(seed, artist, size=64) for seed in seeds)], models) for artist in ARTISTS}


ROWS = {
    "raw": Row("raw pixels", "00", {}),
    "more_images": Row("twice the images, by both artists", "01", {"artist": "both"}, branch=True),
    "schedule": Row("a schedule and enough steps", "02", {"epochs": 60, "optimizer": "adam, cosine"}),
    "scaled": Row("scaled to [0, 1]", "04", {"scaled": True}),
    "batch_norm": Row("batch norm", "05", {"structure": {"batch_norm": True}}),
    "dropout": Row("dropout", "09", {"structure": {"dropout": 0.5}}),
    "penalties": Row("weight decay and label smoothing", "10", {
        "optimizer": "adamw, cosine", "knobs": {"weight_decay": 0.01, "label_smoothing": 0.1}}),
    "augmentation": Row("augmentation", "11", {"knobs": {
        "horizontal_flip": 0.5, "shift": 3, "rotation": 15.0, "zoom": 0.15}}),
    "both_artists": Row("both artists", "11", {"artist": "both"}, branch=True),
    "features": Row("features of a pretrained network", "08", {}, branch=True, score=scores_of_features),
}


def results():
    """All rows that are measured: dict name → dict of "settings", "compared_with", "cost", and "scores"."""
    measured = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return {name: measured[name] for name in ROWS if name in measured}


def measure(name):
    """Train one row, compare it with the best row before it, and keep what was found.

    Raises
    ------
    ValueError
        There is no such row, or one before it is missing.
    """
    if name not in ROWS:
        raise ValueError(f"There is no row {name!r}; there are {', '.join(ROWS)}.")
    row, known, before = ROWS[name], results(), list(ROWS)[:list(ROWS).index(name)]
    if missing := [other for other in before if other not in known and not ROWS[other].branch]:
        raise ValueError(f"The row {name!r} builds on {', '.join(missing)}; measure them first.")
    best = best_before(name, known)
    settings = _changed(known[best]["settings"] if best else FIRST, row.change)
    found = (row.score or scores_of_networks)(settings)
    found = {"settings": settings, "compared_with": best, "cost": _cost(row, settings), "scores": found}
    kept = results() | {name: found}   # read again: another process may have written in the meantime
    files.write_atomically(FILE, json.dumps(
        {other: kept[other] for other in ROWS if other in kept}, indent=1, ensure_ascii=False) + "\n")


def best_before(name, rows):
    """The best row before this one, side branches left out; None before the first."""
    return max((other for other in list(ROWS)[:list(ROWS).index(name)] if not ROWS[other].branch), default=None,
               key=lambda other: np.mean(rows[other]["scores"][FIRST["artist"]]["accuracy"]))


def scores():
    """All scores of the measured rows: DataArray (row, artist, metric, seed)."""
    rows = results()
    return xr.DataArray(
        [[[row["scores"][artist][metric] for metric in METRICS] for artist in ARTISTS] for row in rows.values()],
        dims=("row", "artist", "metric", "seed"),
        coords={"row": list(rows), "artist": list(ARTISTS), "metric": METRICS, "seed": list(SEEDS)})


def gains(metric="accuracy"):
    """What each row gains over the row it is compared with: Dataset of mean, low, and high (row, artist).

    The differences are paired by seed. As the splits of the seeds overlap, the intervals are those of Nadeau & Bengio.
    """
    values = scores().sel(metric=metric, drop=True)
    compared = {name: row["compared_with"] for name, row in results().items() if row["compared_with"]}
    before = values.sel(row=list(compared.values())).assign_coords(row=list(compared))
    return stats.resampled_interval(values.sel(row=list(compared)) - before, test_share=SHARE)


def table():
    """The rows as a Markdown table: validation accuracy and gain on both artists, and the cost of a training."""
    gained, accuracy = gains(), scores().sel(metric="accuracy").mean("seed")

    def cells(name, artist):
        gain = gained.sel(row=name, artist=artist) if name in gained.row else None
        return [f"{accuracy.sel(row=name, artist=artist).item():.1%}",
                "" if gain is None else formatting.in_points(gain).removesuffix(" points")]

    rows = [[ROWS[name].title, ROWS[row["compared_with"]].title if row["compared_with"] else "",
             *(cell for artist in ARTISTS for cell in cells(name, artist)), f"{row['cost']:g}×" if row["cost"] else ""]
            for name, row in results().items()]
    return formatting.table(["row", "compared with", *(title for drawings in ARTISTS.values() for title in (
        drawings, "gain in points")), "time to train"], rows)


def plot():
    """Draw the accuracy of each row, a panel for each artist, with an interval of the mean over the seeds.

    Gray rows are side branches; of all rows, only "both artists" has learned from drawings of the second artist.
    """
    import matplotlib.pyplot as plt

    values = scores().sel(metric="accuracy", drop=True)
    means, names = stats.resampled_interval(values, test_share=SHARE), list(values.row.values)
    fig, axes = plt.subplots(1, len(ARTISTS), figsize=(9, 0.6 + 0.35 * len(names)), sharey=True, layout="constrained")
    for ax, (artist, drawings) in zip(axes, ARTISTS.items(), strict=True):
        row = means.sel(artist=artist)
        colors = ["0.5" if ROWS[name].branch else "C0" for name in names]
        ax.barh(names, row["mean"], color=colors, alpha=0.6)
        ax.errorbar(row["mean"], names, xerr=[row["mean"] - row.low, row.high - row["mean"]], fmt="none", ecolor="k")
        known = "training" if artist == FIRST["artist"] else "new"
        ax.set(title=f"{drawings} ({known} artist)", xlabel="validation accuracy", xlim=(0, 1),
               yticks=range(len(names)), yticklabels=[ROWS[name].title for name in names])
    axes[0].invert_yaxis()
    return fig


def _changed(settings, change):
    return {key: value | change.get(key, {}) if isinstance(value, dict) else change.get(key, value)
            for key, value in settings.items()}


def _steps(settings):
    return settings["epochs"] * STEPS_PER_EPOCH


def _data(settings, seeds):
    """dict seed → Split"""
    return {seed: datasets.emoji(seed, artist=settings["artist"], scaled=settings["scaled"]) for seed in seeds}


def _trained(settings, data, steps, **options):
    """The runs of `fit_many`, one for each seed of the data, validated once, after so many steps."""
    from course_utils import fit_many

    return fit_many(_network(settings), data.get, {"seed": list(data)} | settings["knobs"], steps=steps,
                    evaluate_every=steps, batch_size=BATCH, optimizer=_optimizer(settings), **options)


def _network(settings):
    from course_utils import models

    return functools.partial(models.cnn, **settings["structure"])


def _optimizer(settings):
    import keras

    kind, _, schedule = settings["optimizer"].partition(", ")
    rate = settings["learning_rate"]
    if schedule:
        rate = keras.optimizers.schedules.CosineDecay(rate, _steps(settings))
    return {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[kind](rate)


def _validation(seed, artist, *, scaled=True, size=32):
    split = datasets.emoji(seed, artist=artist, scaled=scaled, size=size)
    return split.x_val, split.y_val


def _scores(validation, predictors):
    """dict metric → one number per seed."""
    from sklearn import metrics

    found = {metric: [] for metric in METRICS}
    for (x, y), predict in zip(validation, predictors, strict=True):
        predicted = np.asarray(predict(x)).argmax(-1)
        found["accuracy"].append(float(metrics.accuracy_score(y, predicted)))
        found["balanced_accuracy"].append(float(metrics.balanced_accuracy_score(y, predicted)))
        found["macro_f1"].append(float(metrics.f1_score(y, predicted, average="macro")))
    return found


def _cost(row, settings):
    """How many times as long as that of the first row a training takes, timed in turn with data and programs ready."""
    if row.score:
        return None   # its features are computed once and stored
    if settings == FIRST:
        return 1.0
    sides = [(each, _data(each, SEEDS)) for each in (settings, FIRST)]

    def seconds(settings, data):
        start = time.perf_counter()
        _trained(settings, data, 2 * STEPS_PER_EPOCH)
        return time.perf_counter() - start

    for side in sides:
        seconds(*side)
    ratio = statistics.median(seconds(*sides[0]) / seconds(*sides[1]) for _ in range(3))
    return float(f"{ratio * settings['epochs'] / FIRST['epochs']:.2g}")
