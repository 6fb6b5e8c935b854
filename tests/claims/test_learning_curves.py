"""The tasks of lecture 01, and the effects of its claims on known runs."""

import numpy as np
import pytest
import xarray as xr

from course_utils.claims import learning_curves as claims


def test_halves_keep_two_means_of_each_sample(digits):
    half = claims.halves(lambda seed: digits)(0)
    assert half.x_train.shape == (len(digits.x_train), 2)
    np.testing.assert_allclose(half.x_val[:, 1], digits.x_val[:, 32:].mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(half.y_train, digits.y_train)


def test_a_careless_collection_keeps_what_was_owned(digits):
    owned = claims.OWNED
    more = claims.collected(lambda seed: digits, wrong=0.5)(3)
    alone = claims.collected(lambda seed: digits)(3)
    wrong = more.y_train != digits.y_train
    assert not wrong[:owned].any()
    assert wrong[owned:].mean() == pytest.approx(0.5, abs=0.06)
    assert len(alone.x_train) == len(digits.x_train)   # as many steps, on 256 samples only
    assert len(np.unique(alone.x_train, axis=0)) <= owned
    np.testing.assert_array_equal(alone.y_train[:owned], alone.y_train[owned:2 * owned])
    assert more.y_val is digits.y_val


def arm(*accuracies, **coordinates):
    """Four epochs and two seeds; only the last epoch belongs to the last quarter."""
    scores = np.array([[[0.0, 0.5, 1.0, accuracy]] * 2 for accuracy in accuracies])
    return xr.Dataset({"val_accuracy": ((*coordinates, "seed", "epoch"), scores)}, {
        **coordinates, "seed": [0, 1], "epoch": [1, 2, 3, 4]})


def test_effects_have_the_sign_that_their_words_say():
    np.testing.assert_allclose(claims.gained_by_doubling(arm(0.7, 0.9, train_size=[256, 512])), [0.2, 0.2])
    more, alone = (arm(accuracy, which=["only"]).isel(which=0, drop=True).assign_coords(learning_rate=rate)
                   for accuracy, rate in ((0.6, 0.1), (0.9, 0.3)))
    np.testing.assert_allclose(claims.gained_by_collecting((more, alone)), [-0.3, -0.3])
