"""Which units does dropout drop, and does it help?"""

import numpy as np

from course_utils import datasets, fit_many, models, plots, stats
from course_utils.formatting import in_percent, in_points, points
from course_utils.labs import controls
from course_utils.labs.base import Lab
from course_utils.labs.playground_lab import mesh, regions

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
                "learning_rate": state["learning_rate"], "seed": range(SEEDS)}
        if state["train_size"] != "all":
            grid["train_size"] = state["train_size"]
        return fit_many(models.mlp, split, grid, epochs=epochs, evaluate_every=between * (len(split.x_train) // 32),
                        predict=mesh(split)[0] if state["data"] == "moons" else None, callback=report)

    def draw(self, axes, state, runs):
        """A mask on the left, accuracy in the middle, what dropout changed on the right."""
        left, middle, right = axes
        epochs, between, _ = DATA[state["data"]]
        epoch = between * np.arange(1, runs.sizes["step"] + 1)
        left.imshow(mask(state["rate"], state["width"]), cmap="gray", vmin=0, vmax=1, aspect="auto",
                    interpolation="nearest")
        left.set(title="Dropped units are black", xlabel="unit", ylabel="sample of a batch", xticks=[],
                 yticks=[])
        left.grid(visible=False)
        arms = dict(zip(["without", "with"], rates(state), strict=False))
        phrases = []
        for name, rate in arms.items():
            arm = runs.sel(dropout=rate)
            score = stats.interval(arm.val_accuracy)
            look = plots.LOOKS[name] | {"marker": ""}
            plots.band(middle, epoch, score, **look, label=f"{name} dropout")
            middle.plot(epoch, arm.accuracy.mean("seed"), **look | {"linestyle": ":"})
            phrases.append(f"{name} dropout {in_percent(score.isel(step=-1))}")
        middle.set(title="Accuracy (dotted: training)", xlabel="epoch", xlim=(0, epochs), ylim=(0, 1.02))
        plots.label_lines(middle)
        gain = stats.interval(runs.val_accuracy.sel(dropout=rates(state)[-1]) - runs.val_accuracy.sel(dropout=0.0))
        if state["data"] == "moons":
            _boundaries(right, state, runs, arms)
        else:
            plots.band(right, epoch, gain, color="C2", marker="", linestyle="-")
            right.axhline(0, color="0.4", linewidth=1, marker="", linestyle="-")
            right.set(title="Accuracy gained by dropout", xlabel="epoch", xlim=(0, epochs))
        diverged = "".join(f" {int(count)} of {SEEDS} runs {name} dropout diverged." for name, rate in arms.items()
                           if (count := runs.diverged.isel(step=-1).sel(dropout=rate).sum()))
        return (f"Validation accuracy after {int(epoch[-1])} epochs on {state['data']}, {state['train_size']} training "
                f"samples, {state['label_noise']:.0%} label noise, mean of {SEEDS} seeds and 95% interval: "
                f"{', '.join(phrases)}. Dropout with rate {state['rate']:g} gains {in_points(gain.isel(step=-1))}."
                f"{diverged}")

    def result(self, state, runs):
        """What dropout gains."""
        last = runs.val_accuracy.isel(step=-1)
        gain = last.sel(dropout=rates(state)[-1]) - last.sel(dropout=0.0)
        return f"Dropout gains {points(gain.mean())}"


def data(state):
    """The data of a state, as a `Split`."""
    return DATA[state["data"]][2]()


def rates(state):
    """The rates of the two arms; only one if both are 0."""
    return sorted({0.0, float(state["rate"])})


def mask(rate, width):
    """Which units stay (1) and which are dropped (0), (samples, units); a higher rate drops the same ones and more."""
    return (np.random.default_rng(0).random(SHOWN) >= rate).astype(int)[:, :width]


def _boundaries(ax, state, runs, arms):
    """Regions of the networks with dropout, and as a line the average boundary of those without."""
    split = data(state)
    last = runs.isel(step=-1)
    probability = last.probability.sel({"class": 1}).sel(seed=~last.diverged.any("dropout"))
    regions(ax, split, probability.sel(dropout=rates(state)[-1]))
    _, across, up = mesh(split)
    mean = probability.sel(dropout=0.0).mean("seed").values.reshape(len(up), len(across))   # NaN if all diverged
    if mean.min() < 0.5 < mean.max():
        ax.contour(across, up, mean, levels=[0.5], colors=plots.LOOKS["without"]["color"], linewidths=2.5,
                   linestyles="--")
    ax.set_title("Boundaries (dashed: without)" if len(arms) > 1 else "Boundaries without dropout")
