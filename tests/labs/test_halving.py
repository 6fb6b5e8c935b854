"""The halving lab: curves, choice and comparison are those of the table, cut where the pruner stopped."""

import re
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from course_utils import labs, stats
from course_utils.experiments import searches, tabular
from course_utils.search import pruning
from tests.helpers.lab_states import PNG, closed, opens, pairs

LAB = labs.halving
module = sys.modules[LAB.__module__]
PRUNERS = pytest.mark.parametrize("pruner", ["none", *pruning.RULES])


def computed(**changes):
    state = LAB.checked(changes)
    return state, closed(LAB).compute(state, lambda partial: False)


def drawn(state, runs):
    """Both panels and the sentence."""
    axes = list(Figure(figsize=(8.8, 3.4)).subplots(1, 2))
    return *axes, closed(LAB).draw(axes, state, runs)


def lines(ax, **look):
    """The data of lines that look so."""
    return [line.get_xydata() for line in ax.lines
            if all(getattr(line, f"get_{name}")() == value for name, value in look.items())]


@pytest.fixture
def few(monkeypatch):
    """Three repetitions are enough to see that they are there."""
    monkeypatch.setattr(module, "REPEATS", range(1000, 1003))


def test_all_pairs_of_controls_can_be_drawn_and_called(few):
    for state in pairs(LAB):
        picture, sentence = closed(LAB).render(state)
        assert picture.startswith(PNG)
        assert sentence.startswith(f"Pruner: {state['pruner']}. Trained to the end: ")
        assert f" of {state['configurations']} configurations; stopped: " in sentence
        assert f" of {12 * state['configurations']}. Chosen: accuracy " in sentence
        assert "nan" not in sentence
        assert opens(closed(LAB).call(LAB.checked(state))) == LAB.checked(state)


@PRUNERS
@pytest.mark.parametrize("number", [1, 2, 10])
def test_curves_end_where_they_were_stopped(few, pruner, number):
    state, runs = computed(pruner=pruner, number=number)
    left, _, sentence = drawn(state, runs)
    curves, _, _ = tabular.sample(number, 64)
    pruned = searches.prune(curves, pruner, 3, 1)
    on = pruned.epochs == 12
    for which, color in ((~on, "0.55"), (on, "C0")):
        found = [data[np.isfinite(data[:, 1])] for data in lines(left, color=color)]
        assert len(found) == which.sum()
        for data, curve, last in zip(found, curves[which], pruned.epochs[which], strict=True):
            np.testing.assert_allclose(data, np.c_[1:last + 1, curve[:last]])
    [crosses] = lines(left, marker="x")
    np.testing.assert_allclose(crosses, [[last, curve[last - 1]] for curve, last in zip(
        curves[~on], pruned.epochs[~on], strict=True)] or np.empty((0, 2)))
    [star] = lines(left, marker="*")
    np.testing.assert_allclose(star[-1], [12, curves[pruned.chosen, -1]])
    assert f"Trained to the end: {on.sum()} of 64 configurations; " in sentence
    assert f"Epochs spent: {pruned.spent} of 768. " in sentence
    assert f"Chosen: accuracy {curves[pruned.chosen, -1]:.1%}, " in sentence
    said = {int(last): int(count) for count, last in re.findall(r"(\d+) after epoch (\d+)", sentence)}
    assert said == {last: np.sum(pruned.epochs == last) for last in set(pruned.epochs[~on])}


@PRUNERS
def test_what_would_have_been_best_is_drawn_if_it_was_stopped(few, pruner):
    seen = set()
    for number in range(1, 11):
        state, runs = computed(pruner=pruner, number=number, configurations=128)
        left, _, sentence = drawn(state, runs)
        curves, epochs = runs.accuracy.values, runs.epochs.values
        best = np.argmax(curves[:, -1])
        stopped = epochs[best] < 12
        found = lines(left, marker="D")
        seen.add(stopped)
        assert len(found) == stopped == ("would have reached" in sentence)
        if stopped:
            np.testing.assert_allclose(found[0][:, 1], curves[best, epochs[best] - 1:])
            assert f"would have reached {curves[best, -1]:.1%}." in sentence
        else:
            assert best == runs.attrs["chosen"]
    assert seen == {False, pruner != "none"}


