"""Effects of the claims of lecture 02 on runs whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from course_utils.claims import training_curves
from course_utils.experiments.tuning import TUNING_SEEDS

SEEDS = [*TUNING_SEEDS, 0, 1, 2]


def nine_settings(accuracy_of):
    """Runs whose accuracy is a function of their loss; all losses differ."""
    dims = ("learning_rate", "weight_decay", "label_noise", "seed", "epoch")
    loss = np.random.default_rng(0).permutation(90).reshape(3, 3, 2, 5, 1) / 90
    return xr.Dataset({"loss": (dims, loss), "val_accuracy": (dims, accuracy_of(loss))},
                      {**training_curves.BRAKES, "label_noise": [0.0, 0.3], "seed": SEEDS, "epoch": [1]})


@pytest.mark.parametrize(("accuracy_of", "share"), [
    (lambda loss: 1 - loss, 1.0), (lambda loss: loss, 0.0), (np.zeros_like, 0.5)])
def test_pairs_agree_always_never_or_by_chance(accuracy_of, share):
    found = training_curves.agreeing_pairs(nine_settings(accuracy_of))
    assert found.seed.values.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found, share)


def test_choosing_by_loss_costs_what_the_best_setting_has_more():
    runs = nine_settings(lambda loss: 1 - loss)
    runs["val_accuracy"] = runs.val_accuracy * 0 + 0.5
    runs.val_accuracy.loc[{"learning_rate": 0.05, "weight_decay": 0.003}] = 0.9
    runs.loss.loc[{"learning_rate": 0.25, "weight_decay": 0.0}] = -1.0
    np.testing.assert_allclose(training_curves.chosen_by_loss(runs), -0.4)


def test_a_diverged_run_has_the_highest_loss():
    runs = nine_settings(lambda loss: 1 - loss)
    runs.loss.loc[{"learning_rate": 0.25, "weight_decay": 0.0}] = np.nan
    runs.val_accuracy.loc[{"learning_rate": 0.25, "weight_decay": 0.0}] = 0.0
    np.testing.assert_allclose(training_curves.agreeing_pairs(runs), 1.0)


@pytest.fixture
def changed():
    """The unchanged network: 0.9 at rate 0.3, 0.8 at the default, 0.1 at 1. Sigmoid: 0.3 there, 0.7 at rate 1."""
    dims = ("change", "learning_rate", "seed")
    changes, rates = list(training_curves.CHANGES), training_curves.RATES
    scores = xr.DataArray(np.full((len(changes), len(rates), 5), 0.5), {"change": changes, "learning_rate": rates,
                                                                        "seed": SEEDS}, dims)
    scores.loc[{"learning_rate": 0.1}] = 0.8
    scores.loc[{"learning_rate": 0.3}] = 0.9
    scores.loc[{"learning_rate": 1.0}] = 0.1
    scores.loc[{"change": "activation", "learning_rate": [0.1, 0.3, 1.0]}] = [[0.3], [0.3], [0.7]]
    return scores.to_dataset(name="val_accuracy")


def test_costs_at_one_rate_and_with_the_rate_tuned(changed):
    found = training_curves.costs(changed).mean("seed")
    fixed, tuned = (found[kind].to_series().round(6).to_dict() for kind in ("fixed", "tuned"))
    assert (fixed["learning rate"], fixed["activation"], fixed["width"]) == (0.8, 0.5, 0.0)
    assert (tuned["activation"], tuned["width"]) == (0.2, 0.0)


def test_the_learning_rate_is_compared_with_the_costliest_change(changed):
    np.testing.assert_allclose(training_curves.rate_against_others(changed), 0.3)


def test_tuning_again_regains_the_mean_over_the_changes(changed):
    others = len(training_curves.CHANGES) - 2
    np.testing.assert_allclose(training_curves.regained(changed), (0.4 + others * 0.1) / (others + 1))
