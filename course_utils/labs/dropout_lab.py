"""Which units does dropout drop, and does it help?"""

import numpy as np

from course_utils import datasets, fit_many, models, plots, stats
from course_utils.formatting import in_percent, in_points, points
from course_utils.labs import controls
from course_utils.labs.base import Lab

SEEDS, DEPTH = 10, 2
SHOWN = (24, 32)      # samples and units, at most, of the mask in the figure
# How long to train, how often to validate (both in epochs), and on which data.
DATA = {"digits": (20, 1, datasets.digits), "moons": (150, 5, lambda: datasets.moons(samples=400, noise=0.3))}


class DropoutLab(Lab):
    """A mask, the curves of ten networks with dropout and without, and what dropout changed."""

    panels = 3
    stays_light = True
    controls = {
        "rate": controls.uniform("dropout rate", 0.2, high=0.9),
        "label_noise": controls.uniform("label noise", 0.3, high=0.6, unit="of the labels"),
        "width": controls.choice("units per layer", [8, 32, 64], 64),
        "data": controls.choice("data", list(DATA), "digits"),
        "train_size": controls.choice("training samples", [32, 64, 128, "all"], "all", structural=False),
        "learning_rate": controls.log_uniform("learning rate", 0.3, low=0.01, high=1.0),
    }
    try_this = (
        "Go from 64 units to 8. Does any rate still help?",
        "Lower the learning rate to 0.03. What happens to the gain, and which of the two networks has changed?",
        "Choose the moons, 32 training samples, and 10% label noise. Which network memorizes more?")

    def compute(self, state, report):
        """Train ten seeds without dropout and with it, on the same batches."""
        epochs, between, _ = DATA[state["data"]]
        split = data(state)
        grid = {"dropout": rates(state), "width": state["width"], "depth": DEPTH, "label_noise": state["label_noise"],
                "learning_rate": state["learning_rate"], "seed": range(SEEDS),
                "train_size": None if state["train_size"] == "all" else state["train_size"]}
        return fit_many(models.mlp, split, grid, epochs=epochs, evaluate_every=between * (len(split.x_train) // 32),
                        predict=plots.plane(split).reshape(-1, 2) if state["data"] == "moons" else None,
                        callback=report)

    def draw(self, axes, state, runs):
        """A mask on the left, accuracy in the middle, what dropout changed on the right."""
        left, middle, right = axes
        epochs, between, _ = DATA[state["data"]]
        epoch = between * np.arange(1, runs.sizes["step"] + 1)
        plots.picture(left, mask(state["rate"], state["width"]), vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        left.set(title="Dropped units are black", xlabel="unit", ylabel="sample of a batch")
        phrases = []
        for name, rate in zip(["without", "with"], rates(state), strict=False):
            arm, look = runs.sel(dropout=rate), plots.LOOKS[name] | {"marker": ""}
            score = plots.over_seeds(middle, epoch, arm.val_accuracy, **look, label=f"{name} dropout")
            middle.plot(epoch, arm.accuracy.mean("seed"), **look | {"linestyle": ":"})
            phrases.append(f"{name} dropout {in_percent(score)}{plots.converged(arm)[1]}")
        middle.set(title="Accuracy (dotted: training)", xlabel="epoch", xlim=(0, epochs), ylim=(0, 1.02))
        plots.label_lines(middle)
        gain = gained(state, runs)
        if state["data"] == "moons":
            split, last = data(state), runs.sel(seed=~runs.diverged.any(["dropout", "step"])).isel(step=-1)
            probability = last.probability.sel({"class": 1})
            plots.regions(right, split, probability.sel(dropout=rates(state)[-1]))
            plots.boundary(right, split, probability.sel(dropout=0.0).mean("seed"), linewidths=2.5, linestyles="--",
                           colors=plots.LOOKS["without"]["color"])
            right.set_title("Boundaries (dashed: without)" if state["rate"] else "Boundaries without dropout")
        else:
            plots.over_seeds(right, epoch, gain, color="C2", marker="", linestyle="-")
            right.axhline(0, color="0.4", linewidth=1, marker="", linestyle="-")
            right.set(title="Accuracy gained by dropout", xlabel="epoch", xlim=(0, epochs))
        return (f"Validation accuracy after {epoch[-1]} epochs, mean of {SEEDS} seeds and 95% interval: "
                f"{', '.join(phrases)}. Dropout with rate {state['rate']:g} gains "
                f"{in_points(stats.interval(gain.isel(step=-1)))}.")

    def result(self, state, runs):
        """What dropout gains."""
        return f"Dropout gains {points(gained(state, runs).isel(step=-1).mean())}"


def data(state):
    """The data of a state, as a `Split`."""
    return DATA[state["data"]][2]()


def rates(state):
    """The rates of the two arms; only one if both are 0."""
    return sorted({0.0, float(state["rate"])})


def gained(state, runs):
    """Validation accuracy with dropout minus that without, dims (seed, step)."""
    return runs.val_accuracy.sel(dropout=rates(state)[-1]) - runs.val_accuracy.sel(dropout=0.0)


def mask(rate, width):
    """Which units stay (1) and which are dropped (0), (samples, units); a higher rate drops the same ones and more."""
    return (np.random.default_rng(0).random(SHOWN) >= rate).astype(int)[:, :width]
