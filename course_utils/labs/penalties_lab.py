"""A penalty on the weights: what it does to their histogram and to the accuracy."""

import numpy as np
import xarray as xr
from scipy.special import softmax

from course_utils import datasets, plots, stats
from course_utils.formatting import in_percent, in_points, points
from course_utils.labs import controls
from course_utils.labs.base import Lab
from course_utils.training import batches

SEEDS, WIDTH, BATCH = 10, 64, 32
STEPS, VALIDATIONS = 600, 30
LEARNING_RATE = 0.5
ARMS = ["without", "with"]   # the penalty
# The meaning of strength 1 on the slider for each kind, so that one range of the slider suits all.
UNITS = {"L2": 0.1, "L1": 0.03, "weight decay": 0.2, "max-norm": 1.0, "label smoothing": 0.9}


class PenaltiesLab(Lab):
    """Weights of the first layer, their norm, and accuracy by step, with regularization and without."""

    controls = {
        "kind": controls.choice("regularization", list(UNITS), "L2", structural=False),
        "strength": controls.log_uniform("strength", 0.1, low=1e-3, high=1.0),
        "label_noise": controls.uniform("label noise", 0.4, high=0.6, unit="of the labels"),
        "images": controls.choice("training images", [50, 100, 200, 400, 1000], 200, structural=False),
    }
    try_this = (
        "Raise the strength of L2 step by step. Where does it help most, and where does the network stop learning?",
        "Compare the histograms of L2, L1, and max-norm. Which one has a peak at zero and long tails?",
        "Set the label noise to 0 and use 1,000 images. Does any kind of regularization still help?")
    compiles = False

    def compute(self, state, report):
        """Train ten networks with the penalty and ten without, in NumPy."""
        return train(datasets.digits(), kind=state["kind"], strength=state["strength"],
                     label_noise=state["label_noise"], images=state["images"], report=report)

    def draw(self, axes, state, runs):
        """Histograms on the left, accuracy on the right; training thin and dotted, validation thick."""
        left, right = axes
        reach = max(0.05, float(np.abs(runs.weights).max()))
        for arm in ARMS:
            norm = float(runs.norm.sel(arm=arm).isel(step=-1).mean())
            left.hist(runs.weights.sel(arm=arm).values.ravel(), bins=np.linspace(-reach, reach, 61), histtype="step",
                      color=plots.LOOKS[arm]["color"], linestyle=plots.LOOKS[arm]["linestyle"], linewidth=2,
                      label=f"{arm}: norm {norm:.1f}")
            for part, look in (("accuracy", {"linestyle": ":", "linewidth": 1.5}),
                               ("val_accuracy", {"linewidth": 2.5, "label": f"{arm} regularization"})):
                plots.band(right, runs.step, stats.interval(runs[part].sel(arm=arm)),
                           **plots.LOOKS[arm] | {"marker": ""} | look)
        left.set(title="Weights of the first layer", xlabel="weight", ylabel="", yscale="log",
                 ylim=(0.7, 3e6))   # space for the legend
        left.legend(loc="upper right")
        right.set(title="Accuracy (dotted: training)", xlabel="step", xlim=(0, STEPS), ylim=(0, 1.02))
        plots.label_lines(right)
        last = runs.val_accuracy.isel(step=-1)
        gain = stats.paired_difference(last, "arm", between=ARMS)
        accuracies = ", ".join(f"{arm} it {in_percent(stats.interval(last.sel(arm=arm)))}" for arm in ARMS)
        small = {arm: float((abs(runs.weights.sel(arm=arm)) < 1e-3).mean()) for arm in ARMS}
        return (f"{called(state['kind'], state['strength'])}. Validation accuracy after {int(runs.step[-1])} steps, "
                f"mean of {SEEDS} seeds and 95% interval: {accuracies}; the gain is {in_points(gain)}. Of the weights "
                f"of the first layer, {small['with']:.0%} are within 0.001 of zero with regularization, "
                f"{small['without']:.0%} without it.")

    def result(self, state, runs):
        """What the regularization gains."""
        gain = runs.val_accuracy.isel(step=-1).mean("seed").diff("arm").item()
        return f"Regularization gains {points(gain)}"


def called(kind, strength):
    """The penalty in Keras's words, with its value."""
    value = amount(kind, strength)
    return {"L2": f"L2({value:.2g})", "L1": f"L1({value:.2g})", "weight decay": f"weight_decay={value:.2g}",
            "max-norm": f"MaxNorm({value:.2g})", "label smoothing": f"label_smoothing={value:.2g}"}[kind]


def amount(kind, strength):
    """The value to pass to Keras; the bound of max-norm falls as the strength grows."""
    return 0.5 * UNITS[kind] / strength**0.5 if kind == "max-norm" else UNITS[kind] * strength


