"""The lab of the other camera without a browser: pure functions of its state."""

import sys

import numpy as np
import pytest
import xarray as xr

from course_utils import datasets, labs
from course_utils.experiments.trained_networks import halves, re_estimated, shifted, trained_on_half, with_norms
from course_utils.training.fine_tune import each
from tests.helpers.lab_states import PNG, closed, pairs

LAB = labs.domain_shift
module = sys.modules[LAB.__module__]


def results(steps, arms=4):
    """Runs as `compute` returns them, the arms ten points apart."""
    accuracy = np.broadcast_to(np.arange(5, 5 + arms)[:, None, None] / 10, (arms, len(module.SEEDS), 11))
    return xr.DataArray(accuracy, {"arm": list(module.LOOKS)[:arms], "seed": list(module.SEEDS),
                                   "step": np.linspace(0, steps, 11)})


def test_all_pairs_of_controls_can_be_drawn_and_told():
    for state in pairs(LAB):
        picture, sentence = closed(LAB)._picture(state, results(state["steps"]))
        assert picture.startswith(PNG)
        assert f"with {state['images']} new images in batches of " in sentence
        assert "left as it is 50.0% [50.0%, 50.0%]" in sentence
        assert "fine-tuned, batch norm frozen 80.0%" in sentence


def test_a_batch_is_never_larger_than_what_there_is():
    _, sentence = closed(LAB)._picture(LAB.checked({"images": 8, "batch_size": 32}), results(60))
    assert "with 8 new images in batches of 8," in sentence


def test_a_partial_result_can_be_drawn():
    picture, sentence = closed(LAB)._picture(LAB.checked({}), results(60, arms=2))
    assert picture.startswith(PNG)
    assert "fine-tuned" not in sentence
    assert LAB.done(results(60, arms=2)) == 0.5


def final(state, seen=None):
    runs = closed(LAB).compute(LAB.checked(state),
                               lambda partial: seen is not None and seen.append(partial.sizes["arm"]))
    return runs.isel(step=-1).mean("seed")


def test_it_trains_for_real():
    """What the lecture tells: contrast is cured without labels, eight images are too few, noise needs training."""
    seen = []
    darker = final({"contrast": 0.3, "noise": 0.0}, seen)
    assert seen == [1, 2, 3, 4]
    assert darker.sel(arm="unchanged") < 0.5
    assert darker.sel(arm="re-estimated") > 0.93
    assert darker.sel(arm="fine-tuned") > 0.93
    assert final({"contrast": 0.3, "noise": 0.0, "images": 8}).sel(arm="re-estimated") < darker.sel(
        arm="re-estimated") - 0.05
    noisy = final({"contrast": 1.0, "noise": 0.3})
    assert abs(noisy.sel(arm="re-estimated") - noisy.sel(arm="unchanged")) < 0.05


def test_re_estimated_statistics_are_those_of_the_new_images():
    model, weights = trained_on_half(datasets.digits, module.SEEDS)
    x = shifted(halves(datasets.digits())[1], contrast=0.4, noise=0.1).x_train
    chosen = np.random.default_rng(2).permutation(x)[:64]
    for number, network in enumerate(each(with_norms(model), re_estimated(model, weights, x, 64))):
        if number == 2:
            np.testing.assert_allclose(network(chosen), network(chosen, training=True), atol=1e-3)
            z = chosen @ network.layers[0].kernel.numpy()
            np.testing.assert_allclose(network.layers[1].moving_mean, z.mean(0), atol=1e-4)
            np.testing.assert_allclose(network.layers[1].moving_variance, z.var(0), rtol=1e-3)


def test_another_domain_is_an_affine_map_and_noise():
    digits = datasets.digits()
    darker = shifted(digits, contrast=0.5)
    np.testing.assert_allclose(darker.x_val, 0.25 + digits.x_val / 2, atol=1e-6)
    noisy = shifted(digits, noise=0.2)
    assert (noisy.x_train - digits.x_train).std() == pytest.approx(0.2, rel=0.02)
    old, new = halves(digits)
    assert len(old.x_train) == len(new.x_train) == 512
    assert not (old.x_train[:, None] == new.x_train[None, :20]).all(-1).any()   # nobody is in both
