"""Where does a network draw the boundary between two classes, and what do its training curves look like?"""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from course_utils import datasets, fit_many, models, plots, stats
from course_utils.formatting import in_percent
from course_utils.labs import controls, own_network
from course_utils.labs.base import Lab

EPOCHS = 120
BETWEEN = 4    # epochs from one validation to the next
SEEDS = 10
SAMPLES = 400
GRID = 40      # points of the mesh along each axis
DATA = {"moons": datasets.moons, "spirals": datasets.spirals}
REGIONS = LinearSegmentedColormap.from_list("regions", ["#0072B2", "#FFFFFF", "#D55E00"])


class PlaygroundLab(Lab):
    """Decision boundaries of ten networks, and their training and validation loss.

    With `build_model` and `data`, it opens `own_network.own_network` instead, for your own network.
    """

    controls = {
        "data": controls.choice("data", list(DATA), "moons", structural=False),
        "noise": controls.uniform("noise in the data", 0.2, high=0.5),
        "learning_rate": controls.log_uniform("learning rate", 0.1, low=1e-3, high=10.0),
        "batch_size": controls.choice("batch size", [4, 16, 64], 16),
        **own_network.MODEL,
    }
    try_this = (
        "Raise the learning rate step by step. Which becomes erratic first, the boundaries or the curves?",
        "Set the rate back to 0.1 and reduce the units per layer. How few can still separate the spirals?",
        "Choose the moons with noise 0.5, 32 units, and four layers. What do the two losses do?")

    def __new__(cls, *, build_model=None, **state):
        if build_model is None:
            return super().__new__(cls)
        return own_network.own_network(build_model, **state)

    def compute(self, state, report):
        """Train ten seeds on one set of points, and predict on a mesh over the plane."""
        split = points(state)
        knobs = {name: value for name, value in state.items() if name not in ("data", "noise")}
        per_epoch = len(split.x_train) // state["batch_size"]
        return fit_many(models.mlp, split, {**knobs, "momentum": 0.9, "seed": range(SEEDS)}, epochs=EPOCHS,
                        evaluate_every=BETWEEN * per_epoch, predict=mesh(split)[0], callback=report)

    def draw(self, axes, state, runs):
        """Regions and boundaries on the left, losses on the right."""
        left, right = axes
        runs = runs.assign_coords(epoch=("step", BETWEEN * np.arange(1, runs.sizes["step"] + 1)))
        runs = runs.swap_dims(step="epoch")
        converged = ~runs.diverged.isel(epoch=-1, drop=True)
        diverged = int((~converged).sum())
        regions(left, points(state), runs.probability.isel(epoch=-1).sel({"seed": converged, "class": 1}))
        losses = {}
        for name, label in (("loss", "training"), ("val_loss", "validation")):
            if converged.sum() > 1:
                loss = stats.interval(runs[name].sel(seed=converged))
                plots.band(right, runs.epoch, loss, label=label, **plots.LOOKS[label])
                losses[label] = loss.isel(epoch=-1)
        if not losses:
            right.text(0.5, 0.5, _diverged(diverged), ha="center", transform=right.transAxes)
        epochs = int(runs.epoch[-1])
        highest = max((float(loss["mean"]) for loss in losses.values()), default=0.0)
        left.set_title(f"Boundaries after {epochs} epochs")
        right.set(title=f"Loss ({_diverged(diverged)})" if diverged and losses else "Loss", xlabel="epoch",
                  xlim=(0, 1.03 * EPOCHS), ylim=(0, np.clip(1.2 * highest, 1, 10)))
        plots.label_lines(right)
        score = stats.interval(runs.val_accuracy.isel(epoch=-1))
        phrases = [f"Validation accuracy after {epochs} epochs on {state['data']} at learning rate "
                   f"{state['learning_rate']:.3g}, mean of {SEEDS} seeds and 95% interval: {in_percent(score)}",
                   *[f"{label} loss {loss['mean']:.2f} [{loss['low']:.2f}, {loss['high']:.2f}]"
                     for label, loss in losses.items()], *([_diverged(diverged)] if diverged else [])]
        return "; ".join(phrases) + "."

    def result(self, state, runs):
        """The final accuracy."""
        return f"{float(runs.val_accuracy.isel(step=-1).mean()):.0%} validation accuracy"


def points(state):
    """The points of a state, as a `Split`."""
    return DATA[state["data"]](samples=SAMPLES, noise=state["noise"])


def mesh(split):
    """Points all over the plane, (GRID², 2), and the coordinates of their columns and rows."""
    low, high = split.x_train.min(0) - 0.2, split.x_train.max(0) + 0.2
    across, up = (np.linspace(low[axis], high[axis], GRID, dtype="float32") for axis in (0, 1))
    return np.stack(np.meshgrid(across, up), -1).reshape(-1, 2), across, up


def regions(ax, split, probability):
    """Mean probability as color, each network's boundary as a line, the training points on top.

    Parameters
    ----------
    ax : matplotlib axes
    split : Split
        Of points in the plane, two classes.
    probability : xarray.DataArray, dims (seed, point)
        Of the second class, at the points of `mesh`.
    """
    _, across, up = mesh(split)
    maps = probability.transpose("seed", "point").values.reshape(-1, GRID, GRID)
    if len(maps):
        ax.contourf(across, up, maps.mean(0), levels=np.linspace(0, 1, 11), cmap=REGIONS, alpha=0.5)
    for seed_map in maps:
        if seed_map.min() < 0.5 < seed_map.max():
            ax.contour(across, up, seed_map, levels=[0.5], colors="0.25", linewidths=0.7)
    for label, (color, marker) in enumerate([("#0072B2", "o"), ("#D55E00", "s")]):
        chosen = split.x_train[split.y_train == label]
        ax.scatter(*chosen.T, s=13, c=color, marker=marker, edgecolors="white", linewidths=0.4, zorder=3)
    ax.set(xlim=(across[0], across[-1]), ylim=(up[0], up[-1]), xticks=[], yticks=[])
    ax.grid(visible=False)


def _diverged(count):
    return f"all {SEEDS} runs diverged" if count == SEEDS else f"{count} of {SEEDS} runs diverged"
