"""What the claims of lecture 11 choose by, and their effects, on known runs."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import claims as room
from course_utils import datasets
from course_utils.claims import data_augmentation as claims


def some_runs():
    """Accuracies of two seeds; on the tuning seeds another kind is the best."""
    kind = ["none", "shifts", "rotations", "flips"]
    return xr.Dataset({"val_accuracy": (("kind", "seed"), [[0.5, 0.6], [0.7, 0.9], [0.8, 0.6], [0.4, 0.4]]),
                       "tuned": ("kind", [0.9, 0.7, 0.3, 0.2]), "more": ("seed", [0.8, 0.8])},
                      {"kind": kind, "seed": [0, 1]})


def test_effects_have_the_sign_that_their_words_say():
    runs = some_runs()
    assert claims.gained(runs).kind.values.tolist() == ["shifts", "rotations", "flips"]
    np.testing.assert_allclose(claims.gained_by_shifts(runs), [0.2, 0.3])
    np.testing.assert_allclose(claims.gained_by_flips(runs), [-0.1, -0.2])
    race = xr.Dataset({"steps": (("rotation", "seed"), [[30, 20], [40, 40]])},
                      {"rotation": [0.0, 15.0], "seed": [0, 1], "learning_rate": ("rotation", [0.01, 0.03])})
    np.testing.assert_allclose(claims.speed_kept(race), [0.75, 0.5])


def test_the_kind_is_chosen_on_the_tuning_seeds_and_none_is_no_kind():
    assert claims.best_kind(some_runs()) == "shifts"
    np.testing.assert_allclose(claims.gained_over_more_data(some_runs()), [-0.1, 0.1])


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_each_arm_is_scored_at_the_rate_that_was_best_for_it_on_the_tuning_seeds(draw):
    seeds = [*claims.TUNING_SEEDS, 0, 1, 2]
    scores = xr.DataArray(np.random.default_rng(draw).random((2, 2, len(seeds))),
                          {"kind": ["none", "flips"], "learning_rate": claims.LEARNING_RATES, "seed": seeds},
                          ("kind", "learning_rate", "seed"))
    found = claims.scores_at_best_rate(scores, claims.TUNING_SEEDS)
    assert found.seed.values.tolist() == [0, 1, 2]
    for kind in scores.kind.values:
        tuning = scores.sel(kind=kind, seed=list(claims.TUNING_SEEDS)).mean("seed")
        assert float(found.tuned.sel(kind=kind)) == pytest.approx(float(tuning.max()))
        np.testing.assert_array_equal(found.val_accuracy.sel(kind=kind), scores.sel(
            kind=kind, learning_rate=tuning.idxmax(), seed=[0, 1, 2]))


def test_all_kinds_name_the_same_knobs_and_the_other_task_is_one_of_images(monkeypatch):
    asked = []

    def train(build_model, data, grid, **how):
        asked.append(grid)
        shape = (len(grid["learning_rate"]), len(grid["seed"]), 5)
        return xr.Dataset({"val_accuracy": (("learning_rate", "seed", "epoch"), np.full(shape, len(asked) / 10))},
                          {"learning_rate": grid["learning_rate"], "seed": grid["seed"], "epoch": range(5)})

    monkeypatch.setattr(claims, "fit_many", train)
    runs = claims.against_more_data(lambda seed: None, [0, 1])
    *few, more = asked
    assert len({tuple(grid) for grid in few}) == 1
    assert [grid["train_size"] for grid in few] == [claims.FEW] * 4
    assert [(grid["shift"], grid["rotation"], grid["horizontal_flip"]) for grid in few] == [
        (0, 0, 0), (1, 0, 0), (0, 15.0, 0), (0, 0, 0.5)]
    assert more["train_size"] == claims.MORE
    assert not {"shift", "rotation", "horizontal_flip"}.intersection(more)
    np.testing.assert_allclose(runs.val_accuracy.sel(kind="flips"), 0.4)
    np.testing.assert_allclose(runs.more, 0.5)
    for claim in claims.CLAIMS:
        side = getattr(datasets, claim.second_task)(0, samples=60).x_train.shape[1]**0.5
        assert side == int(side)


def test_a_retrial_takes_the_second_task_of_its_claim():
    asked = []

    def trial(task, seeds):
        asked.append(task)
        return xr.Dataset({"points": ("seed", np.linspace(2.5, 3.5, len(seeds)))})

    claim = room.Claim("test", "Tea helps.", "common slip", "99", "points", trial, lambda runs: runs.points, 2.0, 0.0,
                       1.0, 1.0, second_task="glyphs")
    found = room.rerun([claim], progress=lambda line: None)
    assert asked == [datasets.digits, datasets.glyphs]
    assert set(found["test"]) == {"digits", "glyphs"}
