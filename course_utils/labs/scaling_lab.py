"""Why scale? A linear model with two features, its loss, and the path of gradient descent."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from course_utils import plots
from course_utils.experiments import descent
from course_utils.labs import controls
from course_utils.labs.base import Lab

STEPS = 1000   # of gradient descent, all of them drawn
FAR = 100      # times the loss at the start: a diverging path is drawn up to here
METHODS = {"none": StandardScaler(with_std=False), "standardize": StandardScaler(), "min-max": MinMaxScaler(),
           "whiten": PCA(whiten=True)}


class ScalingLab(Lab):
    """Stretch and turn the data, scale them, and watch gradient descent."""

    controls = {
        "stretch": controls.log_uniform("stretch of a feature", 5.0, low=1.0, high=100.0),
        "angle": controls.uniform("turn in degrees", 0.0, high=90.0, step=5.0),
        "method": controls.choice("scaling", list(METHODS), "none", structural=False),
        "learning_rate": controls.log_uniform("learning rate", 0.05, low=1e-4, high=100.0),
    }
    try_this = (
        "Increase the stretch without scaling. How high can the rate be, and how many steps does it take?",
        "Standardize, then turn the data by 45 degrees. Does standardizing still help?",
        "Whiten the data. Do the stretch and the turn still matter?")
    compiles = False
    busy = "Computing …"

    def compute(self, state, report):
        """Scaled features ``x``, targets ``y``, the ``path``, its ``loss`` (initially 1), and the ``steps`` to 1%."""
        x, y = descent.cloud(state["stretch"], state["angle"])
        x = METHODS[state["method"]].fit_transform(x)
        x -= x.mean(0)
        path = descent.descend(x, y, learning_rate=state["learning_rate"], steps=STEPS)
        with np.errstate(over="ignore", invalid="ignore"):
            loss = descent.excess_loss(x, y)(path)
        return {"x": x, "y": y, "path": path, "loss": loss / loss[0],
                "steps": descent.steps_needed(x, y, learning_rate=state["learning_rate"])}

    def draw(self, axes, state, runs):
        """Contours and path on the left, loss by step on the right."""
        left, right = axes
        x, y, loss = runs["x"], runs["y"], runs["loss"]
        plots.contours(descent.excess_loss(x, y), runs["path"][loss < FAR], descent.best_weights(x, y), ax=left,
                       title="Contours and path")
        right.plot(np.where(loss < FAR, loss, np.nan), marker="", color="C0", linestyle="-")
        right.axhline(0.01, color="C1", linewidth=1.2, linestyle="--", marker="", label="1% of the initial loss")
        right.set(title="Loss by step", xlabel="step", yscale="log", xlim=(0, STEPS), ylim=(1e-3, 10))
        right.set_xscale("symlog", linthresh=1)   # shows step 0, too
        right.legend(loc="upper right")
        limit = 2 / descent.curvatures(x)[-1]
        if state["learning_rate"] >= limit:
            found = f"the loss diverges, as it does at any rate of {limit:.3g} or more"
        elif runs["steps"] is None:
            found = "the loss would take too many steps to count"
        else:
            found = f"the loss falls to 1% of its initial value in {_steps(runs['steps'])}"
        return (f"Condition number {descent.condition_number(x):.3g} (scaling: {state['method']}). At learning rate "
                f"{state['learning_rate']:.3g}, {found}. At the best rate, {descent.balanced_rate(x):.3g}, it takes "
                f"{_steps(descent.steps_needed(x, y))}.")

    def result(self, state, runs):
        """How many steps it takes."""
        return f"{_steps(runs['steps'])} to 1% of the initial loss" if runs["steps"] else "Never reaches 1%"


def _steps(number):
    return "1 step" if number == 1 else f"{number} steps"
