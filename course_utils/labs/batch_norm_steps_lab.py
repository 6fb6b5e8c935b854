"""What batch norm does to one feature: center, normalize, then scale and shift by γ and β."""

import numpy as np
from scipy import stats

from course_utils import batch_norm
from course_utils.formatting import minus
from course_utils.labs import controls
from course_utils.labs.base import Lab

MOST = 1024    # values of the feature; a batch consists of the first ones
MEAN = 3.0     # of the feature, in units of its spread
SHOWN = 8.0    # the right panel goes from −SHOWN to SHOWN
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
        """The batch after each step: no training, so there is nothing to report."""
        x = feature(state["shape"], state["spread"])[:state["batch_size"]]
        return steps(x, state["gamma"], state["beta"], state["epsilon"])

    def draw(self, axes, state, runs):
        """Histograms: input and centered on the left, on an axis scaled to the spread; the other steps on the right."""
        left, right = axes
        frame = (-4 * state["spread"], 8 * state["spread"])
        self._histograms(left, np.linspace(*frame, 61), {
            "input": (runs["x"], "0.65", True), "centered": (runs["centered"], "C0", False)})
        self._histograms(right, np.linspace(-SHOWN, SHOWN, 81), {
            "normalized": (runs["normalized"], "C0", False), "after γ and β": (runs["y"], "C1", True)})
        left.set(title="Subtract the mean", xlabel="value", xlim=frame)
        right.set(title="Divide; multiply by γ; add β", xlabel="value", xlim=(-SHOWN, SHOWN), xticks=range(-8, 9, 2))
        for ax in axes:
            ax.set(yticks=[], ylabel="share of the batch", ylim=(0, 1.3 * ax.get_ylim()[1]))   # space for the legend
            ax.legend(loc="upper right")
        return sentence(state, runs)

    def result(self, state, runs):
        """Mean and variance of the output."""
        return f"Output: mean {_short(runs['y'].mean())}, variance {_short(runs['y'].var())}"

    @staticmethod
    def _histograms(ax, bins, parts):
        for label, (values, color, filled) in parts.items():
            shown = np.clip(values, bins[0], bins[-1])   # values outside the frame are counted in its outermost bins
            ax.hist(shown, bins, weights=np.full(len(shown), 1 / len(shown)), color=color, label=label, linestyle="-",
                    linewidth=1.5, histtype="stepfilled" if filled else "step", alpha=0.6 if filled else 1)


def feature(shape, spread):
    """All values of a feature, in the order in which batches take them: (MOST,), always the same."""
    rng = np.random.default_rng(0)
    values = {"two humps": np.where(rng.random(MOST) < 0.5, -1, 1) * 0.9 + rng.normal(0, 0.19**0.5, MOST),
              "skewed": rng.exponential(1, MOST) - 1, "Gaussian": rng.normal(0, 1, MOST),
              "constant": np.zeros(MOST)}[shape]
    return spread * (MEAN + values)


def steps(x, gamma, beta, epsilon):
    """One feature, an array (N,), after each step of the layer: arrays ``x``, ``centered``, ``normalized``, ``y``."""
    column = x[:, None]
    normalized = batch_norm.forward(column, np.ones(1), np.zeros(1), epsilon=epsilon)[:, 0]
    y = batch_norm.forward(column, np.array([gamma]), np.array([beta]), epsilon=epsilon)[:, 0]
    return {"x": x, "centered": x - x.mean(), "normalized": normalized, "y": y}


def sentence(state, runs):
    """Mean and variance after each step, and the skewness, which changes only with the sign of γ."""
    moments = "; ".join(f"{name} {_short(runs[step].mean())} and {_short(runs[step].var())}" for step, name in {
        "x": "input", "centered": "centered", "normalized": "normalized", "y": "after γ and β"}.items())
    count = state["batch_size"]
    head = f"Mean and variance of {count} value{'s' * (count > 1)} of a feature: {moments}."
    if runs["x"].std() < 1e-9 * state["spread"]:
        return f"{head} The batch has no spread, so only β is left."
    if not state["gamma"]:
        return f"{head} γ = 0 removes everything but β."
    before, after = (_short(stats.skew(runs[step])) for step in ("x", "y"))
    return f"{head} The skewness, a measure of shape, is {before} before and {after} after."


def _short(number):
    return minus(f"{0 if abs(number) < 5e-7 else number:.3g}")
