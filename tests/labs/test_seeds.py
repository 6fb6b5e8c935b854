"""The lab of lecture 03: experiments drawn from a population whose truth is known."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from course_utils import labs
from course_utils.experiments import two_networks as seeds
from tests.helpers.lab_states import PNG, closed, opens, pairs


def runs(shared=1.0, own=0.7, size=400):
    """A population of normal scores, of which a part is shared by the arms."""
    rng = np.random.default_rng(7)
    points = rng.normal(0, shared, size) + rng.normal(0, own, (2, size))
    return points - points.mean(1, keepdims=True)


def widths(found):
    return (found.high - found.low).mean("experiment")


def sure(found, effect=0.0):
    return (seeds.says(found, effect) != "undecided").mean("experiment")


@pytest.fixture
def without_training(monkeypatch):
    monkeypatch.setattr(seeds, "population", runs)
    monkeypatch.setattr(seeds, "EXPERIMENTS", 100)


def test_all_pairs_of_controls_can_be_drawn_and_called(without_training):
    lab = closed(labs.seeds)
    for state in pairs(labs.seeds):
        picture, sentence = lab.render(state)
        assert picture.startswith(PNG)
        assert sentence.startswith(f"True difference {state['effect']:g} point")
        assert ("1 point," in sentence) == (state["effect"] == 1)
        assert ("doesn't exist" in sentence) == (state["effect"] == 0)
        assert ("up to" in sentence) == state["peek"]
        assert opens(lab.call(state)) == state


@pytest.mark.parametrize("effect", [0.0, 1.5])
def test_the_figure_shows_what_the_sentence_says(without_training, effect):
    lab, state = closed(labs.seeds), labs.seeds.checked({"effect": effect, "seeds": 10})
    runs = lab.compute(state, lambda partial: False)
    figure, sentence = lab.figure(state, runs)
    left, right = figure.axes
    words = ["right", "undecided", "wrong"] if effect else ["undecided", "wrong"]
    shown = {line.get_label(): dict(line.get_xydata()) for line in right.lines if line.get_label() in words}
    assert list(shown) == words
    for word in words:
        assert f"{shown[word][10]:.1%}" in sentence
    assert lab.result(state, runs).startswith(f"{shown['right' if effect else 'wrong'][10]:.0%} of the experiments")
    ends = [(segment[0, 0], segment[1, 0]) for segment in left.collections[0].get_segments()]
    first = runs.sel(seeds=10).isel(experiment=slice(30))
    np.testing.assert_allclose(ends, np.transpose([first.low, first.high]))


@pytest.mark.parametrize("paired", [False, True])
def test_more_seeds_make_the_interval_narrower(paired):
    at = widths(seeds.experiments(runs(), 0.5, paired=paired, peek=False)).sel(seeds=[2, 3, 5, 10, 20, 50])
    assert (np.diff(at) < 0).all()


@pytest.mark.parametrize("shared", [0.5, 1.0, 3.0])
def test_pairing_narrows_the_interval_where_arms_share_luck(shared):
    paired, unpaired = (widths(seeds.experiments(runs(shared), 0.5, paired=paired, peek=False)).sel(
        seeds=slice(5, None)) for paired in (True, False))
    assert (paired < unpaired).all()


@pytest.mark.parametrize("paired", [False, True])
def test_one_interval_in_twenty_claims_what_is_not_there(paired):
    found = seeds.experiments(runs(), 0.0, paired=paired, peek=False)
    assert np.abs(sure(found).sel(seeds=slice(5, None)) - 0.05).max() < 0.03
    assert "right" not in seeds.says(found, 0.0)


def test_whoever_peeks_is_sure_more_often_and_never_takes_it_back():
    patient, hasty = (sure(seeds.experiments(runs(), 0.0, paired=True, peek=peek)) for peek in (False, True))
    assert (hasty >= patient).all()
    assert (np.diff(hasty) >= 0).all()
    assert hasty.sel(seeds=50) > 3 * patient.sel(seeds=50)


def test_who_stops_keeps_the_interval_that_made_them_stop():
    low = xr.DataArray([[-1.0, -1], [0.2, -1], [-0.5, -1]], dims=("seeds", "experiment"), coords={"seeds": [2, 3, 4]})
    ended = seeds.stopped(xr.Dataset({"low": low, "high": low + 2}))
    assert ended.low.values.tolist() == [[-1.0, -1], [0.2, -1], [0.2, -1]]
    assert ended.seeds.values.tolist() == [2, 3, 4]


@given(st.floats(0, 2), st.booleans())
def test_the_true_difference_moves_intervals(effect, paired):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "EXPERIMENTS", 5)
        patch.setattr(seeds, "MOST", 6)
        still, moved = (seeds.experiments(runs(size=20), by, paired=paired, peek=False) for by in (0.0, effect))
    xr.testing.assert_allclose(moved, still + effect)


@pytest.mark.parametrize(("low", "high", "effect", "word"), [
    (0.1, 1, 0.5, "right"), (-0.1, 1, 0.5, "undecided"), (-1, -0.1, 0.5, "wrong"), (0.1, 1, 0.0, "wrong"),
    (-1, -0.1, 0.0, "wrong"), (-1, 1, 0.0, "undecided")])
def test_what_an_interval_says(low, high, effect, word):
    found = xr.Dataset({"low": ("experiment", [low]), "high": ("experiment", [high])})
    assert seeds.says(found, effect).item() == word


def test_one_run_of_each_is_wrong_less_often_with_a_larger_effect_and_in_pairs():
    for paired in (False, True):
        wrong = [seeds.wrong_with_one(runs(), effect, paired=paired) for effect in (0.0, 0.5, 1.0, 2.0)]
        assert wrong[0] == pytest.approx(0.5, abs=0.05)
        assert (np.diff(wrong) < 0).all()
    assert seeds.wrong_with_one(runs(), 1.0, paired=True) < seeds.wrong_with_one(runs(), 1.0, paired=False)
    assert seeds.wrong_with_one(runs() * 0, 0.0, paired=True) == 0.5   # ties


def test_the_population_is_trained_for_real():
    points = seeds.population()
    assert points.shape == (2, seeds.POPULATION)
    np.testing.assert_allclose(points.mean(1), 0, atol=1e-4)
    assert (points.std(1) > 0.3).all()   # points: real runs do differ
