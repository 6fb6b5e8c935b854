"""The emoji lab: its grids show what was confused with what, and its accuracies are those of both artists."""

import sys

import numpy as np
import pytest
import xarray as xr

from course_utils import datasets, labs
from course_utils.experiments import emoji_heads
from tests.helpers.lab_states import PNG, closed, opens, pairs

LAB = labs.emoji
module = sys.modules[LAB.__module__]
CLASSES = len(datasets.EMOJI)


def results(epochs=module.EPOCHS, wrong=()):
    """What `compute` returns if all images are classified correctly, except for some (artist, image, class)."""
    y = emoji_heads.features()[0].y_val
    chosen = np.tile(y, (2, epochs, 1))
    for artist, image, predicted in wrong:
        chosen[artist, :, image] = predicted
    points = np.concatenate([chosen[0], chosen[1]], -1)
    probability = np.eye(CLASSES)[np.broadcast_to(points, (module.SEEDS, *points.shape))]
    runs = xr.Dataset({"probability": (("seed", "epoch", "point", "class"), probability)},
                      {"seed": range(module.SEEDS), "epoch": range(1, epochs + 1)}, {"epochs": module.EPOCHS})
    return emoji_heads.answers(runs)


def test_states_can_be_drawn_and_called():
    for state in pairs(LAB)[:4]:   # the figure depends on the runs only
        picture, sentence = closed(LAB)._picture(state, results())
        assert picture.startswith(PNG)
        assert "100.0% [100.0%, 100.0%] for the artist it learned from, 100.0%" in sentence
        assert opens(closed(LAB).call(LAB.checked(state))) == LAB.checked(state)


def test_accuracy_and_confusions_are_those_of_each_artist():
    y = emoji_heads.features()[0].y_val
    faces = np.flatnonzero(y == 1)
    runs = results(wrong=[(1, image, 0) for image in faces])
    last = runs.accuracy.isel(epoch=-1).mean("seed")
    assert last.sel(artist="google") == 1
    assert last.sel(artist="twitter") == pytest.approx(1 - len(faces) / len(y))
    said = module.most_confused(runs.taken.isel(epoch=-1))
    assert said == "The most common confusion: of the faces by the other artist, 100% are taken for animals."
    same = last.sel(artist="google").item()
    assert closed(LAB).result({}, runs) == f"{same:.0%} for the same artist, {last[1].item():.0%} for another artist"


@pytest.mark.parametrize("artist", emoji_heads.ARTISTS)
def test_a_cell_shows_an_image_of_its_class_where_there_is_one(artist):
    y, cell = emoji_heads.features()[0].y_val, module.SIDE + module.FRAME
    image = np.flatnonzero(y == 2)[-1]
    taken = np.eye(CLASSES)[y]
    taken[image] = np.eye(CLASSES)[5]
    picture = module.grid(artist, xr.DataArray(taken, {"truth": ("image", y)}, ("image", "class")))

    def at(truth, predicted):
        part = picture[truth * cell:(truth + 1) * cell, predicted * cell:(predicted + 1) * cell]
        return part[module.FRAME:module.SIDE, module.FRAME:module.SIDE]

    small = datasets.emoji(artist=artist).x_val[image]
    np.testing.assert_allclose(at(2, 5), small[module.FRAME:, module.FRAME:], atol=1e-6)
    for truth in range(CLASSES):
        for predicted in range(CLASSES):
            is_empty = np.ptp(at(truth, predicted)) == 0
            assert is_empty != (truth == predicted or (truth, predicted) == (2, 5))


def test_it_trains_for_real():
    runs, few, noisy = (closed(LAB).compute(LAB.checked(state), lambda partial: False) for state in (
        {}, {"train_size": 35}, {"label_noise": 0.6}))
    accuracy = [part.accuracy.isel(epoch=-1).mean("seed") for part in (runs, few, noisy)]
    assert LAB.done(runs) == 1
    assert accuracy[0].sel(artist="google") > 0.85
    assert accuracy[0].sel(artist="twitter") < accuracy[0].sel(artist="google") - 0.1
    assert (accuracy[1] < accuracy[0]).all()
    assert (accuracy[2] < accuracy[0]).all()


def test_only_class_weights_compile(compilations):
    for change in ({}, {"dropout": 0.5, "weight_decay": 0.1}, {"label_noise": 0.3, "train_size": 70}):
        closed(LAB).compute(LAB.checked(change), lambda partial: True)
    assert len(compilations) <= 1
