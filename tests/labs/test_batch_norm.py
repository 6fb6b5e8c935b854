"""The lab of lecture 07: what it draws and says, without training; that it trains for real."""

import itertools
import sys

import numpy as np
import pytest
import xarray as xr

from course_utils import labs
from tests.helpers.lab_states import PNG, closed, opens, pairs

LAB = labs.batch_norm
module = sys.modules[LAB.__module__]


def results(state, *, epochs=module.EPOCHS, diverged=0):
    """Runs as `compute` returns them, without training."""
    arms = [state["batch_norm"], not state["batch_norm"]] if state["compare"] else [state["batch_norm"]]
    shape = (len(arms), module.SEEDS, epochs)
    curves = np.random.default_rng(0).uniform(0.1, 0.9, shape)
    lost = np.zeros(shape, bool)
    lost[:, :diverged] = True
    scores = {name: (("batch_norm", "seed", "epoch"), np.where(lost & (name == "loss"), np.nan, curves))
              for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    coordinates = {"batch_norm": arms, "seed": range(module.SEEDS), "epoch": range(1, epochs + 1)}
    return xr.Dataset(scores | {"diverged": (("batch_norm", "seed", "epoch"), lost)}, coordinates, {"epochs": epochs})


def test_all_pairs_of_controls_can_be_drawn_and_called():
    for diverged, state in zip(itertools.cycle([0, 3, module.SEEDS]), pairs(LAB)):   # as many diverged runs
        picture, sentence = closed(LAB)._picture(state, results(state, diverged=diverged))
        assert picture.startswith(PNG)
        assert ("diverged" in sentence) == (diverged > 0)
        assert opens(closed(LAB).call(state)) == state


@pytest.mark.parametrize("change", [
    {}, {"learning_rate": 1e-3}, {"learning_rate": 10.0}, {"batch_norm": False}, {"compare": False},
    {"initial_scale": 0.01}, {"initial_scale": 10.0}, {"label_noise": 0.6}], ids=str)
def test_the_ends_and_the_middle_train_for_real(change, real_lab):
    state = LAB.checked(change)
    seen = []
    runs = real_lab.compute(state, lambda partial: seen.append(partial.sizes["epoch"]))
    picture, sentence = real_lab._picture(state, runs)
    assert seen == list(range(1, module.EPOCHS + 1))
    assert picture.startswith(PNG)
    assert sentence.startswith(f"Validation accuracy after {module.EPOCHS} epochs")
    assert ("without batch norm" in sentence) == (state["compare"] or not state["batch_norm"])
    assert (picture, sentence) == real_lab.render(state)   # a pure function of the state


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"activation": "sigmoid"}, {"depth": 1}, {"depth": 6}, {"batch_size": 8},
                                    {"batch_size": 128}], ids=str)
def test_the_ends_of_structural_controls_train_for_real(change, real_lab):
    runs = real_lab.compute(LAB.checked(change), lambda partial: False)
    assert runs.val_accuracy.sizes == {"batch_norm": 2, "seed": module.SEEDS, "epoch": module.EPOCHS}


@pytest.fixture(scope="module")
def real_lab():
    lab = LAB()
    assert lab.wait(120)
    return lab


def test_the_picture_ends_up_showing_the_controls(real_lab):
    for rate in (0.02, 0.5, 3.0, 0.05):   # faster than any of them can train
        real_lab._widgets["learning_rate"].value = rate
    real_lab._widgets["batch_norm"].value = False
    assert real_lab.wait(60)
    assert real_lab.state["learning_rate"] == 0.05
    assert (real_lab._image.value, real_lab._text) == real_lab.render(real_lab.state)
    real_lab._widgets["batch_norm"].value = True
    assert real_lab.wait(60)
