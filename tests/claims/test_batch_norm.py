"""A trial of lecture 07 pairs its arms; the effects of its claims on known runs."""

import numpy as np
import xarray as xr

from course_utils import datasets, stats
from course_utils.claims import batch_norm as claims
from course_utils.experiments import tuning


def test_a_trial_pairs_its_arms_and_tunes_on_other_seeds():
    runs = claims.tuned_runs(lambda seed: datasets.moons(0), range(3), {"depth": 1, "width": 4},
                                rates=[0.001, 0.5], epochs=3)
    assert runs.seed.values.tolist() == [0, 1, 2]
    assert set(tuning.TUNING_SEEDS).isdisjoint(runs.seed.values)
    assert (runs.learning_rate == 0.5).all()   # the other one learns next to nothing
    assert stats.interval(claims.final_accuracy(runs)).sizes == {}


def ending(accuracy, *dims, **coordinates):
    """Runs of two seeds that end with an accuracy, plain and normalized, after an epoch that does not count."""
    last = np.array(accuracy, float)
    accuracies = np.stack([1 - last, last], -1)
    return xr.Dataset({"val_accuracy": (("batch_norm", *dims, "seed", "epoch"), np.stack([accuracies] * 2, -2))},
                      {"batch_norm": [False, True], **coordinates, "seed": [0, 1], "epoch": [1, 2]})


def test_a_wider_range_and_a_higher_end_of_it():
    accuracy = np.zeros((2, len(claims.RATES)))
    accuracy[0, 4:8] = accuracy[1, 4:10] = 0.9   # a quarter of a decade apart
    runs = ending(accuracy, "learning_rate", learning_rate=claims.RATES)
    np.testing.assert_allclose(claims.wider_range(runs), 0.5)
    np.testing.assert_allclose(claims.higher_rates(runs), 10**0.5)


def test_a_speed_up_is_of_each_arm_at_its_own_rate():
    steps = xr.DataArray(np.full((2, 4, 2, 2), 999.0), {
        "goal": [0.9, 0.95], "arm": claims.ARMS, "learning_rate": [0.1, 0.3], "seed": [0, 1]})
    steps.loc[{"goal": 0.9, "arm": "plain", "learning_rate": 0.1}] = 60
    steps.loc[{"goal": 0.9, "arm": "momentum 0.9", "learning_rate": 0.3}] = 20
    best = xr.DataArray([[0.1, 0.1, 0.3, 0.1]] * 2, {"goal": [0.9, 0.95], "arm": claims.ARMS})
    np.testing.assert_allclose(claims.speed_up(xr.Dataset({"steps": steps, "best_rate": best})), 3.0)


def test_effects_have_the_sign_that_their_words_say():
    scales = ending([[0.1, 0.9], [0.8, 0.7]], "initial_scale", initial_scale=[0.05, 1.0])
    np.testing.assert_allclose(claims.worst_scale(scales), 0.6)
    np.testing.assert_allclose(claims.final_accuracy(ending([0.9, 0.8])), -0.1)
    order = ending([[0.1, 0.1], [0.9, 0.6]], "shuffle", shuffle=[True, False])
    np.testing.assert_allclose(claims.gained_by_sorting(order), -0.3)
