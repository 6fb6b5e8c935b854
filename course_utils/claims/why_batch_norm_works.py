"""Claims about why batch normalization works, tried in appendix A2."""

import numpy as np
import xarray as xr

from course_utils import fit_many, models
from course_utils.claims import A_POINT, IOFFE, Claim
from course_utils.experiments import numpy_nets
from course_utils.experiments.tuning import TUNING_SEEDS, at_best, settled, steps_to


# The pilot also had the rates 0.1 and 2, which were best for no arm. It moved the inputs by twice the paper's shift on
# both tasks. On tones, this was six times as far as the plain network moves its own inputs, and it cost all of the
# speed-up. Now the inputs move as far as those of the plain network.
def moved_inputs(task, seeds):
    """Steps to 90 %, each arm at its own best of three rates: plain, batch norm, batch norm with its outputs moved."""
    from course_utils.experiments import covariate_shift

    data = task(0)
    runs = fit_many(covariate_shift.network, data, {
        "arm": covariate_shift.ARMS, "input_shift": covariate_shift.matching_shift(data, TUNING_SEEDS),
        "learning_rate": [0.2, 0.5, 1.0], "seed": [*TUNING_SEEDS, *seeds]}, epochs=4, evaluate_every=4)
    runs["steps"] = steps_to(0.9, runs.val_accuracy)
    return at_best("learning_rate", runs, score=-runs.steps)


def speed_up_lost(runs, arm="moved"):
    """Share of batch norm's speed-up that is lost when its outputs are moved, per seed.

    Speed-ups are factors, so the share is of their logarithms. The denominator is the mean over all
    seeds; otherwise, a seed in which batch norm gains little would count many times.
    """
    steps = np.log(runs.steps).drop_vars("learning_rate")
    normal = steps.sel(arm="batch norm", drop=True)
    whole = (steps.sel(arm="plain", drop=True) - normal).mean("seed")
    return (steps.sel(arm=arm, drop=True) - normal) / whole


# Both have 64 units in each layer and He's initial weights.
SETTINGS = {"8 sigmoid layers": {"depth": 8, "activation": "sigmoid"}, "32 ReLU layers": {"depth": 32}}


def gradient_norms(task, seeds):
    """Norm of the gradient of the first and the last hidden kernel before any training, in two deep networks."""
    data, found = task(0), []
    for network in SETTINGS.values():
        arms = [numpy_nets.gradient_norms(data, seeds, batch_norm=batch_norm, **network)
                for batch_norm in (False, True)]
        found.append(xr.concat([arm.isel(step=0, layer=[0, -1]).assign_coords(layer=["first", "last"]) for arm in arms],
                               xr.Variable("batch_norm", [False, True])))
    return xr.concat(found, xr.Variable("setting", list(SETTINGS))).to_dataset(name="norm")


def arriving(runs):
    """First layer's gradient over the last one's in sigmoid layers with batch norm, per seed."""
    return _first_over_last(runs, "8 sigmoid layers")


def not_exploding(runs):
    """Last layer's gradient over the first one's in 32 ReLU layers with batch norm, per seed."""
    return 1 / _first_over_last(runs, "32 ReLU layers")


def _first_over_last(runs, setting):
    norms = runs.norm.sel(setting=setting, batch_norm=True, drop=True)
    return norms.sel(layer="first", drop=True) / norms.sel(layer="last", drop=True)


# The length of the training was chosen on the seeds of this trial, so read it as exploratory. With 15 epochs and five
# rates, and with 12 and four, the verdicts on digits were also undecided or in part, and those on tones "holds".
def own_best_rate(task, seeds):
    """A multilayer perceptron and a small convolutional network, sixteen epochs at four rates."""
    runs = [fit_many(build, task(0), {
        "batch_norm": [False, True], "momentum": 0.9, "learning_rate": [0.01, 0.1, 0.3, 1.0],
        "seed": [*TUNING_SEEDS, *seeds]}, epochs=16)[["val_accuracy"]] for build in (models.mlp, models.cnn)]
    return xr.concat(runs, xr.Variable("network", ["mlp", "cnn"]))


def better_at_best(runs):
    """Final validation accuracy: batch norm minus plain, each at its best rate, mean of both networks, per seed.

    This is the mean of the last four epochs: at its best rate, a plain network's accuracy still jumps between epochs.
    """
    final = settled(runs, share=0.25)
    final = at_best("learning_rate", final.to_dataset(), score=final).val_accuracy.drop_vars("learning_rate")
    return (final.sel(batch_norm=True, drop=True) - final.sel(batch_norm=False, drop=True)).mean("network")


CLAIMS = [
    Claim("bnw-shift", "Batch norm works because it reduces internal covariate shift.", IOFFE, "A2",
          "of the gain in speed (in logarithms) is lost when the inputs of the activations are moved again",
          moved_inputs, speed_up_lost, threshold=0.5, neutral=0.0, smallest_effect=0.3, pilot_sd=0.34),
    Claim("bnw-vanishing", "Batch norm cures vanishing gradients.",
          "common reading of Ioffe & Szegedy, Batch normalization (2015), section 3.3", "A2",
          "times as large is the first layer's gradient at the start as the last one's, 8 sigmoid layers",
          gradient_norms, arriving, threshold=0.1, neutral=None, smallest_effect=0.3, pilot_sd=0.2, ratio=True),
    Claim("bnw-exploding", "Batch norm prevents exploding gradients.",
          "common reading of Ioffe & Szegedy, Batch normalization (2015), section 3.3", "A2",
          "times as large is the last layer's gradient at the start as the first one's, 32 ReLU layers",
          gradient_norms, not_exploding, threshold=0.1, neutral=None, smallest_effect=0.3, pilot_sd=0.2, ratio=True),
    Claim("bnw-accuracy", "Batch norm gives better accuracy.",
          "common reading of Ioffe & Szegedy, Batch normalization (2015), section 4.2", "A2",
          "accuracy gained, each at its best rate, mean of an MLP and a CNN",
          own_best_rate, better_at_best, threshold=A_POINT, neutral=0.0, smallest_effect=0.005, pilot_sd=0.005),
]
