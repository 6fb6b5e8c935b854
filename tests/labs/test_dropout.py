"""The dropout lab: what is drawn and said follows from the state and the runs."""

import itertools
import sys

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from course_utils import labs, plots
from tests.helpers.lab_states import PNG, closed, opens, pairs

LAB = labs.dropout
module = sys.modules[LAB.__module__]


def results(state, *, validations=None, lost=0):
    """Runs as `compute` returns them, without training: with dropout all accuracies are higher by 0.1."""
    epochs, between, _ = module.DATA[state["data"]]
    split, rates = module.data(state), module.rates(state)
    shape = (len(rates), module.SEEDS, validations or epochs // between)
    steps = between * (len(split.x_train) // 32)
    base = np.linspace(0.3, 0.6, module.SEEDS)[:, None] + np.linspace(0, 0.2, shape[2])
    scores = np.stack([base, base + 0.1])[:len(rates)]
    diverged = np.zeros(shape, bool)
    diverged[-1, :lost] = True
    dims = ("dropout", "seed", "step")
    runs = xr.Dataset({"accuracy": (dims, scores - 0.05), "val_accuracy": (dims, scores), "diverged": (dims, diverged)},
                      {"dropout": rates, "seed": range(module.SEEDS), "step": steps * np.arange(1, shape[2] + 1)},
                      {"steps": steps * (epochs // between)})
    if state["data"] == "moons":
        across = plots.plane(split)[..., 0].ravel() - np.linspace(-0.3, 0.3, module.SEEDS)[:, None]
        one = np.broadcast_to(1 / (1 + np.exp(-5 * across))[:, None], (*shape, across.shape[1]))
        one = np.where(diverged[..., None], np.nan, one)
        runs["probability"] = ((*dims, "point", "class"), np.stack([1 - one, one], -1))
    return runs


def drawn(state, **changes):
    """The three panels and the sentence of a state."""
    state, axes = LAB.checked(state), list(Figure().subplots(1, 3))
    return *axes, closed(LAB).draw(axes, state, results(state, **changes))


def test_all_pairs_of_controls_can_be_drawn_and_called():
    for lost, state in zip(itertools.cycle([0, 3, module.SEEDS]), pairs(LAB)):
        picture, sentence = closed(LAB)._picture(state, results(state, lost=lost))
        assert picture.startswith(PNG)
        assert ("diverged" in sentence) == (lost > 0)
        assert "nan" not in sentence
        assert opens(closed(LAB).call(LAB.checked(state))) == LAB.checked(state)


def test_sentence_and_curves_agree():
    _, middle, right, sentence = drawn({"rate": 0.5})
    for line, name in zip(middle.lines[::2], ("without", "with"), strict=True):
        assert f"{name} dropout {line.get_ydata()[-1]:.1%} [" in sentence
    assert "Dropout with rate 0.5 gains +10.0 [+10.0, +10.0] points." in sentence
    np.testing.assert_allclose(right.lines[0].get_ydata(), 0.1)
    assert right.lines[0].get_xdata()[-1] == module.DATA["digits"][0]


def test_without_dropout_there_is_one_arm():
    for data in module.DATA:
        _, middle, _, sentence = drawn({"rate": 0.0, "data": data})
        assert len(middle.lines) == 2
        assert "with dropout" not in sentence.replace("without dropout", "")


def test_moons_have_the_boundary_of_both_arms():
    _, _, right, _ = drawn({"data": "moons"})
    widths = [np.ravel(shapes.get_linewidths()).tolist() for shapes in right.collections]
    assert widths.count([0.7]) == module.SEEDS
    assert widths.count([2.5]) == 1


def test_a_partial_result_says_how_far_it_is():
    state = LAB.checked({"data": "moons"})
    assert LAB.done(results(state, validations=3)) == pytest.approx(0.1)
    assert "after 15 epochs" in drawn(state, validations=3)[-1]


@pytest.mark.parametrize("width", [8, 64])
def test_the_mask_drops_its_share_and_more_at_a_higher_rate(width):
    shares = []
    for rate in (0.0, 0.2, 0.5, 0.9):
        mask = module.mask(rate, width)
        assert mask.shape == (24, min(width, 32))
        assert 1 - mask.mean() == pytest.approx(rate, abs=0.08)
        shares.append(mask)
    assert all((low >= high).all() for low, high in itertools.pairwise(shares))


def final(state):
    runs = closed(LAB).compute(LAB.checked(state), lambda partial: False)
    assert LAB.done(runs) == pytest.approx(1)
    return runs.val_accuracy.isel(step=-1).mean("seed")


def test_it_trains_for_real():
    """What the lecture tells: dropout gains with wrong labels at a high rate of learning; too much ruins a network."""
    wrong = final({})
    assert wrong.sel(dropout=0.2) > wrong.sel(dropout=0.0)
    ruined = final({"rate": 0.9})
    assert ruined.sel(dropout=0.9) < ruined.sel(dropout=0.0) - 0.2
    assert final({"rate": 0.0}).sizes == {"dropout": 1}
    assert final({"train_size": 32, "label_noise": 0.0}).sel(dropout=0.0) < wrong.sel(dropout=0.0)


@pytest.mark.slow
def test_moons_and_narrow_networks_train_for_real():
    state = LAB.checked({"data": "moons", "width": 8, "label_noise": 0.0})
    runs = closed(LAB).compute(state, lambda partial: False)
    assert runs.val_accuracy.sel(dropout=0.0).isel(step=-1).mean() > 0.8
    assert closed(LAB)._picture(state, runs) == closed(LAB).render(state)


def test_only_structural_changes_compile(compilations):
    for change in ({"width": 32}, {"width": 32, "rate": 0.6, "learning_rate": 0.1}, {"width": 32, "train_size": 64}):
        closed(LAB).compute(LAB.checked(change), lambda partial: True)
    assert len(compilations) == 1
