"""The networks of question 1.2: each diagnosis has a sign in the curves of one network and of no other."""

import numpy as np
import pytest

from course_utils.checks.learning_curves import DIAGNOSES
from course_utils.experiments import failed_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cases():
    return failed_runs.train_cases()


def is_one_straight_curve(runs, mean):
    together = abs(mean.accuracy - mean.val_accuracy).max() < 0.05
    return together and np.corrcoef(mean.epoch, mean.accuracy)[0, 1] > 0.95 and mean.accuracy[-1] < 0.6


def levels_off_below(runs, mean):
    meet = abs(mean.accuracy - mean.val_accuracy)[-1] < 0.06
    agree = runs.accuracy.isel(epoch=-1).std("seed") < 0.1
    return meet and agree and abs(mean.accuracy[-1] - mean.accuracy[-6]) < 0.03 and mean.accuracy[-1] < 0.9


def scatters_and_jumps(runs, mean):
    curves = runs[["accuracy", "val_accuracy"]].to_dataarray()
    falls = -curves.diff("epoch").min("epoch").mean("seed")   # the worst of each run, from one epoch to the next
    return bool((curves.isel(epoch=-1).std("seed") > 0.15).all() and (falls > 0.1).all())


def falls_while_training_rises(runs, mean):
    best = int(mean.val_accuracy.argmax("epoch"))
    return (mean.val_accuracy[best] - mean.val_accuracy[-1] > 0.05
            and mean.accuracy[-1] - mean.accuracy[best] > 0.05)


# What the hints point at, as functions of the runs of a network and of their mean over the seeds.
SIGNS = {
    "noise in training": lambda runs, mean: mean.val_accuracy[-1] - mean.accuracy[-1] > 0.2,
    "not shuffled": lambda runs, mean: mean.accuracy[0] > 0.4 and mean.val_accuracy[0] < 0.2,
    "rate too low": is_one_straight_curve,
    "running averages lag": lambda runs, mean: (mean.accuracy[4] > 0.9 and mean.val_accuracy[4] < 0.8
                                           and mean.val_accuracy[-1] - mean.val_accuracy[-6] > 0.03),
    "too small": levels_off_below,
    "leak": lambda runs, mean: mean.val_accuracy[-1] - mean.new_accuracy[-1] > 0.04,
    "rate too high": scatters_and_jumps,
    "memorizes label noise": falls_while_training_rises,
}


@pytest.mark.parametrize("network", DIAGNOSES)
def test_a_diagnosis_has_a_sign_that_no_other_network_shows(network, cases):
    sign = SIGNS[DIAGNOSES[network][0]]
    shown = [one for one, runs in cases.groupby("network", squeeze=False)
             if sign(runs.isel(network=0), runs.isel(network=0).mean("seed"))]
    assert shown == [network]


def test_the_settings_of_the_networks_are_not_among_the_curves(cases):
    assert cases.network.values.tolist() == list(DIAGNOSES)
    assert set(cases.coords) == {"network", "seed", "epoch"}