@PRUNERS
def test_the_comparison_has_as_many_epochs_and_the_same_trainings(pruner):
    seeds = range(1000, 1003)
    found = searches.pruned(pruner, 2, 2, 32, seeds)
    for at, seed in enumerate(seeds):
        here = found.isel(search=at)
        curves, worth, _ = tabular.sample(seed, 32)
        pruned = searches.prune(curves, pruner, 2, 2)
        affordable = int(np.ceil(pruned.spent / 12))   # never less than the pruner had
        assert pruned.spent <= 12 * affordable < pruned.spent + 12
        for count in (1, affordable, 32):
            assert here.plain.sel(budget=12 * count) == worth[pruning.no_pruning(curves[:count]).chosen]
        assert here.equal == here.plain.sel(budget=12 * affordable)
        assert (here.choice, here.spent) == (worth[pruned.chosen], pruned.spent)
        assert here.lost == pruned.epochs[curves[:, -1].argmax()]


@PRUNERS
def test_the_right_panel_shows_the_choice_and_the_sentence_the_paired_difference(pruner):
    state, runs = computed(pruner=pruner, factor=2)
    assert runs.sizes["search"] == len(module.REPEATS) >= 20
    assert not set(module.REPEATS) & set(LAB.controls["number"].examples)
    _, right, sentence = drawn(state, runs)
    choice = stats.interval(runs.choice, over="search")
    [errorbar] = right.containers
    np.testing.assert_allclose(errorbar.lines[0].get_xydata(), [[runs.spent.mean(), choice["mean"]]])
    np.testing.assert_allclose(errorbar.lines[2][0].get_segments()[0][:, 1], [choice["low"], choice["high"]])
    np.testing.assert_allclose(lines(right, color="C0")[0][:, 1], runs.plain.mean("search"))
    gains = [stats.interval(runs.choice - other, over="search") for other in (runs.equal, runs.plain[:, -1])]
    words = [[f"{100 * float(gain[part]):{how}}" for part, how in (("mean", "+.1f"), ("low", "+.1f"), ("high", "+.1f"))]
             for gain in gains]
    said = ["{} [{}, {}] ".format(*word).replace("-", "−") for word in words]
    assert f"reaches {float(choice['mean']):.1%} [" in sentence
    if pruner == "none":
        assert words[0] == words[1] == ["+0.0", "+0.0", "+0.0"]
        assert "compared" not in sentence
    else:
        assert f"{said[0]}points compared with no pruner" in sentence
        assert f"and {said[1]}points compared with all" in sentence
        assert f"was stopped in {float((runs.lost < 12).mean()):.0%} of the searches" in sentence
        assert f"first opportunity in {float((runs.lost == 1).mean()):.0%}." in sentence


def test_what_the_lecture_sends_learners_to_see():
    """Successive halving pays most when there is little to spend, and hardly ever loses the best at its first rung."""
    found = {name: searches.pruned(pruner, factor, 1, size, module.REPEATS) for name, (pruner, factor, size) in {
        "small": ("successive halving", 4, 16), "usual": ("successive halving", 3, 64),
        "cautious": ("Hyperband", 3, 64), "median": ("median", 3, 128)}.items()}
    gain = {name: float((runs.choice - runs.equal).mean()) for name, runs in found.items()}
    assert gain["small"] > 0.1 > 0.04 > gain["usual"] > 0.01 > gain["cautious"]
    lost = {name: float((runs.lost == 1).mean()) for name, runs in found.items()}
    assert lost["usual"] < 0.03 < lost["small"] < 0.15 < lost["median"]
    for runs in found.values():   # and yet what is chosen instead is about as good
        assert abs(float((runs.choice - runs.plain[:, -1]).mean())) < 0.01


@PRUNERS
@pytest.mark.parametrize("configurations", [16, 128])
def test_nothing_is_cut_off(pruner, configurations):
    state, runs = computed(pruner=pruner, configurations=configurations, factor=4, number=2)
    figure, _ = closed(LAB).figure(state, runs)
    axes, renderer = figure.axes, FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    for ax in axes:
        for part in (ax._left_title, ax.get_legend(), *ax.texts):
            box = part.get_window_extent(renderer)
            assert box.x1 <= figure.bbox.width
            assert box.x0 >= ax.get_window_extent().x0 - 1
    low, high = axes[1].get_ylim()
    assert low < runs.equal.mean() <= runs.choice.mean() < high
