"""Intervals that cover, pairs that pair, seeds that suffice."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from course_utils import stats


def scores(*columns, arm=("plain", "new")):
    values = np.array(columns, float)
    return xr.DataArray(values, dims=("arm", "seed"), coords={"arm": list(arm)[:len(values)]})


def test_the_interval_is_that_of_scipy():
    values = np.random.default_rng(0).normal(3, 2, 12)
    found = stats.interval(xr.DataArray(values, dims="seed"))
    low, high = scipy_stats.t.interval(0.95, 11, values.mean(), scipy_stats.sem(values))
    np.testing.assert_allclose([found["mean"], found["low"], found["high"]], [values.mean(), low, high])


def test_one_interval_in_twenty_misses():
    samples = np.random.default_rng(1).normal(0, 1, (4000, 6))
    found = stats.interval(xr.DataArray(samples, dims=("repeat", "seed")))
    misses = ((found["low"] > 0) | (found["high"] < 0)).mean()
    assert 0.04 < misses < 0.06


def test_pairing_removes_what_both_arms_share():
    rng = np.random.default_rng(2)
    seed_effect, noise = rng.normal(0, 5, 10), rng.normal(0, 0.1, 10)
    found = stats.paired_difference(scores(seed_effect, seed_effect + 1 + noise), "arm", between=("plain", "new"))
    expected = scipy_stats.ttest_rel(seed_effect + 1 + noise, seed_effect).confidence_interval()
    np.testing.assert_allclose([found["low"], found["high"]], expected)
    assert found["low"] > 0


@given(st.floats(-10, 10), st.floats(0.1, 5))
def test_a_difference_turns_its_sign_with_the_order_of_the_arms(shift, scale):
    rng = np.random.default_rng(0)
    both = scores(rng.normal(0, scale, 5), rng.normal(shift, scale, 5))
    there = stats.paired_difference(both, "arm", between=("plain", "new"))
    back = stats.paired_difference(both, "arm", between=("new", "plain"))
    np.testing.assert_allclose([there["mean"], there["low"], there["high"]],
                               [-back["mean"], -back["high"], -back["low"]], atol=1e-9)


def test_the_corrected_interval_is_wider_by_the_factor_of_nadeau_and_bengio():
    values = xr.DataArray(np.random.default_rng(0).normal(0, 1, 10), dims="seed")
    plain, corrected = stats.interval(values), stats.resampled_interval(values, test_share=0.2)
    widths = [float(found["high"] - found["low"]) for found in (plain, corrected)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt((1 / 10 + 0.2 / 0.8) / (1 / 10)))


@pytest.mark.parametrize(("effect", "sd", "paired"), [(0.5, 0.5, True), (0.8, 0.5, False), (1.0, 3.0, True)])
def test_the_seeds_needed_detect_the_effect_as_often_as_promised(effect, sd, paired):
    n, rng = stats.seeds_needed(effect, sd, paired=paired), np.random.default_rng(0)
    if paired:
        p = scipy_stats.ttest_1samp(rng.normal(effect, sd, (20000, n)), 0, axis=1).pvalue
    else:
        p = scipy_stats.ttest_ind(rng.normal(effect, sd, (20000, n)), rng.normal(0, sd, (20000, n)), axis=1).pvalue
    power = (p < 0.05).mean()
    assert 0.79 < power < 0.9   # at least as promised, and not with many seeds to spare


def test_fewer_seeds_would_not_do():
    n, rng = stats.seeds_needed(0.5, 1.0), np.random.default_rng(0)
    p = scipy_stats.ttest_1samp(rng.normal(0.5, 1.0, (40000, n - 2)), 0, axis=1).pvalue
    assert (p < 0.05).mean() < 0.8


@pytest.mark.parametrize(("call", "message"), [
    (lambda: stats.interval(scores([1]), over="seed"), "at least two runs"),
    (lambda: stats.interval(scores([1, 2]), over="sede"), "no dimension 'sede'"),
    (lambda: stats.interval(scores([1, np.nan])), "Some scores are NaN"),
    (lambda: stats.paired_difference(scores([1, 2]), "arm", between=("plain", "old")), "no arm='old'"),
    (lambda: stats.paired_difference(scores([1, 2]), "army", between=(0, 1)), "no army=0"),
    (lambda: stats.resampled_interval(scores([1, 2]), test_share=20), "share between 0 and 1"),
    (lambda: stats.seeds_needed(0, 1), "both greater than 0"),
    (lambda: stats.seeds_needed(1e-6, 1), "too small to be measured"),
])
def test_mistakes_are_one_sentence(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_seed_that_one_arm_lacks_is_refused():
    with pytest.raises(ValueError, match="Some scores are NaN"):
        stats.paired_difference(scores([1, 2, 3], [1, np.nan, 3]), "arm", between=("plain", "new"))
