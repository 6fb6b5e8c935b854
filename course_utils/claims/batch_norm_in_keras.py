"""Claims about using batch normalization in Keras, tried in lecture 06."""

import xarray as xr

from course_utils import fit_many, models
from course_utils.claims import A_POINT, IOFFE, SLIP, Claim
from course_utils.experiments.tuning import TUNING_SEEDS, at_best

NORMS = ["plain", "batch", "layer"]
SIZES = [2, 32]
STEPS = 500   # the same number of updates at every batch size


def network(norm="batch", *, depth=2, width=64, momentum=0.97):
    """A multilayer perceptron with one kind of normalization before each activation.

    Parameters
    ----------
    norm : {"plain", "batch", "layer", "rms", "group"}
        "group" has eight groups.
    depth, width, momentum
        As in `models.mlp`.

    Returns
    -------
    keras.Sequential for 64 inputs and ten classes, not compiled.
    """
    import keras
    from keras import layers

    kinds = {"batch": lambda: [layers.BatchNormalization(momentum=momentum)],
             "layer": lambda: [layers.LayerNormalization()], "rms": lambda: [layers.RMSNormalization()],
             "group": lambda: [layers.GroupNormalization(groups=8)], "plain": list}
    stack = [keras.Input((64,))]
    for _ in range(depth):
        stack += [layers.Dense(width, use_bias=norm != "batch", kernel_initializer="he_normal"), *kinds[norm](),
                  layers.Activation("relu")]
    return keras.Sequential([*stack, layers.Dense(10, activation="softmax")])


def position(task, seeds):
    """Batch norm before and after the activation, in ReLU networks of three hidden layers."""
    return at_best("learning_rate", fit_many(models.mlp, task(0), {
        "batch_norm": True, "momentum": 0.9, "norm_position": ["before", "after"],
        "learning_rate": [0.03, 0.1, 0.3], "seed": [*TUNING_SEEDS, *seeds]}, epochs=8))


def gained_behind(runs):
    """Final validation accuracy: after the activation minus before it, per seed."""
    final = runs.val_accuracy.isel(epoch=-1).drop_vars("learning_rate")
    return final.sel(norm_position="after", drop=True) - final.sel(norm_position="before", drop=True)


def tiny_batches(task, seeds):
    """Batches of 2 and of 32, as many updates with each, without normalization and with two kinds of it."""
    data, arms = task(0), []
    for size in SIZES:
        epochs = -(-STEPS // (len(data.x_train) // size))
        runs = fit_many(network, data, {
            "norm": NORMS, "batch_size": size, "learning_rate": [0.01, 0.03, 0.1, 0.3],
            "seed": [*TUNING_SEEDS, *seeds]}, epochs=epochs, evaluate_every=STEPS).isel(step=0)
        arms.append(at_best("learning_rate", runs, score=runs.val_accuracy))
    return xr.concat(arms, xr.Variable("batch_size", SIZES), coords="minimal", compat="override")


def kept_at_two(runs):
    """Accuracy with batches of 2 minus with 32: batch norm minus no normalization, per seed."""
    change = runs.val_accuracy.sel(batch_size=2, drop=True) - runs.val_accuracy.sel(batch_size=32, drop=True)
    return change.sel(norm="batch", drop=True) - change.sel(norm="plain", drop=True)


# The first pilot had narrower, deeper networks. Dropout at this rate hurt them, so nothing had to replace it.
def wrong_labels(task, seeds):
    """30 % of the training labels are wrong; batch norm, dropout at rate 0.5, both, or neither."""
    return at_best("learning_rate", fit_many(models.mlp, task(0), {
        "batch_norm": [False, True], "momentum": 0.9, "dropout": [0.0, 0.5], "label_noise": 0.3,
        "depth": 2, "width": 128, "learning_rate": [0.01, 0.03, 0.1], "seed": [*TUNING_SEEDS, *seeds]}, epochs=20))


def instead_of_dropout(runs):
    """Final validation accuracy: batch norm alone minus dropout alone, per seed."""
    final = runs.val_accuracy.isel(epoch=-1).drop_vars("learning_rate")
    return (final.sel(batch_norm=True, dropout=0.0, drop=True)
            - final.sel(batch_norm=False, dropout=0.5, drop=True))


CLAIMS = [
    Claim("bnk-after", "Put batch norm after the activation.", "common advice, as in Keras issue 1802 (2016)", "06",
          "accuracy gained by moving it from before the ReLU to after it, each at its best rate",
          position, gained_behind, threshold=A_POINT, neutral=0.0, smallest_effect=0.01, pilot_sd=0.007),
    Claim("bnk-any-batch", "Batch norm works with any batch size.", SLIP, "06",
          "accuracy gained by batches of 2 instead of 32 at equal updates, beyond what no normalization gains",
          tiny_batches, kept_at_two, threshold=-A_POINT, neutral=None, smallest_effect=0.05, pilot_sd=0.055),
    Claim("bnk-replaces-dropout", "Batch norm replaces dropout.",
          f"common reading of {IOFFE} (“in some cases eliminating the need for Dropout”)", "06",
          "accuracy gained by batch norm in the place of dropout, 30 % wrong labels, 20 epochs",
          wrong_labels, instead_of_dropout, threshold=-A_POINT, neutral=None, smallest_effect=0.02, pilot_sd=0.0098),
]
