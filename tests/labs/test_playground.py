"""The playground: what is drawn and said follows from the state and the runs."""

import itertools
import sys

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from course_utils import labs, plots
from tests.helpers.lab_states import PNG, closed, opens, pairs

LAB = labs.playground
playground = sys.modules[LAB.__module__]


def results(state, *, validations=playground.EPOCHS // playground.BETWEEN, diverged=0):
    """Runs as `compute` returns them, without training: the class is 1 right of a line that is the seed's own."""
    split = playground.points(state)
    steps = playground.BETWEEN * (len(split.x_train) // state["batch_size"])
    shape = (playground.SEEDS, validations)
    lost = np.zeros(shape, bool)
    lost[:diverged] = True
    curves = np.random.default_rng(0).uniform(0.1, 0.9, shape)
    scores = {name: (("seed", "step"), np.where(lost & name.endswith("loss"), np.nan, curves))
              for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    across = plots.plane(split)[..., 0].ravel() - np.linspace(-0.3, 0.3, playground.SEEDS)[:, None]
    one = np.broadcast_to(1 / (1 + np.exp(-5 * across))[:, None], (*shape, across.shape[1]))
    one = np.where(lost[..., None], np.nan, one)
    return xr.Dataset(
        scores | {"diverged": (("seed", "step"), lost),
                  "probability": (("seed", "step", "point", "class"), np.stack([1 - one, one], -1))},
        {"seed": range(playground.SEEDS), "step": steps * np.arange(1, validations + 1)},
        {"steps": steps * (playground.EPOCHS // playground.BETWEEN)})


def drawn(**changes):
    """The two panels and the sentence of the first state."""
    axes, state = list(Figure().subplots(1, 2)), LAB.checked({})
    return *axes, closed(LAB).draw(axes, state, results(state, **changes))


def test_all_pairs_of_controls_can_be_drawn_and_called():
    for diverged, state in zip(itertools.cycle([0, 3, playground.SEEDS - 1, playground.SEEDS]), pairs(LAB)):
        picture, sentence = closed(LAB)._picture(state, results(state, diverged=diverged))
        assert picture.startswith(PNG)
        assert ("diverged" in sentence) == (diverged > 0)
        assert opens(closed(LAB).call(state)) == state


def test_every_network_has_its_boundary_and_every_training_point_is_there():
    left, right, _ = drawn()
    lines = [shapes for shapes in left.collections if np.array_equal(np.ravel(shapes.get_linewidths()), [0.7])]
    assert len(lines) == playground.SEEDS
    offsets = np.concatenate([shapes.get_offsets() for shapes in left.collections[-2:]])
    assert len(offsets) == len(playground.points(LAB.checked({})).x_train)
    assert {text.get_text() for text in right.texts} == {"training", "validation"}


def test_sentence_and_curves_agree():
    runs = results(LAB.checked({}))
    _, right, sentence = drawn()
    for line, score in zip(right.lines, ("loss", "val_loss"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), runs[score].mean("seed"))
        assert f"{line.get_label()} loss {line.get_ydata()[-1]:.2f}" in sentence
        assert line.get_xdata()[-1] == playground.EPOCHS
    assert f"interval: {float(runs.val_accuracy.isel(step=-1).mean()):.1%} [" in sentence


@pytest.mark.parametrize("diverged", [0, 3, 9, 10])
def test_diverged_runs_are_counted_and_left_out(diverged):
    _, right, sentence = drawn(diverged=diverged)
    for words in (right.get_title("left"), sentence):
        assert (f"({diverged} of 10 runs diverged)" in words) == (diverged > 0)
    assert bool(right.lines) == (diverged < 9)   # an interval needs two runs
    assert "nan" not in sentence


def test_a_partial_picture_says_how_far_it_is():
    left, _, sentence = drawn(validations=2)
    assert left.get_title("left") == f"Boundaries after {2 * playground.BETWEEN} epochs"
    assert f"after {2 * playground.BETWEEN} epochs" in sentence
    done = LAB.done(results(LAB.checked({}), validations=2))
    assert done == pytest.approx(2 * playground.BETWEEN / playground.EPOCHS)


@pytest.mark.parametrize("change", [
    {}, {"data": "spirals"}, {"noise": 0.0}, {"noise": 0.5}, {"learning_rate": 1e-3}, {"learning_rate": 10.0}], ids=str)
def test_the_ends_and_the_middle_train_for_real(change):
    state = LAB.checked(change)
    shares = []
    runs = closed(LAB).compute(state, lambda partial: shares.append(closed(LAB).done(partial)))
    assert len(shares) == playground.EPOCHS // playground.BETWEEN
    assert shares[-1] == pytest.approx(1)
    picture, sentence = closed(LAB)._picture(state, runs)
    assert picture.startswith(PNG)
    assert sentence.startswith(f"Validation accuracy after {playground.EPOCHS} epochs")
    assert (picture, sentence) == closed(LAB).render(state)   # a pure function of the state


@pytest.mark.slow
@pytest.mark.parametrize("change", [
    {"batch_size": 4}, {"batch_size": 64}, {"width": 2}, {"width": 32, "depth": 4}, {"depth": 1},
    {"activation": "sigmoid"}, {"batch_norm": True}], ids=str)
def test_the_ends_of_structural_controls_train_for_real(change):
    runs = closed(LAB).compute(LAB.checked(change), lambda partial: False)
    assert runs.val_accuracy.sizes == {"seed": playground.SEEDS, "step": playground.EPOCHS // playground.BETWEEN}
    assert closed(LAB).done(runs) == pytest.approx(1)


def test_the_moons_are_learned_and_the_boundary_lies_between_them():
    state = LAB.checked({})
    runs = closed(LAB).compute(state, lambda partial: False)
    assert runs.val_accuracy.isel(step=-1).mean() > 0.9
    mean = runs.probability.isel(step=-1).sel({"class": 1}).mean("seed").values
    points = plots.plane(playground.points(state)).reshape(-1, 2)
    upper, lower = np.abs(points - [0, 1]).sum(1).argmin(), np.abs(points - [1, -0.5]).sum(1).argmin()
    assert mean[upper] < 0.1
    assert mean[lower] > 0.9


def test_only_structural_changes_compile(compilations):
    for change in ({}, {"learning_rate": 1.0}, {"noise": 0.4}, {"data": "spirals"}):
        closed(LAB).compute(LAB.checked(change), lambda partial: True)
    assert len(compilations) == 1
