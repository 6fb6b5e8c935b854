"""What notebooks/data.md shows of each data set: `make data-page` draws the pictures and measures the baselines.

`make data-page ARGS="emoji digits"` does it for two data sets. The pictures go to notebooks/pictures/data; what three
simple models reach on the validation data goes to course_utils/tools/baselines.json, as a mean over five seeds.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course_utils import datasets, plots
from course_utils.experiments import scoreboard
from course_utils.tools import measured, pages

SEEDS = range(5)
SHOWN = 10  # samples in a picture


def main(names):
    if unknown := set(names) - set(DRAWN):
        sys.exit(f"There is no data set {', '.join(sorted(unknown))}; there are {', '.join(DRAWN)}.")
    (pages.PICTURES / "data").mkdir(parents=True, exist_ok=True)
    for name in names or DRAWN:
        DRAWN[name](name)
    measured_now = [name for name in names or DRAWN if name != "photographs"]
    measured.keep(measured.BASELINES, {name: baselines(getattr(datasets, name)) for name in measured_now})
    pages.update()
    print(measured.baseline_table())


def baselines(load):
    """Sizes of a data set, and what a guess, a linear model, and the nearest neighbor reach on its validation data."""
    split = load(seed=0)
    number = split.classes is None
    models = {
        "guess": DummyRegressor() if number else DummyClassifier(),
        "linear": LinearRegression() if number else LogisticRegression(tol=0.01, max_iter=1000),
        "neighbor": KNeighborsRegressor(1) if number else KNeighborsClassifier(1),
    }
    score = root_mean_squared_error if number else accuracy_score
    reached = {name: [] for name in models}
    for split in map(load, SEEDS):
        x, x_val = (x.reshape(len(x), -1) for x in (split.x_train, split.x_val))
        for name, model in models.items():
            model = make_pipeline(StandardScaler(), model).fit(x, split.y_train)
            reached[name].append(score(split.y_val, model.predict(x_val)))
    return {
        "shape": list(split.x_train.shape[1:]),
        "sizes": [len(split.x_train), len(split.x_val), len(split.test[0])],
        "classes": split.classes,
    } | {name: round(float(np.mean(scores)), 3) for name, scores in reached.items()}


def panels(rows=1, columns=SHOWN, height=0.9):
    """A figure with a row of small panels."""
    size = (columns * 0.75, rows * height)
    return plots.plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)


def save(figure, name):
    figure.savefig(pages.PICTURES / "data" / f"{name}.png")
    plots.plt.close(figure)


def entitle(axes, titles):
    for place, title in zip(axes, titles, strict=True):
        place.set_title(title, fontsize=8, loc="center", weight="normal")


def samples(split):
    """`SHOWN` training samples, as many of each class as possible."""
    ranks = np.zeros(len(split.y_train), int)
    for label in np.unique(split.y_train):
        ranks[split.y_train == label] = np.arange(np.count_nonzero(split.y_train == label))
    chosen = np.lexsort((split.y_train, ranks))[:SHOWN]
    chosen = chosen[np.argsort(split.y_train[chosen], kind="stable")]
    return split.x_train[chosen], split.y_train[chosen]


def show(rows, labels, name):
    figure, axes = panels(len(rows), len(labels), 0.9)
    for images, places in zip(rows, axes, strict=True):
        for image, place in zip(images, places, strict=True):
            place.imshow(image, cmap="gray")
            place.set_axis_off()
    entitle(axes[0], labels)
    save(figure, name)


def images(names=None, side=None):
    """Draw some images with their classes; `side` is that of images that are flattened."""

    def draw(name):
        x, y = samples(getattr(datasets, name)(seed=0))
        x = x if side is None else x.reshape(-1, side, side)
        show([x], [names[label].replace(" ", "\n") if names else label for label in y], name)

    return draw


def emoji(name):
    rows = [samples(datasets.emoji(artist=artist, size=64)) for artist in ("google", "twitter")]
    show([x for x, _ in rows], [datasets.EMOJI[label] for label in rows[0][1]], name)
    save(scoreboard.plot(), "scoreboard")


def curves(name):
    x, y = samples(getattr(datasets, name)(seed=0))
    figure, [axes] = panels()
    for signal, place in zip(x, axes, strict=True):
        place.plot(signal, color="C0", linewidth=1, marker="", linestyle="-")
        place.set_axis_off()
    entitle(axes, y)
    save(figure, name)


def plane(name):
    split = getattr(datasets, name)(seed=0)
    figure, axes = plots.plt.subplots(figsize=(3.8, 2.4), layout="constrained")
    for label, marker in enumerate("os"):
        axes.scatter(*split.x_train[split.y_train == label].T, s=8, color=f"C{label}", marker=marker, label=label)
    axes.set(xlabel="first feature", ylabel="second feature")
    axes.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, name)


def features(wanted, labels):
    """Draw some features of cars or tumors against the target."""

    def draw(name):
        split = getattr(datasets, name)(seed=0, scaled=False)
        figure, axes = plots.plt.subplots(1, len(wanted), figsize=(7.5, 2.2), layout="constrained")
        for column, label, place in zip(wanted, labels, axes, strict=True):
            x = split.x_train[:, column]
            if split.classes is None:
                place.scatter(x, split.y_train, s=6, color="C0")
                place.set(xlabel=label, ylabel="miles per gallon" if place is axes[0] else "")
            else:
                for kind, hatch, word in ((0, "", "malignant"), (1, "//", "benign")):
                    place.hist(x[split.y_train == kind], 20, color=f"C{kind}", alpha=0.6, hatch=hatch, label=word)
                place.set(xlabel=label, ylabel="tumors" if place is axes[0] else "")
        if split.classes is not None:
            axes[-1].legend()
        save(figure, name)

    return draw


def photographs(name):
    figure, [axes] = panels(1, 2, 1)
    figure.set_size_inches(4.5, 1.7)
    pictures = datasets.photographs()
    for picture, place in zip(pictures.values(), axes, strict=True):
        place.imshow(picture)
        place.set_axis_off()
    entitle(axes, pictures)
    save(figure, name)


DRAWN = {
    "digits": images(side=8),
    "canvas_digits": images(side=12),
    "mnist": images(),
    "emoji": emoji,
    "mnist1d": curves,
    "autompg": features((3, 2, 5), ("weight (pounds)", "horsepower", "model year")),
    "cancer": features((0, 1, 7), ("mean radius", "mean texture", "mean concave points")),
    "tones": curves,
    "glyphs": images(datasets.GLYPHS, 12),
    "textures": images(datasets.TEXTURES, 12),
    "moons": plane,
    "spirals": plane,
    "photographs": photographs,
}

if __name__ == "__main__":
    main(sys.argv[1:])
