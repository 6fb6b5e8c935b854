"""The learning-curve lab without a browser: pure functions of its state."""

import sys

import numpy as np
import xarray as xr

from course_utils import labs
from tests.helpers.lab_states import PNG, closed, pairs

LAB = labs.learning_curve
module = sys.modules[LAB.__module__]


def results(*, epochs=module.EPOCHS, rate=0.5):
    """Runs as `compute` returns them, whose errors follow a power law."""
    shape = (len(module.SIZES), module.SEEDS, epochs)
    errors = np.array(module.SIZES)[:, None, None]**-rate * np.random.default_rng(0).uniform(0.9, 1.1, shape)
    scores = {name: (("train_size", "seed", "epoch"), values) for name, values in {
        "accuracy": np.ones(shape), "val_accuracy": 1 - errors}.items()}
    return xr.Dataset(scores, {"train_size": module.SIZES, "seed": range(module.SEEDS),
                               "epoch": range(1, epochs + 1)}, {"epochs": module.EPOCHS})


def test_all_pairs_of_controls_can_be_drawn():
    for state in pairs(LAB):
        picture, sentence = closed(LAB)._picture(LAB.checked(state), results())
        assert picture.startswith(PNG)
        assert ("power law" in sentence) == state["fit"]
        if state["fit"]:
            assert f"fitted to up to {state['images']} images" in sentence


def test_the_law_is_not_fitted_before_the_training_is_done():
    _, sentence = closed(LAB)._picture(LAB.checked({}), results(epochs=3))
    assert "power law" not in sentence


def test_the_law_sees_only_the_images_you_have():
    spoiled = results()
    beyond = spoiled.train_size > 256
    spoiled["val_accuracy"] = xr.where(beyond, 0.1, spoiled.val_accuracy).transpose(*spoiled.val_accuracy.dims)
    before, after = (closed(LAB)._picture(LAB.checked({}), runs)[1] for runs in (results(), spoiled))
    assert before.partition(" the 95%")[2] == after.partition(" the 95%")[2]
    assert "inside the 95% prediction interval" in before
    assert "outside the 95% prediction interval" in after


def test_it_trains_for_real():
    state = LAB.checked({"label_noise": 0.2})
    seen = []
    runs = closed(LAB).compute(state, lambda partial: seen.append(partial.sizes["epoch"]))
    assert seen == list(range(1, module.EPOCHS + 1))
    assert runs.val_accuracy.sizes == {"train_size": len(module.SIZES), "seed": module.SEEDS, "epoch": module.EPOCHS}
    rising = runs.val_accuracy.isel(epoch=-1).mean("seed")
    assert rising[-1] > rising[0] + 0.2
    assert "of a power law fitted to up to 256 images, " in closed(LAB)._picture(state, runs)[1]
