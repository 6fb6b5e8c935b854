"""The search lab: what is drawn and said follows from the state and its searches."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from course_utils import labs, stats
from course_utils.claims import hyperparameter_search as trials
from course_utils.experiments import searches, tabular
from tests.helpers.lab_states import PNG, closed, opens, pairs

LAB = labs.search
module = sys.modules[LAB.__module__]


def computed(changes=(), report=lambda partial: False):
    state = LAB.checked(dict(changes))
    return state, closed(LAB).compute(state, report)


def searched(state, seed):
    """The search of a state with another number."""
    return searches.searched(state["sampler"], state["trials"], state["images"], state["axis"], seed)


def drawn(state, runs):
    """Both panels and the sentence."""
    axes = list(Figure().subplots(1, 2))
    return *axes, closed(LAB).draw(axes, state, runs)


def line(ax, label):
    """The data of a line by its label in the legend."""
    [found] = [line for line in ax.lines if line.get_label() == label]
    return found.get_xydata()


@pytest.fixture
def few(monkeypatch):
    """Three repetitions are enough to see that they are there."""
    monkeypatch.setattr(module, "REPEATS", range(1000, 1003))


@pytest.fixture(scope="module")
def opened():
    return computed({"open_test": True})


def test_all_pairs_of_controls_can_be_drawn_and_called(few):
    for state in pairs(LAB):
        picture, sentence = closed(LAB).render(state)
        assert picture.startswith(PNG)
        assert sentence.startswith(f"{state['trials']} trials ({state['sampler']}) with ")
        assert f" on {state['images']} validation images" in sentence
        assert ("test set is closed" in sentence) != state["open_test"]
        assert (f"on the {720 - state['images']} test images" in sentence) == state["open_test"]
        assert "nan" not in sentence
        assert opens(closed(LAB).call(LAB.checked(state))) == LAB.checked(state)


@pytest.mark.parametrize("change", [
    {"sampler": name} for name in searches.SAMPLERS] + [{"axis": "linear", "number": 10}], ids=str)
def test_map_curve_and_sentence_agree_with_the_search(change):
    state, runs = computed(change)
    left, right, sentence = drawn(state, runs)
    objective = searched(state, state["number"])
    asked = [(params["learning_rate"], params["dropout"]) for params in objective.asked]
    best = int(np.argmax(objective.scores))
    np.testing.assert_allclose(left.collections[-1].get_offsets(), asked)
    np.testing.assert_array_equal(left.collections[-1].get_array(), np.arange(1, 37))   # later: darker
    np.testing.assert_allclose(line(left, f"chosen: trial {best + 1}"), [asked[best]])
    np.testing.assert_allclose(line(right, "best so far")[:, 1], np.maximum.accumulate(objective.scores))
    np.testing.assert_allclose(line(right, "chosen"), [[best + 1, objective.scores[best]]])
    rates = {rate for rate, _ in asked}
    below = sum(rate < 0.3 for rate in rates)
    assert f"with {len(rates)} different learning rates, {below} of them below 0.3" in sentence
    assert f"trial {best + 1}, has an accuracy of {max(objective.scores):.1%} on 100" in sentence


def test_a_closed_test_set_is_nowhere():
    state, runs = computed()
    shown, hidden = ((*drawn(state, each)[1:], closed(LAB).result(state, each)) for each in (
        runs, runs.assign(test=0 * runs.test)))   # whatever the test scores are
    assert shown[1:] == hidden[1:]
    assert [line.get_label() for line in shown[0].lines] == ["best so far", "chosen"]
    assert shown[0].get_ylim() == hidden[0].get_ylim()
    assert "gap" not in shown[1]


def test_the_open_test_set_is_drawn_and_said(opened):
    state, runs = opened
    _, right, sentence = drawn(state, runs)
    first = searched(state, state["number"]).winner()
    assert line(right, "test")[0, 1] == first["test"]
    points = f"{100 * (first['validation'] - first['test']):+.1f}".replace("-", "−")
    assert f"of {first['test']:.1%} on the 620 test images: a gap of {points} points" in sentence
    others = runs.isel(search=slice(1, None))
    gap = 100 * stats.interval(others.validation - others.test, over="search")
    said = [float(number.replace("−", "-")) for number in
            re.search(r"gap (\S+) \[(\S+), (\S+)\]", sentence).groups()]
    np.testing.assert_allclose(said, [gap[part] for part in ("mean", "low", "high")], atol=0.051)
    for part, errorbar in zip(("validation", "test"), right.containers, strict=True):
        score = stats.interval(others[part], over="search")
        assert errorbar.lines[0].get_ydata()[0] == pytest.approx(float(score["mean"]))
        [(_, low), (_, high)] = errorbar.lines[2][0].get_segments()[0]
        assert (low, high) == pytest.approx((float(score["low"]), float(score["high"])))
        assert f"{part} {float(score['mean']):.1%} [{float(score['low']):.1%}, " in sentence


def test_twenty_other_searches_with_the_same_setting_and_other_images(opened):
    state, runs = opened
    assert len(module.REPEATS) >= 20
    assert not set(module.REPEATS) & set(LAB.controls["number"].examples)
    assert runs.sizes["search"] == 1 + len(module.REPEATS)
    direct = [searched(state, seed).winner()["test"] for seed in module.REPEATS]
    np.testing.assert_array_equal(runs.test[1:], direct)
    _, elsewhere = computed({"open_test": True, "number": 7})
    np.testing.assert_array_equal(elsewhere.test[1:], runs.test[1:])
    assert not elsewhere.score.equals(runs.score)


def test_fewer_images_and_more_trials_widen_the_gap():
    """What the lecture sends learners to see."""
    def gap(**changes):
        others = computed({"open_test": True} | changes)[1].isel(search=slice(1, None))
        return float((others.validation - others.test).mean())

    assert gap(images=50, trials=64) > gap(images=400, trials=64) + 0.02
    assert gap(images=50, trials=64) > gap(images=50, trials=9) + 0.01


def test_a_linear_axis_sends_the_trials_to_the_right():
    for sampler in ("random", "quasi-random"):
        low = [float((computed({"sampler": sampler, "axis": axis, "trials": 64})[1].learning_rate < 0.3).mean())
               for axis in ("log", "linear")]
        assert low == pytest.approx([2 / 3, 0.1], abs=0.12)


@given(st.floats(0, 0.999), st.floats(0, 1))
def test_the_same_share_of_either_axis(share, dropout):
    rate = tabular.config_at({"width": 0, "learning_rate": share, "l2": 0, "dropout": dropout})["learning_rate"]
    low, *_, high = tabular.SPACE["learning_rate"]
    assert searches.linear(rate) == pytest.approx(low + (high - low) * share)


@pytest.mark.parametrize("sampler", searches.SAMPLERS)
@pytest.mark.parametrize("budget", searches.GRIDS)
def test_all_samplers_have_the_same_budget(sampler, budget):
    _, runs = computed({"sampler": sampler, "trials": budget})
    assert runs.sizes["trial"] == budget
    if sampler == "grid":
        counts = searches.GRIDS[budget]
        assert [len(np.unique(runs[knob])) for knob in ("learning_rate", "dropout")] == [counts[1], counts[3]]
    else:
        assert len(np.unique(runs.learning_rate)) == budget


def test_the_grid_is_that_of_the_lecture():
    assert dict(zip(tabular.SPACE, searches.GRIDS[trials.BUDGET], strict=True)) == trials.EVEN


def test_the_map_shows_the_two_knobs_that_its_docstring_says():
    mean = tabular.table().accuracy.isel(epoch=-1).mean("seed")
    moved = {knob: float(along.max() - along.min()) for knob in tabular.SPACE
             for along in [mean.mean([other for other in mean.dims if other != knob])]}
    assert moved["learning_rate"] > moved["width"] > moved["dropout"] > moved["l2"]


def test_other_searches_come_one_by_one_until_it_is_stopped(few):
    seen = []
    _, runs = computed({"trials": 9, "open_test": True}, seen.append)
    assert [partial.sizes["search"] for partial in seen] == [1, 2, 3, 4]
    assert [LAB.done(partial) for partial in seen] == [0.25, 0.5, 0.75, 1]
    for partial in seen:   # each of them can be drawn
        drawn(LAB.checked({"trials": 9, "open_test": True}), partial)
    assert runs.sizes["trial"] == 9
    assert LAB.done(computed({"trials": 9})[1]) == 1
    state, runs = computed({"open_test": True}, lambda partial: partial.sizes["search"] == 3)
    assert LAB.done(runs) == 0.75
    assert "Mean of 2 other such searches" in drawn(state, runs)[-1]


def test_a_search_that_finds_nothing_is_on_the_picture():
    """The frame of the scores begins at one half, unless something lies below."""
    state, runs = computed({"open_test": True})
    for factor, floor in ((1, 0.5), (0.4, 0.0)):
        _, right, _ = drawn(state, runs.assign({name: factor * runs[name] for name in ("score", "validation", "test")}))
        assert right.get_ylim()[0] == floor
        assert line(right, "chosen")[0, 1] > floor
