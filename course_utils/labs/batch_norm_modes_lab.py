"""The running mean follows the true mean; until it catches up, inference mode is less accurate than training mode."""

import itertools

import numpy as np
import xarray as xr
from scipy.special import softmax

from course_utils import datasets, plots, stats
from course_utils.formatting import in_percent, minus
from course_utils.labs import controls
from course_utils.labs.base import Lab
from course_utils.training import batches

SEEDS, WIDTH, LAYERS = 10, 32, 2
VALIDATIONS = 20   # during each training run
EPSILON = 1e-3   # added to the variances, as in Keras
MODES = ("inference", "training")
MEANS = ("batch_mean", "running_mean", "true_mean")   # true: of all training images
COLORS = {"inference": "C4", "training": "C2"}


class BatchNormModesLab(Lab):
    """Running and true mean of one unit, and validation accuracy in both modes, step by step."""

    controls = {
        "momentum": controls.choice("momentum", [0.0, 0.5, 0.9, 0.97, 0.99, 0.999], 0.99, structural=False),
        "batch_size": controls.choice("batch size", [2, 4, 8, 16, 32, 64, 128], 32, structural=False),
        "steps": controls.choice("steps", [20, 50, 100, 200, 400], 100, structural=False),
        "learning_rate": controls.log_uniform("learning rate", 0.1, low=0.01, high=1.0),
        "mode": controls.choice("mode", list(MODES), "inference", structural=False),
    }
    try_this = (
        "Try every momentum with batches of 32. Which running means catch up in 20 steps, and which one never does?",
        "Use batches of 2 and a momentum of 0.5. Which momentum smooths the running mean? Does the accuracy recover?",
        "Find a state in which inference mode is more accurate than training mode.")
    compiles = False

    def compute(self, state, report):
        """Train ten networks in NumPy: `fit_many` doesn't look at single units after every step."""
        settings = {name: value for name, value in state.items() if name != "mode"}
        return train(datasets.digits(), **settings, report=report)

    def draw(self, axes, state, runs):
        """Means of one unit on the left, accuracy on the right; the chosen mode bold, the other one thin and dashed."""
        left, right = axes
        left.plot(runs.step, runs.batch_mean, ".", color="0.55", markersize=4, label="of each batch")
        left.plot(runs.step, runs.true_mean, "--", color="0.2", marker="", label="of all training images")
        left.plot(runs.step, runs.running_mean, "-", color="C1", marker="", linewidth=2.5, label="running")
        left.axhline(0, color="0.8", linewidth=1, marker="", linestyle="-")   # where the running mean starts
        left.set(title="Mean of one unit", xlabel="step", ylabel="", xlim=(0, state["steps"]))
        low, high = min(runs.batch_mean.min(), 0), max(runs.batch_mean.max(), 0)
        left.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
        left.legend(loc="best", fontsize=9)
        phrases, scores = [], runs.val_accuracy.dropna("step", how="all")
        for mode in sorted(MODES, key=lambda mode: mode != state["mode"]):
            chosen = mode == state["mode"]
            accuracy = stats.interval(scores.sel(mode=mode))
            plots.band(right, accuracy.step, accuracy, linestyle="-" if chosen else "--", color=COLORS[mode],
                       marker="", linewidth=2.5 if chosen else 1.5, label=f"{mode} mode")
            phrases.append(f"{mode} mode {in_percent(accuracy.isel(step=-1))}")
        right.set(title="Validation accuracy", xlabel="step", xlim=(0, state["steps"]), ylim=(0, 1.02))
        plots.label_lines(right)
        last = runs.isel(step=-1)
        return minus(f"After {int(last.step)} steps with batches of {state['batch_size']}, the running mean of the "
                     f"unit is {last.running_mean:.2f}; its mean over all training images is {last.true_mean:.2f}. "
                     f"Validation accuracy, mean of {SEEDS} seeds and 95% interval: {', '.join(phrases)}.")

    def result(self, state, runs):
        """The accuracy in both modes."""
        last = runs.val_accuracy.dropna("step", how="all").isel(step=-1).mean("seed")
        return ", ".join(f"{float(last.sel(mode=mode)):.0%} in {mode} mode" for mode in MODES)


