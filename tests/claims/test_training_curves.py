"""Effects of the claims about learning rates and schedules on runs whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from course_utils.claims import training_curves
from course_utils.experiments.comparison import LAST
from course_utils.experiments.tuning import TUNING_SEEDS


def test_what_tuning_again_regains_is_averaged_over_the_changes():
    """0.5 at all rates, 0.8 at the default, 0.9 at rate 0.3; with sigmoid units 0.3 there, and 0.7 at rate 1."""
    changes, rates = list(training_curves.CHANGES), training_curves.RATES
    seeds = [*TUNING_SEEDS, 0, 1, 2]
    scores = xr.DataArray(np.full((len(changes), len(rates), 5), 0.5),
                          {"change": changes, "learning_rate": rates, "seed": seeds},
                          ("change", "learning_rate", "seed"))
    scores.loc[{"learning_rate": 0.1}] = 0.8
    scores.loc[{"learning_rate": 0.3}] = 0.9
    scores.loc[{"change": "activation", "learning_rate": [0.1, 0.3, 1.0]}] = [[0.3], [0.3], [0.7]]
    others = len(changes) - 2
    found = training_curves.regained(scores.to_dataset(name="val_accuracy"))
    assert found.seed.values.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found, (0.4 + others * 0.1) / (others + 1))


@pytest.mark.parametrize(("second", "third", "gained"), [(0.7, 0.8, -0.1), (0.4, 0.6, 0.1), (0.5, 0.5, 0.2)])
def test_the_first_arm_is_compared_with_the_arm_that_is_best_on_average(second, third, gained):
    scores = xr.DataArray(np.broadcast_to(np.array([0.7, second, third])[:, None, None], (3, 2, 5 * LAST)).copy(),
                          {"arm": ["learning_rate", "width", "depth"], "seed": [0, 1]}, ("arm", "seed", "step"))
    scores[1, 0] += 0.05   # one seed on which the second arm does better changes no choice
    runs = xr.Dataset({"val_accuracy": scores})
    expected = [gained, gained] if second != third else [gained - 0.05, gained]
    np.testing.assert_allclose(training_curves.over_the_best_other(runs), expected)
