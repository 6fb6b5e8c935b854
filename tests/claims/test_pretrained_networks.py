"""What the trials of lecture 08 are made of."""

import keras
import numpy as np
import pytest
import xarray as xr

from course_utils import models, surgery
from course_utils.claims import pretrained_networks as trials
from course_utils.experiments import trained_networks
from course_utils.training.fine_tune import each, fine_tune, stack


@pytest.mark.parametrize("norm", [False, True])
def test_initial_weights_are_those_of_keras(norm):
    model, weights = trained_networks.initial([0, 7], depth=2, batch_norm=norm)
    keras.utils.set_random_seed(7)
    own = models.mlp(depth=2, batch_norm=norm)
    for ours, theirs in zip(weights, own.get_weights(), strict=True):
        np.testing.assert_array_equal(ours[1], theirs)
    assert [norms.momentum for norms in model.layers if hasattr(norms, "momentum")] == [0.9] * 2 * norm


def test_fresh_layers_stand_between_the_trained_ones(digits):
    model, weights = trained_networks.initial([1, 2])
    fresh = surgery.insert(model)
    inserted = stack(trials.with_weights_of(network, fresh) for network in each(model, weights))
    plain, _ = fine_tune(model, weights, digits, learning_rate=0.1, steps=0)
    with_norms, _ = fine_tune(fresh, inserted, digits, learning_rate=0.1, steps=0)
    xr.testing.assert_allclose(plain, with_norms, atol=0.01)   # of ε only


def test_frozen_norms_are_a_copy_that_leaves_the_model_alone():
    model, weights = trained_networks.initial([0], depth=1, batch_norm=True)
    frozen = trained_networks.with_norms(model, trainable=False)
    assert len(frozen.trainable_variables) == len(model.trainable_variables) - 2
    [copy] = each(frozen, weights)
    copy.layers[0].kernel.assign(0 * copy.layers[0].kernel)
    assert np.any(model.layers[0].kernel)


def test_effects_have_the_sign_they_say():
    scores = xr.DataArray([[[0.9]], [[0.7]], [[0.85]]], {"arm": trials.ARMS, "seed": [0], "step": [33]})
    runs = xr.Dataset({"val_accuracy": scores}).assign_coords(learning_rate=("arm", [0.1, 0.3, 0.1]))
    assert trials.lost_by_insertion(runs).item() == pytest.approx(0.05)
    scores = xr.DataArray([[[0.8]], [[0.9]]], {"frozen": [False, True], "seed": [0], "step": [128]})
    runs = xr.Dataset({"val_accuracy": scores}).assign_coords(learning_rate=("frozen", [0.1, 0.1]))
    assert trials.gained_by_freezing(runs).item() == pytest.approx(0.1)
    runs = xr.Dataset({"seconds": (("seed", "batch_norm"), [[1.0, 1.25]])}, {"seed": [0], "batch_norm": [False, True]})
    assert trials.speed_left(runs).item() == pytest.approx(0.8)


def test_both_networks_are_timed_for_every_pair(digits):
    runs = trials.cost(lambda seed: digits, range(2))
    assert runs.seconds.sizes == {"seed": 2, "batch_norm": 2}
    assert (runs.seconds > 0).all()
