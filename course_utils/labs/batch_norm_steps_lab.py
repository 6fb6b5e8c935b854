"""What batch norm does to one feature: center, normalize, then scale and shift by γ and β."""

import numpy as np
from scipy import stats

from course_utils import batch_norm
from course_utils.formatting import minus
from course_utils.labs import controls
from course_utils.labs.base import Lab

MOST, MEAN = 1024, 3.0   # values of the feature, of which a batch takes the first ones; their mean in units of spread
SHAPES = ["two humps", "skewed", "Gaussian", "constant"]


class BatchNormStepsLab(Lab):
    """One feature of a batch, step by step through the layer."""

    controls = {
        "shape": controls.choice("shape of the feature", SHAPES, "skewed", structural=False),
        "spread": controls.log_uniform("spread of the feature", 1.0, low=0.001, high=10.0),
        "batch_size": controls.choice("batch size", [1, 4, 16, 64, 256, MOST], 256, structural=False),
        "epsilon": controls.log_uniform("ε", 0.001, low=1e-6, high=1.0, steps_per_decade=4),
        "gamma": controls.uniform("γ", 1.0, low=-2.0, high=3.0, step=0.1),
        "beta": controls.uniform("β", 0.0, low=-3.0, high=3.0, step=0.1),
    }
    try_this = (
        "Change γ and β, and try every shape. What can the layer change, and what can't it?",
        "Reduce the spread. When does the variance drop below 1, and which control fixes that?",
        "Reduce the batch size to 1. What is left of the feature?")
    compiles = False
    busy = "Computing …"

    def compute(self, state, report):
        """The batch (batch_size,) after each step: no training, so there is nothing to report."""
        x = feature(state["shape"], state["spread"])[:state["batch_size"]]
        normalized = batch_norm.forward(x[:, None], np.ones(1), np.zeros(1), epsilon=state["epsilon"])[:, 0]
        return {"input": x, "centered": x - x.mean(), "normalized": normalized,
                "after γ and β": state["gamma"] * normalized + state["beta"]}

    def draw(self, axes, state, runs):
        """Histograms: input and centered on the left, on an axis scaled to the spread; the other steps on the right."""
        left, right = axes
        frame = (-4 * state["spread"], 8 * state["spread"])
        histogram(left, np.linspace(*frame, 61), runs, "input", color="0.65", alpha=0.6, histtype="stepfilled")
        histogram(left, np.linspace(*frame, 61), runs, "centered", color="C0")
        histogram(right, np.linspace(-8, 8, 81), runs, "normalized", color="C0")
        histogram(right, np.linspace(-8, 8, 81), runs, "after γ and β", color="C1", alpha=0.6, histtype="stepfilled")
        left.set(title="Subtract the mean", xlabel="value", xlim=frame)
        right.set(title="Divide; multiply by γ; add β", xlabel="value", xlim=(-8, 8), xticks=range(-8, 9, 2))
        for ax in axes:
            ax.set(yticks=[], ylabel="share of the batch", ylim=(0, 1.3 * ax.get_ylim()[1]))   # space for the legend
            ax.legend(loc="upper right")
        count, y = state["batch_size"], runs["after γ and β"]
        moments = "; ".join(f"{step} {_short(values.mean())} and {_short(values.var())}"
                            for step, values in runs.items())
        shape = "Only β is left of the feature."
        if y.std() > 1e-9:
            shape = (f"The skewness, a measure of shape, is {_short(stats.skew(runs['input']))} before and "
                     f"{_short(stats.skew(y))} after.")
        return f"Mean and variance of {count} value{'s' * (count > 1)}: {moments}. {shape}"

    def result(self, state, runs):
        """Mean and variance of the output."""
        y = runs["after γ and β"]
        return f"Output: mean {_short(y.mean())}, variance {_short(y.var())}"


def histogram(ax, bins, runs, step, **look):
    """Shares of the values after a step in each bin; values outside the bins are counted in the outermost ones."""
    values = np.clip(runs[step], bins[0], bins[-1])
    ax.hist(values, bins, weights=np.full(len(values), 1 / len(values)), label=step, linestyle="-", linewidth=1.5,
            **{"histtype": "step"} | look)


def feature(shape, spread):
    """All values of a feature, in the order in which batches take them: (MOST,), always the same."""
    rng = np.random.default_rng(0)
    values = {"two humps": np.where(rng.random(MOST) < 0.5, -1, 1) * 0.9 + rng.normal(0, 0.19**0.5, MOST),
              "skewed": rng.exponential(1, MOST) - 1, "Gaussian": rng.normal(0, 1, MOST),
              "constant": np.zeros(MOST)}[shape]
    return spread * (MEAN + values)


def _short(number):
    return minus(f"{0 if abs(number) < 5e-7 else number:.3g}")