def train(data, *, kind, strength, label_noise, images, report=lambda partial: False):
    """Train networks of one hidden layer of ReLU units by SGD, each with the penalty and without.

    Parameters
    ----------
    data : Split
        Samples are vectors.
    kind : str
        One of `UNITS`.
    strength : float in (0, 1]
    label_noise : float in [0, 1]
    images : int
        Another subset for each seed.
    report : callable
        Gets the results so far at each validation; training stops if it returns True.

    Returns
    -------
    xarray.Dataset, dims (arm, step, seed)
        ``accuracy`` on the training batches since the last validation, incorrect labels included;
        ``val_accuracy``; ``norm`` of the first kernel; and ``weights`` (arm, seed, weight), those of
        the first kernel at the last step.
    """
    net = start(data)
    targets = np.stack([np.eye(data.classes, dtype="float32")[batches.noisy_labels(
        data.y_train, seed, label_noise, data.classes)] for seed in range(SEEDS)])
    order = [batches.indices(len(data.x_train), seed, batch_size=BATCH, train_size=images) for seed in range(SEEDS)]
    every, rows_of = STEPS // VALIDATIONS, np.arange(SEEDS)[:, None]
    scores = {"accuracy": [], "val_accuracy": [], "norm": []}
    # Small matrix products: BLAS distributes large ones among threads, which then wait for each other.
    parts = np.array_split(data.x_val, -(-len(data.x_val) // BATCH))
    for validation in range(1, VALIDATIONS + 1):
        hits = 0
        for _ in range(every):
            rows = np.stack([next(stream) for stream in order])
            hits = hits + update(net, data.x_train[rows], targets[rows_of, rows], kind, amount(kind, strength)) / every
        scores["accuracy"].append(hits)
        answers = np.concatenate([forward(net, part)[1].argmax(-1) for part in parts], -1)
        scores["val_accuracy"].append((answers == data.y_val).mean(-1))
        scores["norm"].append(np.sqrt((net["first"]**2).sum((2, 3))))
        partial = xr.Dataset(
            {name: (("step", "arm", "seed"), np.array(values)) for name, values in scores.items()}
            | {"weights": (("arm", "seed", "weight"), net["first"].reshape(2, SEEDS, -1).copy())},
            {"step": every * np.arange(1, validation + 1), "arm": ARMS, "seed": range(SEEDS)}, {"steps": STEPS})
        if report(partial):
            break
    return partial


def start(data):
    """The same ten networks for both arms: kernels (2, SEEDS, inputs, units) and biases (2, SEEDS, 1, units)."""
    rngs = [np.random.default_rng(seed) for seed in range(SEEDS)]
    inputs = data.x_train.shape[1]
    sizes = {"first": (inputs, WIDTH, np.sqrt(2 / inputs)), "last": (WIDTH, data.classes, np.sqrt(1 / WIDTH))}
    kernels = {name: np.stack([rng.normal(0, sd, (before, after)) for rng in rngs])
               for name, (before, after, sd) in sizes.items()}
    return {name: np.stack([kernel, kernel]).astype("float32") for name, kernel in kernels.items()} | {
        "first_bias": np.zeros((2, SEEDS, 1, WIDTH), "float32"),
        "last_bias": np.zeros((2, SEEDS, 1, data.classes), "float32")}


def forward(net, x):
    """Hidden units and shares of the classes, (2, SEEDS, samples, …), of images (SEEDS or nothing, samples, inputs)."""
    hidden = np.maximum(x @ net["first"] + net["first_bias"], 0)
    return hidden, softmax(hidden @ net["last"] + net["last_bias"], -1)


def update(net, x, targets, kind, value):
    """One step of SGD, in place; the second arm has the penalty. Returns the accuracy before it, (2, SEEDS)."""
    hidden, shares = forward(net, x)
    arm_targets = np.stack([targets, targets])
    if kind == "label smoothing":
        arm_targets[1] = arm_targets[1] * (1 - value) + value / targets.shape[-1]
    dout = (shares - arm_targets) / x.shape[1]
    dhidden = (dout @ net["last"].swapaxes(-1, -2)) * (hidden > 0)
    slopes = {"first": x.swapaxes(-1, -2) @ dhidden, "last": hidden.swapaxes(-1, -2) @ dout,
              "first_bias": dhidden.sum(2, keepdims=True), "last_bias": dout.sum(2, keepdims=True)}
    for name in ("first", "last"):   # not the biases
        kernel = net[name][1]
        if kind == "L2":
            slopes[name][1] += 2 * value * kernel
        elif kind == "L1":
            slopes[name][1] += value * np.sign(kernel)
        elif kind == "weight decay":
            kernel *= 1 - LEARNING_RATE * value
    for name, slope in slopes.items():
        net[name] -= LEARNING_RATE * slope
    if kind == "max-norm":
        for name in ("first", "last"):
            norms = np.sqrt((net[name][1]**2).sum(1, keepdims=True))
            net[name][1] *= np.minimum(1, value / (norms + 1e-7))
    return (shares.argmax(-1) == targets.argmax(-1)).mean(-1)
