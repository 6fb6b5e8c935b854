"""The playground: what is drawn and said follows from the state and the runs."""

import itertools
import sys

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from course_utils import labs
from tests.helpers.lab_states import PNG, opens, pairs

playground = sys.modules[labs.playground.__module__]


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
    across = playground.mesh(split)[0][:, 0] - np.linspace(-0.3, 0.3, playground.SEEDS)[:, None]
    one = np.broadcast_to(1 / (1 + np.exp(-5 * across))[:, None], (*shape, across.shape[1]))
    one = np.where(lost[..., None], np.nan, one)
    return xr.Dataset(
        scores | {"diverged": (("seed", "step"), lost),
                  "probability": (("seed", "step", "point", "class"), np.stack([1 - one, one], -1))},
        {"seed": range(playground.SEEDS), "step": steps * np.arange(1, validations + 1)},
        {"steps": steps * (playground.EPOCHS // playground.BETWEEN)})


@pytest.fixture
def lab(monkeypatch):
    """The lab, its training replaced by synthetic runs."""
    monkeypatch.setattr(labs.playground, "compute", lambda self, state, report: results(state))
    opened = labs.playground()
    assert opened.wait(60)
    return opened


@pytest.fixture(scope="module")
def real_lab():
    opened = labs.playground()
    assert opened.wait(120)
    return opened


def drawn(lab, state, runs):
    """The two panels and the sentence of a state."""
    axes = list(Figure().subplots(1, 2))
    return *axes, lab.draw(axes, lab.checked(state), runs)


def test_all_pairs_of_controls_can_be_drawn_and_called(lab):
    for diverged, state in zip(itertools.cycle([0, 3, playground.SEEDS - 1, playground.SEEDS]), pairs(labs.playground)):
        picture, sentence = lab._picture(lab.checked(state), results(state, diverged=diverged))
        assert picture.startswith(PNG)
        assert ("diverged" in sentence) == (diverged > 0)
        assert f"on {state['data']} at learning rate {state['learning_rate']:.3g}" in sentence
        assert opens(lab.call(lab.checked(state))) == lab.checked(state)


def test_every_network_has_its_boundary_and_every_training_point_is_there(lab):
    state = lab.checked({})
    left, right, _ = drawn(lab, {}, results(state))
    lines = [shapes for shapes in left.collections if np.array_equal(np.ravel(shapes.get_linewidths()), [0.7])]
    assert len(lines) == playground.SEEDS
    offsets = np.concatenate([shapes.get_offsets() for shapes in left.collections[-2:]])
    assert len(offsets) == len(playground.points(state).x_train)
    assert {text.get_text() for text in right.texts} == {"training", "validation"}


def test_sentence_and_curves_agree(lab):
    runs = results(lab.checked({}))
    _, right, sentence = drawn(lab, {}, runs)
    for line, score in zip(right.lines, ("loss", "val_loss"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), runs[score].mean("seed"))
        assert f"{line.get_label()} loss {line.get_ydata()[-1]:.2f} [" in sentence
        assert line.get_xdata()[-1] == playground.EPOCHS
    assert f"interval: {float(runs.val_accuracy.isel(step=-1).mean()):.1%} [" in sentence


@pytest.mark.parametrize(("diverged", "told"), [(0, None), (3, "3 of 10 runs diverged"), (9, "9 of 10 runs diverged"),
                                               (10, "all 10 runs diverged")])
def test_diverged_runs_are_counted_and_left_out(lab, diverged, told):
    _, right, sentence = drawn(lab, {}, results(lab.checked({}), diverged=diverged))
    words = " ".join([right.get_title("left"), *(text.get_text() for text in right.texts)])
    assert ("diverged" in words) == ("diverged" in sentence) == (told is not None)
    assert told is None or (told in words and told in sentence)
    assert "nan" not in sentence


def test_a_partial_picture_says_how_far_it_is(lab):
    runs = results(lab.checked({}), validations=2)
    left, _, sentence = drawn(lab, {}, runs)
    assert left.get_title("left") == f"Boundaries after {2 * playground.BETWEEN} epochs"
    assert f"after {2 * playground.BETWEEN} epochs" in sentence
    assert lab.done(runs) == pytest.approx(2 * playground.BETWEEN / playground.EPOCHS)


def test_the_mesh_covers_the_points():
    split = playground.points({"data": "spirals", "noise": 0.5})
    points, across, up = playground.mesh(split)
    assert points.shape == (playground.GRID**2, 2)
    assert (points.min(0) < split.x_train.min(0)).all()
    assert (points.max(0) > split.x_train.max(0)).all()
    np.testing.assert_array_equal(points.reshape(len(up), len(across), 2)[3, 7], [across[7], up[3]])


@pytest.mark.parametrize("change", [
    {}, {"data": "spirals"}, {"noise": 0.0}, {"noise": 0.5}, {"learning_rate": 1e-3}, {"learning_rate": 10.0}], ids=str)
def test_the_ends_and_the_middle_train_for_real(change, real_lab):
    state = labs.playground.checked(change)
    shares = []
    runs = real_lab.compute(state, lambda partial: shares.append(real_lab.done(partial)))
    assert len(shares) == playground.EPOCHS // playground.BETWEEN
    assert shares[-1] == pytest.approx(1)
    picture, sentence = real_lab._picture(state, runs)
    assert picture.startswith(PNG)
    assert sentence.startswith(f"Validation accuracy after {playground.EPOCHS} epochs")
    assert (picture, sentence) == real_lab.render(state)   # a pure function of the state


@pytest.mark.slow
@pytest.mark.parametrize("change", [
    {"batch_size": 4}, {"batch_size": 64}, {"width": 2}, {"width": 32, "depth": 4}, {"depth": 1},
    {"activation": "sigmoid"}, {"batch_norm": True}], ids=str)
def test_the_ends_of_structural_controls_train_for_real(change, real_lab):
    runs = real_lab.compute(labs.playground.checked(change), lambda partial: False)
    assert runs.val_accuracy.sizes == {"seed": playground.SEEDS, "step": playground.EPOCHS // playground.BETWEEN}
    assert real_lab.done(runs) == pytest.approx(1)


def test_the_moons_are_learned_and_the_boundary_lies_between_them(real_lab):
    state = labs.playground.checked({})
    runs = real_lab.compute(state, lambda partial: False)
    assert runs.val_accuracy.isel(step=-1).mean() > 0.9
    mean = runs.probability.isel(step=-1).sel({"class": 1}).mean("seed").values
    points, *_ = playground.mesh(playground.points(state))
    upper, lower = np.abs(points - [0, 1]).sum(1).argmin(), np.abs(points - [1, -0.5]).sum(1).argmin()
    assert mean[upper] < 0.1
    assert mean[lower] > 0.9


def test_only_structural_changes_compile(real_lab, compilations):
    for change in ({}, {"learning_rate": 1.0}, {"noise": 0.4}, {"data": "spirals"}):
        real_lab.compute(labs.playground.checked(change), lambda partial: True)
    assert len(compilations) == 1
