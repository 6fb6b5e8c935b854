"""How the tasks of lecture 04 are scaled, and the effects of its claims on known runs."""

import numpy as np
import pytest
import xarray as xr

from course_utils.claims import normalizing_inputs as claims


def test_units_and_slips_belong_to_the_seed(digits):
    task = claims.unequal(lambda seed: digits, slips=0.01)
    again, other = task(1), task(2)
    np.testing.assert_array_equal(again.x_train, task(1).x_train)
    assert not np.allclose(again.x_train, other.x_train)
    clean = claims.unequal(lambda seed: digits)(1)
    assert clean.x_train.var(0).mean() == pytest.approx(1, rel=1e-4)
    slipped = again.x_val != clean.x_val
    assert 0 < slipped.mean() < 0.01   # half of the pixels are 0 anyway
    np.testing.assert_allclose(again.x_val[slipped], 100 * clean.x_val[slipped], rtol=1e-5)


@pytest.mark.parametrize(("scaler", "width"), [
    (claims.MIN_MAX, lambda x: x.max(0).max()), (claims.STANDARDIZED, lambda x: x.std(0).max())],
    ids=["min–max", "standardized"])
def test_claims_scale_by_what_the_training_samples_say(scaler, width, digits):
    data = claims.scaled(claims.unequal(lambda seed: digits, slips=0.01), scaler)(1)
    assert width(data.x_train) == pytest.approx(1, rel=1e-3)
    assert width(data.x_val) > 1.2   # not its own statistics


def trained(features, scaling, accuracy, steps=(1, 2)):
    """Runs of all rates, of which only one has learned anything; `accuracy` is a function of what both arms are."""
    seeds = [*claims.TUNING_SEEDS, 0, 1]
    scores = xr.DataArray(np.zeros((2, 2, len(claims.RATES), len(seeds), len(steps))), {
        "features": features, "scaling": scaling, "learning_rate": claims.RATES, "seed": seeds, "step": list(steps)})
    for one in features:
        for other in scaling:
            scores.loc[{"features": one, "scaling": other, "learning_rate": 0.1}] = accuracy(one, other)
    return scores.to_dataset(name="val_accuracy")


def test_effects_have_the_sign_that_their_words_say():
    alone = trained(["as they come", "in unequal units"], ["left alone", "standardized"], lambda features, scaling: {
        "left alone": [0.9, 0.95], "standardized": [0.5, 0.85]}[scaling] if features == "as they come" else [0.1, 0.2],
        steps=(11, 22))
    np.testing.assert_allclose(claims.lost_as_they_come(alone), [0.1, 0.1])
    np.testing.assert_allclose(claims.steps_as_they_come(alone), [2, 2])   # 80 % at step 22 instead of 11
    slips = trained(["clean", "with slips"], ["min–max", "standardized"], lambda features, scaling: {
        "min–max": [0.2, 0.3], "standardized": [0.8, 0.9]}[scaling] if features == "with slips" else [0.5, 0.5])
    np.testing.assert_allclose(claims.gained_with_slips(slips), [-0.6, -0.6])
