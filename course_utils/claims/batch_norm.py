"""Claims about batch normalization, tried in lecture 07."""

import numpy as np
import xarray as xr

from course_utils import fit_many, models
from course_utils.claims import A_POINT, IOFFE, SLIP, Claim
from course_utils.claims.register import Study
from course_utils.experiments.comparison import Comparison, final
from course_utils.experiments.tasks import TASKS
from course_utils.experiments.tuning import TUNING_SEEDS, at_best, steps_to

RATES = np.logspace(-3, 1, 17)   # a quarter of a decade apart
# Our training runs are short: with Keras's default of 0.99, the running averages would still be cold at the end, and
# they would decide the score. (Chosen after the pilot, where 0.99 gave a much smaller gain for initialization: 0.28
# instead of 0.77.)
BOTH = {"batch_norm": [False, True], "momentum": 0.9}


def learning_rates(task, seeds):
    """Final accuracy at seventeen learning rates, with and without batch norm."""
    return fit_many(models.mlp, task(0), {
        "learning_rate": RATES, **BOTH, "seed": seeds}, epochs=8)


def usable(runs):
    """Whether each run reaches 90% validation accuracy at the end."""
    return runs.val_accuracy.isel(epoch=-1) >= 0.9


def wider_range(runs):
    """Decades of learning rate that reach 90%: batch norm minus plain, per seed."""
    spacing = np.log10(RATES[1] / RATES[0])
    return _difference(usable(runs).sum("learning_rate") * spacing)


def higher_rates(runs):
    """Largest learning rate that reaches 90%: batch norm over plain, per seed."""
    largest = xr.where(usable(runs), runs.learning_rate, RATES[0]).max("learning_rate")
    return largest.sel(batch_norm=True) / largest.sel(batch_norm=False)


ARMS = ["plain", "momentum 0.99", "momentum 0.9", "batch statistics"]


def speed(task, seeds):
    """Steps to 90 % and 95 % at four learning rates, in four arms, evaluated every 4 steps.

    A normalized network is validated with running averages of two momenta, and with the
    statistics of the validation batch itself; at one rate its training is the same in all three.
    """
    data, everyone = task(0), [*TUNING_SEEDS, *seeds]

    def train(**arm):
        return fit_many(models.mlp, data, {"learning_rate": RATES[9:13], "seed": everyone, **arm}, epochs=4,
                        evaluate_every=4, batch_statistics=arm["momentum"] == 0.99)

    plain = train(batch_norm=False, momentum=0.9)
    slow, quick = train(batch_norm=True, momentum=0.99), train(batch_norm=True, momentum=0.9)
    arms = [plain.val_accuracy, slow.val_accuracy, quick.val_accuracy, slow.batch_val_accuracy]
    scores = xr.concat([arm.drop_vars(["batch_norm", "momentum"]) for arm in arms], xr.Variable("arm", ARMS))
    goals = xr.DataArray([0.9, 0.95], dims="goal", coords={"goal": [0.9, 0.95]})
    runs = xr.Dataset({"steps": steps_to(goals, scores), "reached": (scores >= goals).any("step")})
    runs["best_rate"] = runs.steps.sel(seed=list(TUNING_SEEDS)).mean("seed").idxmin("learning_rate")
    return runs.sel(seed=list(seeds))


def steps_at_best_rate(runs):
    """Steps to each goal at the learning rate that was best for the arm on the tuning seeds."""
    return runs.steps.sel(learning_rate=runs.best_rate)


def speed_up(runs):
    """Steps to 90%: plain over batch norm (momentum 0.9), each at its best rate, per seed."""
    steps = steps_at_best_rate(runs).sel(goal=0.9)
    return steps.sel(arm="plain", drop=True) / steps.sel(arm="momentum 0.9", drop=True)


SCALES = [0.05, 0.3, 1.0, 2.0, 4.0]


def initial_weights(task, seeds):
    """A network of six narrow hidden layers whose initial weights are too small or too large."""
    return tuned_runs(task, seeds, {"depth": 6, "width": 32, "initial_scale": SCALES}, rates=[0.03, 0.1],
                         epochs=5)


def worst_scale(runs):
    """Accuracy at the worst initial scale: batch norm minus plain, per seed."""
    return _difference(runs.val_accuracy.isel(epoch=-1).min("initial_scale"))


def deep_sigmoid(task, seeds):
    """Six narrow hidden layers of sigmoid units."""
    return tuned_runs(task, seeds, {"depth": 6, "width": 32, "activation": "sigmoid"}, rates=[0.1, 0.3], epochs=5)


def final_accuracy(runs):
    """Final validation accuracy: batch norm minus plain, per seed."""
    return _difference(runs.val_accuracy.isel(epoch=-1))


def few_images(task, seeds):
    """64 training images, another 64 for every seed."""
    return tuned_runs(task, seeds, {"train_size": 64}, rates=[0.1, 0.3, 1.0], epochs=8)


def wrong_labels(task, seeds):
    """30 % of the training labels are wrong."""
    return tuned_runs(task, seeds, {"label_noise": 0.3}, rates=[0.01, 0.03, 0.1], epochs=20)


