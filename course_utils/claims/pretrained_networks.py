"""Claims about batch normalization in networks that are trained already, tried in lecture 08."""

import time

import numpy as np
import xarray as xr

from course_utils import models, surgery
from course_utils.claims import A_POINT, SLIP, Claim
from course_utils.experiments.trained_networks import halves, initial, shifted, trained_on_half, with_norms
from course_utils.experiments.tuning import TUNING_SEEDS, at_best
from course_utils.training.fine_tune import each, fine_tune, stack

ARMS = ["none", "fresh", "calibrated"]
NEW = {"contrast": 0.5, "noise": 0.1}   # of another camera: half the contrast, and some noise


def with_weights_of(network, other):
    """The other network, with each layer's weights from the layer of the same name."""
    for layer in network.layers:
        other.get_layer(layer.name).set_weights(layer.get_weights())
    return other


def inserted(task, seeds):
    """Trained networks, trained on for one epoch: as they are, with fresh batch norm put in, with a calibrated one."""
    data, seeds, scores = task(0), [*TUNING_SEEDS, *seeds], []
    model, weights = initial(seeds)
    _, weights = fine_tune(model, weights, data, learning_rate=0.1, steps=320, seeds=seeds)
    fresh = surgery.insert(model, momentum=0.9)
    begin = {"none": weights, "fresh": stack(with_weights_of(network, fresh) for network in each(model, weights)),
             "calibrated": stack(surgery.insert(network, data.x_train[:256]) for network in each(model, weights))}
    for arm in ARMS:
        scores.append(fine_tune(model if arm == "none" else fresh, begin[arm], data, steps=33, evaluate_every=3,
                                learning_rate=[0.01, 0.03, 0.1, 0.3], seeds=seeds)[0])
    runs = xr.concat(scores, xr.Variable("arm", ARMS))
    return at_best("learning_rate", runs, score=runs.val_accuracy.isel(step=-1, drop=True))


def lost_by_insertion(runs):
    """Final validation accuracy: nothing put in minus a calibrated batch norm put in, per seed."""
    final = runs.val_accuracy.isel(step=-1).drop_vars("learning_rate")
    return final.sel(arm="none", drop=True) - final.sel(arm="calibrated", drop=True)


def frozen(task, seeds):
    """Fine-tuning for one epoch in batches of 4, batch norm alive and frozen, in the old domain and a new one."""
    seeds = (*TUNING_SEEDS, *seeds)
    model, weights = trained_on_half(task, seeds)
    _, new = halves(task(0))
    scores = xr.concat([xr.concat([
        fine_tune(network, weights, domain, learning_rate=[0.003, 0.01, 0.03, 0.1], steps=128, batch_size=4,
                  evaluate_every=64, seeds=seeds)[0]
        for domain in (new, shifted(new, **NEW))], xr.Variable("domain", ["old", "new"]))
        for network in (model, with_norms(model, trainable=False))], xr.Variable("frozen", [False, True]))
    return at_best("learning_rate", scores, score=scores.val_accuracy.isel(step=-1, drop=True))


def gained_by_freezing(runs):
    """Final validation accuracy: batch norm frozen minus alive, per domain and seed."""
    final = runs.val_accuracy.isel(step=-1).drop_vars("learning_rate")
    return final.sel(frozen=True, drop=True) - final.sel(frozen=False, drop=True)


def cost(task, seeds):
    """Seconds of five training steps of a CNN with batch norm and without, in turn; one pair for every seed.

    Each is timed five times for a pair, and the shortest time counts: whatever else the machine is
    doing only adds.
    """
    data, networks = task(0), {}
    x, y = data.x_train[:128], data.y_train[:128]
    for norm in (False, True):
        networks[norm] = models.cnn(input_shape=x.shape[1:], batch_norm=norm)
        networks[norm].compile("sgd", "sparse_categorical_crossentropy")
        networks[norm].train_on_batch(x, y)   # compiles

    def steps(norm):
        start = time.perf_counter()
        for _ in range(5):
            networks[norm].train_on_batch(x, y)
        return time.perf_counter() - start

    pairs = [np.min([[steps(False), steps(True)] for _ in range(5)], axis=0) for _ in seeds]
    return xr.Dataset({"seconds": (("seed", "batch_norm"), pairs)}, {"seed": list(seeds), "batch_norm": [False, True]})


def speed_left(runs):
    """Steps in the same time: batch norm over plain, per pair."""
    return runs.seconds.sel(batch_norm=False, drop=True) / runs.seconds.sel(batch_norm=True, drop=True)


CLAIMS = [
    Claim("bnp-cannot-insert", "You cannot add batch norm to a pretrained network.",
          "common advice, as in torchvision issue 152 (2017)", "08",
          "accuracy lost by inserting it calibrated, after one more epoch, each at its best rate",
          inserted, lost_by_insertion, threshold=A_POINT, neutral=0.0, smallest_effect=0.005, pilot_sd=0.003),
    Claim("bnp-freeze", "When you train a network further, freeze its batch norm.",
          "common reading of Chollet, Transfer learning & fine-tuning (Keras guide)", "08",
          "accuracy gained by freezing it in a new domain (half the contrast, some noise), batches of 4, each at its "
          "best rate",
          frozen, lambda runs: gained_by_freezing(runs).sel(domain="new", drop=True),
          threshold=A_POINT, neutral=0.0, smallest_effect=0.02, pilot_sd=0.028),
    # The verdict depends on the machine, so the lecture does not store it. The ledger has that of the machine on
    # which `make claims` ran last.
    Claim("bnp-costs-nothing", "Batch norm costs nothing.", SLIP, "08",
          "of the training speed without it is left",
          cost, speed_left, threshold=0.95, neutral=None, smallest_effect=0.1, pilot_sd=0.12, ratio=True),
]
