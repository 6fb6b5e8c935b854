"""What can you change in an image without changing its label? One transformation, tested on four kinds of images."""

import functools
import math

import numpy as np
import xarray as xr

from course_utils import augment, datasets, fit_many, models, plots, stats
from course_utils.formatting import in_points, points
from course_utils.labs import controls
from course_utils.labs.base import Lab

SEEDS, BETWEEN = 10, 4   # epochs between two validations
# The meaning of strength 1 (integers are pixels), and the words for any strength.
TRANSFORMATIONS = {
    "shift": (4, "up to {} px"), "horizontal flip": (1.0, "probability {:.2g}"), "rotation": (60.0, "up to {:.2g}°"),
    "zoom": (0.8, "up to ±{:.0%}"), "pixel noise": (1.0, "standard deviation {:.2g}"),
    "cutout": (10, "{} px wide and high"), "MixUp": (1.0, "alpha {:.2g}"),
}
VERSIONS = {"clean": {}, "shifted": {"shift": 2}, "rotated": {"rotation": 30}, "flipped": {"horizontal_flip": 1}}
TICKS = ["clean", "shifted\n±2 pixels", "rotated\n±30°", "flipped\nleft–right"]
ROWS, COLUMNS, SIDE = 4, 8, 12   # of the pictures: augmented rows, digits, pixels


class AugmentationLab(Lab):
    """Augmented digits, and accuracy on clean, shifted, rotated, and flipped images with and without it."""

    controls = {
        "transformation": controls.choice("transformation", list(TRANSFORMATIONS), "shift"),
        "strength": controls.uniform("strength", 0.5),
        "probability": controls.uniform("probability", 1.0),
        "train_size": controls.choice("training images", [50, 100, 200, 400, 1000], 200, structural=False),
        "epochs": controls.choice("epochs", [8, 20, 60], 20, structural=False),
    }
    try_this = (
        "Raise the strength of the shifts step by step. What do you gain on shifted images and lose on clean ones?",
        "Choose flips with strength 1, at probability 0.5 and then 1. Which images does the second network recognize?",
        "Use 50 training images, then 1,000. On which images does augmentation still help?")
    stays_light = True

    def compute(self, state, report):
        """Train ten networks with the transformation and ten without, on the same batches."""
        runs = fit_many(models.mlp, centered(), {
            knob(state): amounts(state), "augment_probability": state["probability"], "depth": 2,
            "learning_rate": 0.3, "train_size": state["train_size"], "seed": range(SEEDS)},
            epochs=state["epochs"], evaluate_every=BETWEEN * (len(centered().x_train) // 32), predict=changed(),
            callback=lambda partial: report(scores(partial, state)))
        return scores(runs, state)

    def draw(self, axes, state, runs):
        """Digits before and after on the left; accuracy on each version of the held-out images on the right."""
        left, right = axes
        plots.tiles(left, pictures(knob(state), amount(state), state["probability"]))
        left.set_title(f"Originals, then {knob(state)}={amount(state):.2g}")
        last = runs.isel(step=-1)
        for arm, offset in zip(runs.arm.values, (-0.1, 0.1), strict=False):
            plots.error_bars(right, np.arange(len(VERSIONS)) + offset, stats.interval(last.accuracy.sel(arm=arm)),
                             **plots.LOOKS[arm], label=f"{arm} augmentation")
        right.set(title="Accuracy on held-out images", xticks=range(len(VERSIONS)), xticklabels=TICKS,
                  xlim=(-0.5, len(VERSIONS) - 0.5), ylim=(0, 1.2), yticks=np.arange(6) / 5)
        right.grid(visible=False, axis="x")
        right.legend(loc="upper right")
        return sentence(state, last)

    def result(self, state, runs):
        """What augmentation gains on clean images and on those that gain most."""
        last = runs.accuracy.isel(step=-1).mean("seed")
        gain = last.isel(arm=-1) - last.sel(arm="without")
        most = gain.idxmax("version").item()
        shown = dict.fromkeys(["clean", most])
        return ", ".join(f"{points(gain.sel(version=name), 0)} on {name} images" for name in shown)


@functools.cache
def centered():
    """Digits in the middle of a canvas that is large enough for a shift of two pixels."""
    return datasets.canvas_digits(0, size=SIDE, placement="center")


@functools.cache
def changed():
    """The held-out images in each version except the clean one, one after the other: (3 · images, pixels)."""
    return np.concatenate([augment(centered().x_val, **change) for change in VERSIONS.values() if change])


def scores(runs, state):
    """Accuracy along ``arm`` and ``version`` from what `fit_many` returns."""
    runs = runs.rename({knob(state): "arm"}).assign_coords(arm=["without", "with"][:runs.sizes[knob(state)]])
    hits = runs.probability.argmax("class") == xr.DataArray(np.tile(centered().y_val, len(VERSIONS) - 1), dims="point")
    hits = hits.coarsen(point=len(centered().y_val)).mean().rename(point="version")
    accuracy = xr.concat([runs.val_accuracy, hits], "version").assign_coords(version=list(VERSIONS))
    return xr.Dataset({"accuracy": accuracy, "diverged": runs.diverged}, attrs=runs.attrs)


def knob(state):
    """What `fit_many` calls the transformation."""
    return state["transformation"].lower().replace(" ", "_")


def amount(state):
    """The strength in the transformation's own unit; pixels are integers, at least 1 unless strength is 0."""
    most, _ = TRANSFORMATIONS[state["transformation"]]
    return math.ceil(round(most * state["strength"], 6)) if isinstance(most, int) else most * state["strength"]


def amounts(state):
    """The strengths of the two arms; only one if both are 0."""
    return sorted({0 * amount(state), amount(state)})


@functools.lru_cache(maxsize=8)
def pictures(knob, amount, probability):
    """One digit per column, (rows, columns, height, width): the original, and below it copies as in training."""
    data = centered()
    originals = data.x_train[[np.flatnonzero(data.y_train == label)[1] for label in range(COLUMNS)]]
    copies = [augment(originals, step=step, augment_probability=probability, **{knob: amount}) for step in range(ROWS)]
    return np.reshape([originals, *copies], (ROWS + 1, COLUMNS, SIDE, SIDE))


def sentence(state, last):
    """What the right panel shows, in words; `last` are the scores of the last step."""
    phrases = []
    for version in VERSIONS:
        score = last.accuracy.sel(version=version)
        words = f"{version} {float(score.sel(arm='without').mean()):.1%}"
        if "with" in last.arm:
            gain = stats.paired_difference(score, "arm", between=("without", "with"))
            words += f" → {float(score.sel(arm='with').mean()):.1%} ({in_points(gain)})"
        phrases.append(words)
    diverged = "".join(f" {int(count)} of {SEEDS} runs {arm} it diverged." for arm in last.arm.values
                       if (count := last.diverged.sel(arm=arm).sum()))
    strength = TRANSFORMATIONS[state["transformation"]][1].format(amount(state))
    return (f"{state['train_size']} training images, {int(last.step)} steps, {state['transformation']} ({strength}) on "
            f"{state['probability']:.0%} of the images. Accuracy without and with augmentation, mean of {SEEDS} seeds, "
            f"and 95% interval of the difference: {'; '.join(phrases)}.{diverged}")
