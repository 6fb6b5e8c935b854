"""Why scale? A linear model with two features, its loss, and the path of gradient descent."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from course_utils import plots
from course_utils.experiments import descent
from course_utils.labs import controls
from course_utils.labs.base import Lab

SAMPLES = 200
STEPS = 1000   # of gradient descent, all of them drawn
FAR = 100      # times the loss at the start: a diverging path is drawn up to here
METHODS = {"none": None, "standardize": StandardScaler(), "min-max": MinMaxScaler(), "whiten": PCA(whiten=True)}
PARTICIPLES = {"none": "Not scaled", "standardize": "Standardized", "min-max": "Min–max scaled", "whiten": "Whitened"}


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
        x, y = cloud(state["stretch"], state["angle"])
        x = scaled(x, state["method"])
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
        shown = np.where(loss < FAR, loss, np.nan)
        right.plot(shown, marker="", color="C0", linestyle="-")
        right.axhline(0.01, color="C1", linewidth=1.2, linestyle="--", marker="", label="1% of the initial loss")
        right.set(title="Loss by step", xlabel="step", yscale="log", xlim=(0, STEPS), ylim=(1e-3, 10))
        right.set_xscale("symlog", linthresh=1)   # shows step 0, too
        right.legend(loc="upper right")
        return self._sentence(state, runs)

    def result(self, state, runs):
        """How many steps it takes."""
        return f"{_steps(runs['steps'])} to 1% of the initial loss" if runs["steps"] else "Never reaches 1%"

    @staticmethod
    def _sentence(state, runs):
        x, y = runs["x"], runs["y"]
        rate, limit = state["learning_rate"], 2 / descent.curvatures(x)[-1]
        if runs["steps"] is not None:
            result = f"the loss falls to 1% of its initial value in {_steps(runs['steps'])}"
        elif rate >= limit:
            result = f"the loss diverges, as it does at any rate of {limit:.3g} or more"
        else:
            result = "the loss would take too many steps to count"
        return (f"{PARTICIPLES[state['method']]}: condition number {descent.condition_number(x):.3g}. At learning rate "
                f"{rate:.3g}, {result}. At the best rate, {descent.balanced_rate(x):.3g}, it takes "
                f"{_steps(descent.steps_needed(x, y))}.")


def cloud(stretch, angle):
    """Two features with mean 0, stretched along the first and then turned, and what to predict from them.

    Parameters
    ----------
    stretch : float
        Standard deviation of the first feature before the turn; that of the second is 1.
    angle : float
        Degrees.

    Returns
    -------
    x : array (SAMPLES, 2)
    y : array (SAMPLES,)
        The sum of the features before both, the same for every stretch and angle.
    """
    white = PCA(whiten=True).fit_transform(np.random.default_rng(0).normal(size=(SAMPLES, 2)))
    white /= white.std(0)
    sine, cosine = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    x = white * [stretch, 1] @ np.array([[cosine, sine], [-sine, cosine]])
    return x, white.sum(1)


def scaled(x, method):
    """The features scaled by a method, and centered."""
    x = METHODS[method].fit_transform(x) if METHODS[method] else x
    return x - x.mean(0)


def _steps(number):
    return "1 step" if number == 1 else f"{number} steps"