def train(data, *, momentum, batch_size, steps, learning_rate, report=lambda partial: False):
    """Train networks of two hidden layers, each Dense → batch norm → ReLU, with SGD.

    The arguments are the controls of the lab. `report` gets the results so far at each validation; training stops if
    it returns True.

    Returns
    -------
    xarray.Dataset
        `MEANS` by ``step``, of one unit of the first hidden layer in the first network; and ``val_accuracy`` by
        ``mode``, ``step``, and ``seed``, NaN at steps without validation.
    """
    kernels, running = start(data)
    order = [batches.indices(len(data.x_train), seed, batch_size=batch_size) for seed in range(SEEDS)]
    mean_image = data.x_train.mean(0)
    unit = np.abs(mean_image @ kernels[0][0, 0]).argmax()   # its mean is the farthest from 0
    validated = set(np.linspace(1, steps, VALIDATIONS).round())
    means, accuracy = np.full((len(MEANS), steps), np.nan), np.full((len(MODES), steps, SEEDS), np.nan)
    for step in range(1, steps + 1):
        rows = np.stack([next(stream) for stream in order])[:, None]   # one batch for each network
        statistics = update(kernels, running, data.x_train[rows], data.y_train[rows], momentum, learning_rate)
        means[:, step - 1] = [statistics[0][0, 0, 0, 0, unit], running[0][0, 0, 0, 0, unit],
                              mean_image @ kernels[0][0, 0, :, unit]]
        if step in validated:
            accuracy[:, step - 1] = [validate(kernels, running, data, mode, batch_size) for mode in MODES]
            partial = xr.Dataset(
                {name: ("step", values[:step]) for name, values in zip(MEANS, means, strict=True)}
                | {"val_accuracy": (("mode", "step", "seed"), accuracy[:, :step])},
                {"step": np.arange(1, step + 1), "mode": list(MODES), "seed": range(SEEDS)}, {"steps": steps})
            if report(partial):
                break
    return partial


# From here on, arrays are (SEEDS, batches, samples, features): `@` and broadcasting treat each batch by itself.

def start(data):
    """The kernels of all layers, (SEEDS, 1, inputs, units), and the running mean and variance of each hidden layer."""
    rng = np.random.default_rng(0)
    sizes = [data.x_train.shape[1], *[WIDTH] * LAYERS, data.classes]
    kernels = [rng.normal(0, np.sqrt(2 / inputs), (SEEDS, 1, inputs, units)).astype("float32")
               for inputs, units in itertools.pairwise(sizes)]
    zeros = np.zeros((SEEDS, 1, 1, WIDTH), "float32")
    return kernels, [np.stack([zeros, zeros + 1]) for _ in range(LAYERS)]


def forward(kernels, running, x, mode):
    """Probabilities of the classes, and for each hidden layer its mean and variance, and the normalized values.

    The batch norm has neither γ nor β.
    """
    statistics, normalized = [], []
    for kernel, averages in zip(kernels[:-1], running, strict=True):
        z = x @ kernel
        if mode == "training":
            averages = np.stack([z.mean(2, keepdims=True), z.var(2, keepdims=True)])
        mean, variance = averages
        statistics.append(averages)
        normalized.append((z - mean) / np.sqrt(variance + EPSILON))
        x = np.maximum(normalized[-1], 0)
    return softmax(x @ kernels[-1], -1), statistics, normalized


def update(kernels, running, x, y, momentum, rate):
    """One step of SGD and of the running averages, in place; returns the mean and variance of each hidden layer."""
    shares, statistics, normalized = forward(kernels, running, x, "training")
    inputs = [x, *(np.maximum(values, 0) for values in normalized)]
    error = (shares - np.eye(shares.shape[-1], dtype="float32")[y]) / y.shape[-1]
    for layer in reversed(range(LAYERS + 1)):
        slope = inputs[layer].mT @ error
        error = error @ kernels[layer].mT
        kernels[layer] -= rate * slope
        if layer > 0:   # backward through the ReLU and the batch norm in front of it
            values, (_, variance) = normalized[layer - 1], statistics[layer - 1]
            error = error * (values > 0)
            through_mean, through_variance = (part.mean(2, keepdims=True) for part in (error, error * values))
            error = (error - through_mean - values * through_variance) / np.sqrt(variance + EPSILON)
    for averages, now in zip(running, statistics, strict=True):
        averages += (1 - momentum) * (now - averages)
    return statistics


def validate(kernels, running, data, mode, batch_size):
    """Validation accuracy of each network, on batches as large as in training; a last, partial one is left out."""
    count = len(data.x_val) // batch_size
    # Also in inference mode: BLAS would distribute one large product among threads, which then wait for each other.
    x = data.x_val[:count * batch_size].reshape(1, count, batch_size, -1)
    y = data.y_val[:count * batch_size].reshape(1, count, batch_size)
    shares, *_ = forward(kernels, running, x, mode)
    return (shares.argmax(-1) == y).mean((1, 2))