def modern_network(task, seeds):
    """ReLU, He initialization, scaled inputs: what one would build today."""
    return tuned_runs(task, seeds, {}, rates=[0.03, 0.1, 0.3], epochs=10)


def sample_order(task, seeds):
    """The training images shuffled, and sorted by class."""
    data = task(0)
    order = np.argsort(data.y_train, kind="stable")
    data = data.replace(x_train=data.x_train[order], y_train=data.y_train[order])
    return tuned_runs(lambda seed: data, seeds, {"shuffle": [True, False]},
                         rates=[0.01, 0.1, 0.3], epochs=6)


def gained_by_sorting(runs):
    """Accuracy of a normalized network on sorted minus on shuffled images, per seed."""
    final = runs.val_accuracy.isel(epoch=-1).sel(batch_norm=True, drop=True)
    return final.sel(shuffle=False, drop=True) - final.sel(shuffle=True, drop=True)


def tuned_runs(task, seeds, setting, *, rates, epochs):
    """Runs of both arms, each at its best learning rate (see `at_best`) at every value of the setting."""
    return at_best("learning_rate", fit_many(models.mlp, task(0), {
        "learning_rate": list(rates), **BOTH, **setting, "seed": [*TUNING_SEEDS, *seeds]}, epochs=epochs))


def _difference(scores):
    return scores.sel(batch_norm=True, drop=True) - scores.sel(batch_norm=False, drop=True)


CLAIMS = [
    Claim("bn-wider-range", "With batch norm the learning rate hardly matters any more.",
          f"common reading of {IOFFE}", "07", "decades more of learning rates that reach 90 %",
          learning_rates, wider_range, threshold=1.0, neutral=0.0, smallest_effect=0.25, pilot_sd=0.13),
    Claim("bn-higher-rates", "Batch norm allows much higher learning rates.",
          IOFFE, "07", "times as high a learning rate still reaches 90 %",
          learning_rates, higher_rates, threshold=3.0, neutral=1.0, smallest_effect=0.4, pilot_sd=0.3, ratio=True),
    Claim("bn-ten-times-faster", "Batch norm makes training ten times faster.",
          f"common reading of {IOFFE} (“14 times fewer training steps”)", "07",
          "times fewer steps to 90 %, each at its own best rate",
          speed, speed_up, threshold=10.0, neutral=1.0, smallest_effect=0.3, pilot_sd=0.26, ratio=True),
    Claim("bn-initialization", "With batch norm you can be less careful about initialization.",
          IOFFE, "07", "accuracy gained at the worst initial scale, six layers, five epochs",
          initial_weights, worst_scale, threshold=0.5, neutral=0.0, smallest_effect=0.1, pilot_sd=0.03),
    Claim("bn-deep-sigmoid", "Batch norm makes deep sigmoid networks trainable.",
          f"common reading of {IOFFE}", "07", "accuracy gained in five epochs, six sigmoid layers",
          deep_sigmoid, final_accuracy, threshold=0.5, neutral=0.0, smallest_effect=0.1, pilot_sd=0.011),
    Claim("bn-few-images", "Batch norm regularizes: it helps when data are few.",
          f"common reading of {IOFFE}", "07", "accuracy gained with 64 training images",
          few_images, final_accuracy, threshold=A_POINT, neutral=0.0, smallest_effect=0.02, pilot_sd=0.02),
    Claim("bn-wrong-labels", "Batch norm prevents overfitting.",
          f"common reading of {IOFFE}", "07", "accuracy gained with 30 % wrong labels, 20 epochs",
          wrong_labels, final_accuracy, threshold=A_POINT, neutral=0.0, smallest_effect=0.02, pilot_sd=0.018),
    Claim("bn-famous-picture", "Without batch norm a network barely learns; with it, it does.",
          f"{SLIP}: one learning rate, one seed, sigmoid units", "07",
          "accuracy gained in a ReLU network at its best rate",
          modern_network, final_accuracy, threshold=0.3, neutral=None, smallest_effect=0.02, pilot_sd=0.012),
    Claim("bn-sample-order", "With batch norm the order of the training samples stops mattering.",
          SLIP, "07", "accuracy gained by sorting the images by class, with batch norm",
          sample_order, gained_by_sorting, threshold=-A_POINT, neutral=None, smallest_effect=0.05, pilot_sd=0.058),
]


def times_as_high(runs):
    """Largest learning rate that still trains, with batch norm over without, per seed.

    A network trains if it ends with 90% of the accuracy that the best of all, with batch norm or without, ends with.
    """
    accuracy = final(runs.val_accuracy)
    trains = accuracy >= 0.9 * accuracy.max(["arm", "learning_rate"])
    largest = xr.where(trains, accuracy.learning_rate, RATES[0]).max("learning_rate")
    return largest.sel(arm="batch norm", drop=True) / largest.sel(arm="plain", drop=True)


STUDIES = [
    Study("bn-higher-rates", Comparison(
        arms={"plain": {"batch_norm": False}, "batch norm": {"batch_norm": True}},
        sweep={"learning_rate": [float(rate) for rate in RATES]}, fixed={"momentum": 0.9}, steps=400),
        "times as high a learning rate still trains", threshold=3.0, neutral=1.0, margin=0.4, scale="ratio",
        effect=times_as_high, within="400 steps", tasks=tuple(TASKS)),
]
