"""The lab of the penalties without a browser: pure functions of its state."""

import sys

import numpy as np
import pytest
import xarray as xr

from course_utils import datasets, labs
from tests.helpers.lab_states import PNG, closed, pairs

LAB = labs.penalties
module = sys.modules[LAB.__module__]
FIRST = {"strength": 0.1, "label_noise": 0.4, "images": 100, "report": lambda partial: True}   # one validation


def results(steps=module.STEPS):
    """Runs as `train` returns them: the penalty zeroes one weight in four and gains ten points."""
    step, shape = np.arange(20, steps + 1, 20), (2, module.SEEDS, steps // 20)
    scores = {name: (("arm", "seed", "step"), np.broadcast_to(np.reshape(values, (2, 1, 1)), shape))
              for name, values in {"accuracy": [0.9, 0.6], "val_accuracy": [0.7, 0.8]}.items()}
    weights = np.tile([-0.5, -0.1, 0.2, 0.4], (2, module.SEEDS, 1))
    weights[1, :, 1] = 0
    return xr.Dataset(scores | {"weights": (("arm", "seed", "weight"), weights)},
                      {"step": step, "arm": module.ARMS, "seed": range(module.SEEDS)}, {"steps": module.STEPS})


def test_all_pairs_of_controls_can_be_drawn_and_told():
    for state in pairs(LAB):
        picture, sentence = closed(LAB)._picture(state, results())
        assert picture.startswith(PNG)
        assert "without it 70.0% [70.0%, 70.0%], with it 80.0% [80.0%, 80.0%]" in sentence
        assert "the gain is +10.0 [+10.0, +10.0] points." in sentence
        assert "25% are within 0.001 of zero with regularization, 0% without" in sentence


@pytest.mark.parametrize(("kind", "words"), [
    ("L2", "L2(0.01)"), ("L1", "L1(0.003)"), ("weight decay", "weight_decay=0.02"), ("max-norm", "MaxNorm(1.6)"),
    ("label smoothing", "label_smoothing=0.09")])
def test_the_sentence_begins_with_what_to_pass_to_keras(kind, words):
    _, sentence = closed(LAB)._picture(LAB.checked({"kind": kind}), results())
    assert sentence.startswith(f"{words}. ")


def test_a_partial_result_can_be_drawn():
    partial = results(steps=200)
    picture, sentence = closed(LAB)._picture(LAB.checked({}), partial)
    assert picture.startswith(PNG)
    assert "after 200 steps" in sentence
    assert LAB.done(partial) == pytest.approx(200 / module.STEPS)


def test_only_one_arm_has_the_penalty_and_every_kind_is_another():
    runs = {kind: module.train(datasets.digits(), kind=kind, **FIRST) for kind in module.KINDS}
    for other in list(runs.values())[1:]:
        xr.testing.assert_identical(runs["L2"].sel(arm="without"), other.sel(arm="without"))
    penalized = {kind: run.weights.sel(arm="with").values for kind, run in runs.items()}
    # Under plain SGD, L2 is weight decay of twice its strength.
    assert module.amount("weight decay", 0.1) == 2 * module.amount("L2", 0.1)
    np.testing.assert_allclose(penalized["L2"], penalized.pop("weight decay"), atol=1e-4)
    for kind, weights in penalized.items():
        others = [runs["L2"].weights.sel(arm="without"), *(penalized[name] for name in penalized if name != kind)]
        assert min(np.abs(weights - other).max() for other in others) > 1e-3, kind


def test_the_numbers_do_not_compile_another_program(monkeypatch):
    from course_utils.training import fit

    used = set()
    compiled = fit.compiled
    monkeypatch.setattr(fit, "compiled", lambda structure: used.add(structure.key()) or compiled(structure))
    for kind, other in zip(module.KINDS, range(5), strict=True):
        module.train(datasets.digits(), kind=kind, **FIRST | {
            "strength": 0.1 + other / 10, "label_noise": other / 10, "images": 50 + other})
    assert len(used) == 1


@pytest.mark.parametrize("kind", list(module.KINDS))
@pytest.mark.parametrize("strength", [1e-3, 1.0])
def test_the_ends_stay_finite(kind, strength):
    picture, sentence = closed(LAB).render(LAB.checked({"kind": kind, "strength": strength, "images": 50}))
    assert picture.startswith(PNG)
    assert "nan" not in sentence


def test_a_penalty_helps_with_label_noise_and_l1_makes_small_weights():
    l2, l1 = (module.train(datasets.digits(), kind=kind, strength=0.1, label_noise=0.4, images=200)
              for kind in ("L2", "L1"))
    gain = (l2.val_accuracy.sel(arm="with") - l2.val_accuracy.sel(arm="without")).isel(step=-1)
    assert gain.mean() > 0.05
    assert (abs(l1.weights.sel(arm="with")) < 1e-3).mean() > (abs(l2.weights.sel(arm="with")) < 1e-3).mean() + 0.1
    norm = (l2.weights**2).sum("weight")
    assert norm.sel(arm="with").max() < norm.sel(arm="without").min()


def test_each_partial_result_has_the_weights_so_far_and_training_stops_on_request():
    seen = []

    def report(partial):
        seen.append(partial.weights)
        return partial.step[-1] >= 60

    runs = module.train(datasets.digits(), kind="L1", **FIRST | {"report": report})
    assert runs.step[-1] == 60
    assert len(seen) == 3
    assert not np.allclose(seen[1], seen[0])
    np.testing.assert_array_equal(seen[2], runs.weights)
