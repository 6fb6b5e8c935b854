"""A power law is found where there is one, and its interval holds what will be measured."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import power_law
from tests.helpers.sentences import refused

SIZES = np.array([32.0, 64, 128, 256, 512, 1024])


def curves(scale, rate, floor, *, spread=0.0, runs=10, seed=0):
    """Errors of runs that follow a law, each too high or too low at all sizes, and a little noise."""
    rng = np.random.default_rng(seed)
    mean = scale * SIZES**-rate + floor
    errors = mean * np.exp(spread * (rng.normal(size=(runs, 1)) + rng.normal(size=(runs, len(SIZES)))))
    return xr.DataArray(errors, {"seed": range(runs), "train_size": SIZES})


@settings(max_examples=25)
@given(st.floats(0.5, 5), st.floats(0.3, 1.5), st.floats(0, 0.2), st.sampled_from([1, 30, 100, 1e4]))
def test_it_finds_the_law_that_made_the_errors(scale, rate, floor, unit):
    errors = unit * curves(scale, rate, floor)
    law = power_law.fit(errors, resamples=2)
    np.testing.assert_allclose(law(SIZES), errors.mean("seed"), rtol=1e-3)
    assert law(1e5) == pytest.approx(unit * (scale * 1e5**-rate + floor), rel=0.05, abs=1e-3 * unit)
    assert law.rate == pytest.approx(rate, abs=0.05)


@pytest.mark.audit
def test_the_interval_holds_the_held_out_size_at_least_about_as_often_as_it_says():
    hits = 0
    for seed in range(60):
        errors = curves(2.0, 0.6, 0.02, spread=0.1, seed=seed)
        law = power_law.fit(errors.sel(train_size=slice(256)), resamples=40)
        said = law.predict([1024]).isel(train_size=0)
        hits += bool(said.low <= errors.sel(train_size=1024).mean() <= said.high)
    assert hits >= 50   # of 60; a 95 % interval, from ten runs and forty resamples


@pytest.mark.parametrize(("scale", "rate", "floor"), [(8, 0.5, 1.2), (300, 0.5, 5), (900, 0.4, 20), (1e6, 0.9, 1e4)])
def test_a_loss_or_percent_may_be_above_one(scale, rate, floor):
    law = power_law.fit(curves(scale, rate, floor, spread=0.01), resamples=40)
    said = law.predict([12800]).isel(train_size=0)
    assert said.low < scale * 12800**-rate + floor < said.high
    assert np.quantile(law.resampled[:, 2], 0.01) < floor < np.quantile(law.resampled[:, 2], 0.99)


def test_errors_in_percent_have_the_same_law_as_shares():
    errors = curves(2.0, 0.6, 0.02, spread=0.1)
    shares, percent = (power_law.fit(unit * errors, resamples=20).predict([10, 5000]) for unit in (1, 100))
    xr.testing.assert_allclose(percent, 100 * shares, rtol=1e-3)


def test_the_order_of_dimensions_and_of_runs_does_not_matter():
    errors = curves(2.0, 0.6, 0.02, spread=0.1)
    law = power_law.fit(errors, resamples=2)
    assert power_law.fit(errors.transpose(), resamples=2).rate == law.rate
    assert power_law.fit(errors.isel(seed=slice(None, None, -1)), resamples=2).rate == pytest.approx(law.rate)


def test_a_flat_curve_is_all_floor():
    law = power_law.fit(curves(0.0, 1.0, 0.3, spread=0.01), resamples=2)
    assert law(1e6) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(("errors", "message"), [
    (curves(1, 1, 0).isel(train_size=slice(3)), "expected at least 4 sizes and 2 runs, not 3 and 10"),
    (curves(1, 1, 0, runs=1), "not 6 and 1"),
    (curves(1, 1, 0).rename(seed="split"), "expected train_size and seed"),
    (curves(1, 1, 0).where(curves(1, 1, 0).seed > 0), "Some errors are NaN"),
    (curves(1, 1, 0).where(curves(1, 1, 0).seed > 0, np.inf), "infinite"),
    (curves(1, 1, 0) - 0.5, "or below 0"),
    (curves(1, 1, 0).drop_vars("train_size"), "The sizes go from 0 to 5; expected numbers of samples"),
    (xr.DataArray([[1.0, 0, 0, 0]] * 2, {"seed": [0, 1], "train_size": [1, 1e3, 1e6, 1e9]}), "No power law fits")])
def test_what_cannot_be_fitted_is_one_sentence(errors, message):
    with refused(ValueError, match=message):
        power_law.fit(errors)


def test_a_level_in_percent_is_one_sentence():
    with refused(ValueError, match="level is 95; expected a share between 0 and 1, such as 0.95 for 95%"):
        power_law.fit(curves(1, 1, 0), resamples=2).predict([2048], level=95)


@pytest.mark.parametrize("order", [[5, 4, 3, 2, 1, 0], [2, 0, 5, 1, 4, 3]])
def test_the_order_of_sizes_does_not_matter(order):
    errors = curves(2.0, 0.6, 0.02, spread=0.1)
    law, again = (power_law.fit(errors.isel(train_size=places), resamples=5) for places in (slice(None), order))
    assert again == dataclasses.replace(law, resampled=again.resampled, fitted=again.fitted)
    np.testing.assert_array_equal(again.resampled, law.resampled)
    np.testing.assert_array_equal(again.fitted, SIZES)
