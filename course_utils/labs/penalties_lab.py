"""A penalty on the weights: what it does to their histogram and to the accuracy."""

import numpy as np
import xarray as xr

from course_utils import datasets, fit_many, models, plots, stats
from course_utils.formatting import in_percent, in_points, points
from course_utils.labs import controls
from course_utils.labs.base import Lab

SEEDS, STEPS, BETWEEN = 10, 600, 20   # BETWEEN: steps between two validations
ARMS = ["without", "with"]   # the penalty
# For each kind: its knob in `fit_many`, its value at strength 1 (so that one range of the slider suits all), and its
# name in Keras.
KINDS = {
    "L2": ("l2", 0.1, "L2({:.2g})"),
    "L1": ("l1", 0.03, "L1({:.2g})"),
    "weight decay": ("weight_decay", 0.2, "weight_decay={:.2g}"),
    "max-norm": ("max_norm", 0.5, "MaxNorm({:.2g})"),
    "label smoothing": ("label_smoothing", 0.9, "label_smoothing={:.2g}"),
}
NONE = {"l2": 0.0, "l1": 0.0, "weight_decay": 0.0, "max_norm": np.inf, "label_smoothing": 0.0}


class PenaltiesLab(Lab):
    """Weights of the first layer, their norm, and accuracy by step, with regularization and without."""

    controls = {
        "kind": controls.choice("regularization", list(KINDS), "L2", structural=False),
        "strength": controls.log_uniform("strength", 0.1, low=1e-3, high=1.0),
        "label_noise": controls.uniform("label noise", 0.4, high=0.6, unit="of the labels"),
        "images": controls.choice("training images", [50, 100, 200, 400, 1000], 200, structural=False),
    }
    try_this = (
        "Raise the strength of L2 step by step. Where does it help most, and where does the network stop learning?",
        "Compare the histograms of L2, L1, and max-norm. Which one has a peak at zero and long tails?",
        "Set the label noise to 0 and use 1,000 images. Does any kind of regularization still help?")

    def compute(self, state, report):
        """Train ten networks with the penalty and ten without."""
        return train(datasets.digits(), **state, report=report)

    def draw(self, axes, state, runs):
        """Histograms on the left, accuracy on the right; training thin and dotted, validation thick."""
        left, right = axes
        reach = max(0.05, float(np.abs(runs.weights).max()))
        for arm in ARMS:
            weights = runs.weights.sel(arm=arm)
            norm = float(np.sqrt((weights**2).sum("weight")).mean())
            left.hist(weights.values.ravel(), bins=np.linspace(-reach, reach, 61), histtype="step",
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
        name = KINDS[state["kind"]][-1].format(amount(state["kind"], state["strength"]))
        return (f"{name}. Validation accuracy after {int(runs.step[-1])} steps, "
                f"mean of {SEEDS} seeds and 95% interval: {accuracies}; the gain is {in_points(gain)}. Of the weights "
                f"of the first layer, {small['with']:.0%} are within 0.001 of zero with regularization, "
                f"{small['without']:.0%} without it.")

    def result(self, state, runs):
        """What the regularization gains."""
        gain = runs.val_accuracy.isel(step=-1).mean("seed").diff("arm").item()
        return f"Regularization gains {points(gain)}"


def amount(kind, strength):
    """The value to pass to Keras; the bound of max-norm falls as the strength grows."""
    _, most, _ = KINDS[kind]
    return most / strength**0.5 if kind == "max-norm" else most * strength


def train(data, *, kind, strength, label_noise, images, report=lambda partial: False):
    """Train ten networks of one hidden layer by SGD with the penalty, and the same ten without it.

    The arguments are the controls of the lab. `report` gets the results so far at each validation; training stops if
    it returns True.

    Returns
    -------
    xarray.Dataset
        ``accuracy`` (of the training batches since the last validation) and ``val_accuracy``, dims (arm, seed, step);
        ``weights`` of the first kernel at the last step, dims (arm, seed, weight).
    """
    import keras

    knob, _, _ = KINDS[kind]
    # Both arms have all knobs, so that one compiled program serves every kind.
    arms = [NONE, NONE | {knob: amount(kind, strength)}]
    sgd = keras.optimizers.SGD()
    sgd.exclude_from_weight_decay(var_names=["bias"])   # as the other penalties do
    runs = fit_many(models.mlp, data, {
        "configuration": arms, "width": 64, "depth": 1, "learning_rate": 0.5, "label_noise": label_noise,
        "train_size": images, "seed": range(SEEDS)}, steps=STEPS, evaluate_every=BETWEEN, optimizer=sgd, weights=True,
        callback=lambda partial: report(by_arm(partial)))
    return by_arm(runs)


def by_arm(runs):
    """What `fit_many` returns, with names for the two arms and only the first kernel of each network."""
    kernels = np.stack([weights[0].ravel() for weights in runs.weights.values.flat])
    scores = {name: (("arm", "seed", "step"), runs[name].values) for name in ("accuracy", "val_accuracy")}
    return xr.Dataset(scores | {"weights": (("arm", "seed", "weight"), kernels.reshape(len(ARMS), SEEDS, -1))},
                      {"arm": ARMS, "seed": runs.seed, "step": runs.step}, runs.attrs)
