"""Where does a network draw the boundary between two classes, and what do its training curves look like?"""

import numpy as np

from course_utils import datasets, fit_many, models, plots, stats
from course_utils.formatting import in_percent
from course_utils.labs import controls, own_network
from course_utils.labs.base import Lab

EPOCHS, BETWEEN, SEEDS = 120, 4, 10   # epochs, those between two validations, networks
DATA = {"moons": datasets.moons, "spirals": datasets.spirals}


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
        """Train ten seeds on one set of points, and predict all over the plane."""
        split = points(state)
        knobs = {name: value for name, value in state.items() if name not in ("data", "noise")}
        per_epoch = len(split.x_train) // state["batch_size"]
        return fit_many(models.mlp, split, {**knobs, "momentum": 0.9, "seed": range(SEEDS)}, epochs=EPOCHS,
                        evaluate_every=BETWEEN * per_epoch, predict=plots.plane(split).reshape(-1, 2), callback=report)

    def draw(self, axes, state, runs):
        """Regions and boundaries on the left, losses on the right."""
        left, right = axes
        epochs = BETWEEN * np.arange(1, runs.sizes["step"] + 1)
        converged, diverged = plots.converged(runs)
        plots.regions(left, points(state), converged.probability.isel(step=-1).sel({"class": 1}))
        left.set_title(f"Boundaries after {epochs[-1]} epochs")
        losses = own_network.training_and_validation(right, epochs, converged, "loss")
        highest = max((line.get_ydata()[-1] for line in right.lines), default=0.0)
        right.set(title=f"Loss{diverged}", xlabel="epoch", xlim=(0, 1.03 * EPOCHS),
                  ylim=(0, np.clip(1.2 * highest, 1, 10)))
        plots.label_lines(right)
        score = in_percent(stats.interval(runs.val_accuracy.isel(step=-1)))
        phrases = [f"{score}{diverged}", *losses]
        return (f"Validation accuracy after {epochs[-1]} epochs, mean of {SEEDS} seeds and 95% interval: "
                f"{'; '.join(phrases)}.")

    def result(self, state, runs):
        """The final accuracy."""
        return f"{float(runs.val_accuracy.isel(step=-1).mean()):.0%} validation accuracy"


def points(state):
    """The points of a state, as a `Split`."""
    return DATA[state["data"]](samples=400, noise=state["noise"])
