"""Effects of the claims about learning rates and schedules on runs whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from course_utils.claims import training_curves
from course_utils.experiments.tuning import TUNING_SEEDS

SEEDS = [*TUNING_SEEDS, 0, 1, 2]


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
