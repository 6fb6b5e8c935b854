"""Intervals that cover, pairs that pair, seeds that suffice."""

import functools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from course_utils import stats
from tests.helpers.sentences import refused


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


def test_the_unpaired_interval_is_that_of_welch():
    rng = np.random.default_rng(3)
    first, second = rng.normal(0, 1, 9), rng.normal(1, 4, 9)
    found = stats.unpaired_difference(scores(first, second), "arm", between=("plain", "new"))
    expected = scipy_stats.ttest_ind(second, first, equal_var=False).confidence_interval()
    np.testing.assert_allclose([found["low"], found["high"]], expected)


@given(st.integers(0, 1000))
def test_an_unpaired_interval_does_not_care_which_run_stands_beside_which(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 1, (2, 7))
    found, shuffled = (stats.unpaired_difference(scores(first, other), "arm", between=("plain", "new"))
                       for other in (second, rng.permutation(second)))
    xr.testing.assert_allclose(found, shuffled)


@given(st.integers(0, 1000), st.floats(0.5, 3))
def test_pairing_narrows_where_arms_go_up_and_down_together(seed, shared):
    rng = np.random.default_rng(seed)
    both = scores(*(rng.normal(0, shared, 12) + rng.normal(0, 0.1, (2, 12))))
    paired, unpaired = (difference(both, "arm", between=("plain", "new"))
                        for difference in (stats.paired_difference, stats.unpaired_difference))
    assert float(paired["mean"]) == pytest.approx(float(unpaired["mean"]))
    assert paired["high"] - paired["low"] < unpaired["high"] - unpaired["low"]


def test_arms_without_spread_have_an_interval_without_width():
    found = stats.unpaired_difference(scores([1, 1, 1], [3, 3, 3]), "arm", between=("plain", "new"))
    assert [float(found[part]) for part in ("mean", "low", "high")] == [2, 2, 2]


@given(st.integers(0, 1000), st.integers(3, 9))
def test_four_times_as_many_seeds_halve_the_interval_and_more_than_that(seed, n):
    values = np.random.default_rng(seed).normal(0, 1, n)
    few, many = (stats.interval(xr.DataArray(np.tile(values, times), dims="seed")) for times in (1, 4))
    assert many["high"] - many["low"] < (few["high"] - few["low"]) / 2


def test_twenty_corrected_intervals_cover_together():
    samples = xr.DataArray(np.random.default_rng(5).normal(0, 1, (3000, 20, 6)), dims=("repeat", "arm", "seed"))
    missed = {}
    for level in (0.95, stats.bonferroni_level(20)):
        found = stats.interval(samples, level=level)
        missed[level] = float(((found["low"] > 0) | (found["high"] < 0)).any("arm").mean())
    naive, corrected = missed.values()
    assert naive == pytest.approx(1 - 0.95**20, abs=0.03)
    assert 0.035 < corrected < 0.06


@given(st.floats(0.5, 0.99))
def test_one_comparison_needs_no_correction(level):
    assert stats.bonferroni_level(1, level=level) == pytest.approx(level)


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
    (lambda: stats.unpaired_difference(scores([1, 2]), "arm", between=("plain", "old")), "no arm='old'"),
    (lambda: stats.bonferroni_level(0), "at least 1"),
    (lambda: stats.seeds_needed(0, 1), "both greater than 0"),
    (lambda: stats.seeds_needed(1e-6, 1), "too small to be measured"),
    (lambda: stats.seeds_needed(np.nan, 1), "two finite numbers"),
    (lambda: stats.seeds_needed(1, np.nan), "two finite numbers"),
    (lambda: stats.seeds_needed(np.inf, 1), "two finite numbers"),
    (lambda: stats.seeds_needed(1, np.inf), "two finite numbers"),
    (lambda: stats.seeds_needed(1, 1, power=80), "power is 80; expected a share between 0 and 1, such as 0.8 for 80%"),
    (lambda: stats.bonferroni_level(np.nan), "at least 1"),
    (lambda: stats.bonferroni_level(np.inf), "at least 1"),
])
def test_mistakes_are_one_sentence(call, message):
    with refused(ValueError, match=message):
        call()


INTERVALS = [
    stats.interval, functools.partial(stats.resampled_interval, test_share=0.2),
    functools.partial(stats.paired_difference, arm="arm", between=("plain", "new")),
    functools.partial(stats.unpaired_difference, arm="arm", between=("plain", "new"))]


@pytest.mark.parametrize("level", [95, 1, 0, -0.5, np.inf, np.nan])
@pytest.mark.parametrize("function", [
    *(functools.partial(function, scores([1, 2], [3, 5])) for function in INTERVALS),
    functools.partial(stats.seeds_needed, 1, 1), functools.partial(stats.bonferroni_level, 5)])
def test_a_level_is_a_share(function, level):
    with refused(ValueError, match="level is .*; expected a share between 0 and 1, such as 0.95 for 95%"):
        function(level=level)


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("function", INTERVALS)
def test_a_score_that_is_not_finite_is_refused(function, score):
    with refused(ValueError, match="Some scores are NaN or infinite"):
        function(scores([1, score, 2], [3, 4, 5]))


def test_a_seed_that_one_arm_lacks_is_refused():
    with pytest.raises(ValueError, match="Some scores are NaN"):
        stats.paired_difference(scores([1, 2, 3], [1, np.nan, 3]), "arm", between=("plain", "new"))


@pytest.mark.parametrize("function", [stats.interval, lambda scores: stats.paired_difference(
    scores, "arm", between=(0, 1))], ids=["interval", "paired_difference"])
def test_a_plain_array_is_refused_in_one_sentence(function):
    with refused(TypeError, match="scores is a ndarray; expected an xarray.DataArray, whose dimensions"):
        function(np.zeros((2, 5)))


@pytest.mark.parametrize("runs", [0, 1])
def test_too_few_runs_are_counted(runs):
    with refused(ValueError, match=f"at least two runs along 'seed', not {runs}"):
        stats.interval(xr.DataArray(np.zeros(runs), dims="seed"))
