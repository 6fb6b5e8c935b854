"""The running mean follows the true mean; until it catches up, inference mode is less accurate than training mode."""

import numpy as np
import xarray as xr
from scipy.special import softmax

from course_utils import batch_norm, datasets, plots, stats
from course_utils.formatting import in_percent, minus
from course_utils.labs import controls
from course_utils.labs.base import Lab

SEEDS, WIDTH, LAYERS = 10, 32, 2
VALIDATIONS = 20   # during each training run
MODES = ("inference", "training")
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
        """Train ten networks in NumPy."""
        return train(datasets.digits(), momentum=state["momentum"], batch_size=state["batch_size"],
                     steps=state["steps"], learning_rate=state["learning_rate"], report=report)

    def draw(self, axes, state, runs):
        """Means of one unit on the left, accuracy on the right; the chosen mode bold, the other one thin and dashed."""
        left, right = axes
        left.plot(runs.step, runs.batch_mean, ".", color="0.55", markersize=4, label="of each batch")
        left.plot(runs.step, runs.true_mean, "--", color="0.2", marker="", label="of all training images")
        left.plot(runs.step, runs.running_mean, "-", color="C1", marker="", linewidth=2.5, label="running")
        left.set(title="Mean of one unit", xlabel="step", ylabel="", xlim=(0, state["steps"]),
                 ylim=_limits(runs.batch_mean, runs.true_mean, runs.running_mean))
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
    """Train networks of two hidden layers, each Dense → batch norm → ReLU, with SGD in NumPy.

    Parameters
    ----------
    data : Split
        Samples are vectors.
    momentum : float in [0, 1]
        Of the running averages; the training itself does not depend on it.
    batch_size, steps : int
    learning_rate : float
    report : callable
        Gets the results so far at each validation; training stops if it returns True.

    Returns
    -------
    xarray.Dataset with, after each ``step``, the mean of one unit of the first hidden layer in the first network:
    ``batch_mean``, ``running_mean``, and ``true_mean`` (of all training samples); and ``val_accuracy`` by ``mode``,
    ``step``, and ``seed``, NaN at steps without validation. In training mode, validation samples
    come in batches of the same size as in training.
    """
    net, order = start(data), batches(data, batch_size, steps)
    mean_image = data.x_train.mean(0)
    unit = np.abs(mean_image @ net["kernel"][0][0]).argmax()   # its mean is the farthest from 0
    validated = set(np.unique(np.linspace(1, steps, VALIDATIONS).round().astype(int)))
    means, accuracy = np.full((3, steps), np.nan), np.full((len(MODES), steps, SEEDS), np.nan)
    for step in range(1, steps + 1):
        rows = order[:, step - 1]
        hidden = update(net, data.x_train[rows][:, None], data.y_train[rows], momentum, learning_rate)
        means[:, step - 1] = (hidden[0]["z"][0, 0, :, unit].mean(), net["mean"][0][unit],
                              mean_image @ net["kernel"][0][0, :, unit])
        if step in validated:
            accuracy[:, step - 1] = [hits(net, data, mode, batch_size) for mode in MODES]
            partial = xr.Dataset(
                {name: ("step", values[:step]) for name, values in
                 zip(("batch_mean", "running_mean", "true_mean"), means, strict=True)}
                | {"val_accuracy": (("mode", "step", "seed"), accuracy[:, :step])},
                {"step": np.arange(1, step + 1), "mode": list(MODES), "seed": range(SEEDS)}, {"steps": steps})
            if report(partial):
                break
    return partial


def start(data):
    """Ten networks: along axis 0 in ``kernel`` and ``last``, side by side as columns of a batch in everything else."""
    rng = np.random.default_rng(0)
    inputs = [data.x_train.shape[1]] + [WIDTH] * (LAYERS - 1)
    return {"kernel": [rng.normal(0, np.sqrt(2 / n), (SEEDS, n, WIDTH)).astype("float32") for n in inputs],
            "last": rng.normal(0, np.sqrt(1 / WIDTH), (SEEDS, WIDTH, data.classes)).astype("float32"),
            "bias": np.zeros((SEEDS, 1, data.classes), "float32"),
            **{name: [np.full(SEEDS * WIDTH, value, "float32") for _ in range(LAYERS)] for name, value in
               {"gamma": 1, "beta": 0, "mean": 0, "variance": 1}.items()}}


