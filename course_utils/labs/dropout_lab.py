"""Which units does a batch see, and does their absence pay?"""

import dataclasses

import numpy as np

from course_utils import datasets, fit_many, models, plots, stats
from course_utils.formatting import in_percent, in_points
from course_utils.labs import controls
from course_utils.labs.base import Lab
from course_utils.labs.playground_lab import mesh, regions

SEEDS, DEPTH = 10, 2
SHOWN = (24, 32)      # samples and units, at most, of the mask on show
# How long to train, how often to validate (both in epochs), which data.
DATA = {"digits": (20, 1, datasets.digits), "moons": (150, 5, lambda: datasets.moons(samples=400, noise=0.3))}
COLORS = {"without": "C1", "with": "C0"}
MARKERS = {"without": {"marker": "s", "markevery": 0.2}, "with": {"marker": "o", "markevery": 0.2}}


class DropoutLab(Lab):
    """A mask, the curves of ten networks with dropout and without, and what dropout changed."""

    panels = 3
    controls = {
        "rate": controls.uniform("dropout rate", 0.2, high=0.9),
        "label_noise": controls.uniform("wrong labels", 0.3, high=0.6, unit="of the labels"),
        "width": controls.choice("units per layer", [8, 32, 64], 64),
        "data": dataclasses.replace(controls.choice("data", list(DATA), "digits"), structural=True),
        "train_size": controls.choice("training samples", [32, 64, 128, "all"], "all", structural=False),
        "learning_rate": controls.log_uniform("learning rate", 0.3, low=0.01, high=1.0),
    }

    def compute(self, state, report):
        """Train ten seeds without dropout and with it, on the same batches."""
        epochs, between, _ = DATA[state["data"]]
        split = data(state)
        grid = {"dropout": rates(state), "width": state["width"], "depth": DEPTH, "label_noise": state["label_noise"],
                "learning_rate": state["learning_rate"], "seed": range(SEEDS)}
        if state["train_size"] != "all":
            grid["train_size"] = state["train_size"]
        return fit_many(models.mlp, split, grid, epochs=epochs, evaluate_every=between * (len(split.x_train) // 32),
                        predict=mesh(split)[0] if state["data"] == "moons" else None, callback=report)

    def draw(self, axes, state, runs):
        """A mask left, accuracy in the middle, what dropout changed right."""
        left, middle, right = axes
        _, between, _ = DATA[state["data"]]
        epoch = between * np.arange(1, runs.sizes["step"] + 1)
        left.imshow(mask(state["rate"], state["width"]), cmap="gray", vmin=0, vmax=1, aspect="auto",
                    interpolation="nearest")
        left.set(title="A mask: dropped units are black", xlabel="unit", ylabel="sample of a batch", xticks=[],
                 yticks=[])
        left.grid(visible=False)
        arms = dict(zip(["without", "with"], rates(state), strict=False))
        told, lost = [], runs.diverged.isel(step=-1)
        for name, rate in arms.items():
            arm = runs.sel(dropout=rate)
            score = stats.interval(arm.val_accuracy)
            plots.band(middle, epoch, score, color=COLORS[name], linestyle="-", **MARKERS[name],
                       label=f"{name} dropout, validation")
            middle.plot(epoch, arm.accuracy.mean("seed"), ":", color=COLORS[name], **MARKERS[name],
                        label=f"{name} dropout, training")
            told.append(f"{name} dropout {in_percent(score.isel(step=-1))}")
        middle.set(title="Accuracy", xlabel="epoch", xlim=(0, epochs(state)), ylim=(0, 1.02))
        middle.legend(loc="lower right", fontsize=9)
        gain = stats.interval(runs.val_accuracy.sel(dropout=rates(state)[-1]) - runs.val_accuracy.sel(dropout=0.0))
        if state["data"] == "moons":
            _boundaries(right, state, runs, arms)
        else:
            plots.band(right, epoch, gain, color="C2", marker="", linestyle="-")
            right.axhline(0, color="0.4", linewidth=1, marker="", linestyle="-")
            right.set(title="Accuracy gained by dropout", xlabel="epoch", xlim=(0, epochs(state)))
        samples = "all" if state["train_size"] == "all" else state["train_size"]
        counted = "".join(f" {int(count)} of {SEEDS} runs {name} dropout diverged." for name, rate in arms.items()
                          if (count := lost.sel(dropout=rate).sum()))
        return (f"Validation accuracy after {int(epoch[-1])} epochs on {state['data']}, {samples} training samples, "
                f"{state['label_noise']:.0%} of the labels wrong, mean and 95 % interval over {SEEDS} seeds: "
                f"{', '.join(told)}. Gained by a rate of {state['rate']:g}: {in_points(gain.isel(step=-1))}.{counted}")


def data(state):
    """The data of a state, as a `Split`."""
    return DATA[state["data"]][2]()


def epochs(state):
    """Epochs that a state trains."""
    return DATA[state["data"]][0]


def rates(state):
    """The rates of the two arms; one rate where the other one is 0 too."""
    return sorted({0.0, float(state["rate"])})


def mask(rate, width):
    """Which units stay (1) and which are dropped (0), (samples, units); what a rate drops, every higher one does."""
    return (np.random.default_rng(0).random(SHOWN) >= rate).astype(int)[:, :width]


def _boundaries(ax, state, runs, arms):
    """Regions of the networks with dropout, and a line where those without would draw the boundary, on average."""
    split = data(state)
    last = runs.isel(step=-1)
    one = last.probability.sel({"class": 1}).sel(seed=~last.diverged.any("dropout"))
    regions(ax, split, one.sel(dropout=rates(state)[-1]))
    _, across, up = mesh(split)
    mean = one.sel(dropout=0.0).mean("seed").values.reshape(len(up), len(across))   # NaN if all diverged
    if mean.min() < 0.5 < mean.max():
        ax.contour(across, up, mean, levels=[0.5], colors=COLORS["without"], linewidths=2.5, linestyles="--")
    ax.set_title("Boundaries (dashed: without)" if len(arms) > 1 else "Boundaries without dropout")