def batches(data, batch_size, steps):
    """Which samples each network sees: (SEEDS, steps, batch_size), shuffled in every epoch."""
    rng, samples = np.random.default_rng(1), len(data.x_train)
    per_epoch = samples // batch_size
    epochs = -(-steps // per_epoch)
    order = rng.permuted(np.tile(np.arange(samples), (SEEDS, epochs, 1)), axis=2)
    return order[:, :, :per_epoch * batch_size].reshape(SEEDS, -1, batch_size)[:, :steps]


def forward(net, x, mode):
    """The values in each hidden layer: a list of dicts with ``in``, ``z`` (before batch norm), and ``y`` (after it).

    `net` is as in `start`, `x` an array (SEEDS or 1, batches, samples, features), `mode` one of `MODES`.
    """
    hidden = []
    for layer, kernel in enumerate(net["kernel"]):
        count, samples, features = x.shape[1:]
        z = (x.reshape(len(x), -1, features) @ kernel).reshape(SEEDS, count, samples, WIDTH)
        by_batch = {name: np.repeat(net[name][layer].reshape(SEEDS, 1, WIDTH), count, axis=1).ravel()
                    for name in ("gamma", "beta", "mean", "variance")}
        if mode == "training":
            y = batch_norm.forward(as_columns(z), by_batch["gamma"], by_batch["beta"])
        else:
            y = batch_norm.inference(as_columns(z), *by_batch.values())
        hidden.append({"in": x, "z": z, "y": y.reshape(samples, SEEDS, count, WIDTH).transpose(1, 2, 0, 3)})
        x = np.maximum(hidden[-1]["y"], 0)
    return hidden


def as_columns(z):
    """(seeds, batches, samples, width) → (samples, all others): each column one feature of one batch."""
    return z.transpose(2, 0, 1, 3).reshape(z.shape[2], -1)


def update(net, x, y, momentum, rate):
    """One step of SGD for all networks, on batches (SEEDS, 1, samples, features); returns what `forward` does."""
    hidden = forward(net, x, "training")
    top = np.maximum(hidden[-1]["y"][:, 0], 0)
    scores = top @ net["last"] + net["bias"]
    dout = (softmax(scores, -1) - np.eye(scores.shape[-1], dtype="float32")[y]) / x.shape[2]
    down = dout @ net["last"].transpose(0, 2, 1)
    net["last"] -= rate * top.transpose(0, 2, 1) @ dout
    net["bias"] -= rate * dout.sum(1, keepdims=True)
    for layer in reversed(range(LAYERS)):
        values = hidden[layer]
        columns = as_columns(values["z"])
        down = as_columns((down * (values["y"][:, 0] > 0))[:, None])
        dz, dgamma, dbeta = batch_norm.backward(down, columns, net["gamma"][layer])
        dz = dz.reshape(-1, SEEDS, WIDTH).transpose(1, 0, 2)
        down = dz @ net["kernel"][layer].transpose(0, 2, 1)
        net["kernel"][layer] = net["kernel"][layer] - rate * values["in"][:, 0].transpose(0, 2, 1) @ dz
        net["gamma"][layer] = net["gamma"][layer] - rate * dgamma
        net["beta"][layer] = net["beta"][layer] - rate * dbeta
        net["mean"][layer], net["variance"][layer] = batch_norm.update_running(
            net["mean"][layer], net["variance"][layer], columns, momentum=momentum)
    return hidden


def hits(net, data, mode, batch_size):
    """Validation accuracy of each network in a mode."""
    size = batch_size if mode == "training" else len(data.x_val)
    whole = len(data.x_val) // size * size
    x = data.x_val[:whole].reshape(1, -1, size, data.x_val.shape[1])
    top = np.maximum(forward(net, x, mode)[-1]["y"], 0)
    answers = (top.reshape(SEEDS, whole, WIDTH) @ net["last"] + net["bias"]).argmax(-1)
    return (answers == data.y_val[:whole]).mean(1)


def _limits(*lines):
    """Limits of an axis that include all lines, 0, and a margin."""
    values = np.concatenate([line.values for line in lines] + [[0.0]])
    margin = 0.1 * (np.ptp(values) or 1)
    return values.min() - margin, values.max() + margin
