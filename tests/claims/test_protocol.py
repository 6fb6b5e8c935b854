"""Verdicts, intervals, and numbers of pairs follow the protocol; in simulations, few verdicts are wrong."""

import numpy as np
import pytest
from scipy import stats

from course_utils.claims import protocol
from tests.helpers.sentences import refused


def found(low, high, half=None):
    center = (low + high) / 2
    return protocol.Interval(center, low, high, center, (high - low) / 2 if half is None else half)


@pytest.mark.parametrize(("low", "high", "verdict"), [
    (2.0, 3, "holds"), (0.1, 1.9, "holds in part"), (-0.1, 1.9, "does not hold"), (-3, -1, "reverses"),
    (1.9, 3.5, "at the threshold"), (1.9, 4.1, "not enough runs"), (-5, 2, "not enough runs")])
def test_the_verdict_follows_from_the_interval(low, high, verdict):
    assert protocol.verdict(found(low, high), threshold=2.0, neutral=0.0, margin=1.0) == verdict


def test_without_a_neutral_value_nothing_holds_in_part_or_reverses():
    for low, high in ((0.1, 1.9), (-3, -1)):
        assert protocol.verdict(found(low, high), threshold=2.0, margin=1.0) == "does not hold"


def test_differences_have_the_interval_of_student():
    effects = np.array([0.01, 0.03, -0.02, 0.05])
    expected = stats.ttest_1samp(effects, 0).confidence_interval()
    result = protocol.interval(effects)
    assert (result.low, result.high) == pytest.approx(tuple(expected))
    assert result.mean == pytest.approx(effects.mean())


def test_ratios_are_judged_by_their_logarithms():
    result = protocol.interval([2.0, 8.0, 2.0, 8.0], "ratio")
    inverse = protocol.interval([0.5, 0.125, 0.5, 0.125], "ratio")
    assert result.mean == pytest.approx(4.0)
    assert (result.low, result.high) == pytest.approx((1 / inverse.high, 1 / inverse.low))


@pytest.mark.parametrize("scale", protocol.SCALES)
def test_no_interval_extends_beyond_the_values_that_its_quantity_can_have(scale):
    extremes = {"difference": ([0.9, 1, 1, -1], (-1, 1)), "ratio": ([1e-3, 1e3, 1e-3], (0, np.inf)),
                "proportion": ([1, 1, 1, 0.5], (0, 1))}
    effects, (low, high) = extremes[scale]
    result = protocol.interval(effects, scale)
    assert low <= result.low <= result.mean <= result.high <= high


def test_proportions_that_are_all_one_still_have_an_interval():
    result = protocol.interval(np.ones(20), "proportion")
    assert 0.5 < result.low < stats.binomtest(20, 20).proportion_ci().low   # wider than the exact one, but not useless
    assert result.mean == result.high == 1


@pytest.mark.parametrize(("effects", "scale"), [
    ([0.1], "difference"), ([0.1, np.nan], "difference"), ([0.1, 1.5], "difference"), ([0.0, 2.0], "ratio"),
    ([0.5, 1.2], "proportion")])
def test_impossible_effects_are_one_sentence(effects, scale):
    with refused(ValueError, match="^(An interval needs at least two|The effects go from)"):
        protocol.interval(effects, scale)


def test_the_number_of_pairs_is_about_what_the_rule_of_thumb_says():
    pilot = 0.04 * stats.norm.ppf((np.arange(20) + 0.5) / 20)
    pairs = protocol.pairs_needed(0.02, pilot)
    assert pairs == pytest.approx(10.5 * (pilot.std(ddof=1) / 0.02)**2, rel=0.25)
    assert protocol.pairs_needed(0.5, pilot) == protocol.FEWEST
    assert protocol.pairs_needed(0.02, np.zeros(20)) == protocol.FEWEST
    on_logs = protocol.pairs_needed(0.4, np.exp(10 * pilot), "ratio")
    assert on_logs == protocol.pairs_needed(0.04, pilot)


def test_a_p_value_agrees_with_the_interval():
    effects = np.array([0.01, 0.03, 0.02, 0.05, 0.015])
    result = protocol.interval(effects)
    assert protocol.p_value(result, 0.004, 5) == pytest.approx(stats.ttest_1samp(effects, 0.004).pvalue)
    assert protocol.p_value(result, result.low, 5) == pytest.approx(0.05)


def test_the_correction_is_that_of_benjamini_and_hochberg():
    assert protocol.survive([0.001, 0.02, 0.04, 0.9]) == [True, True, False, False]
    assert protocol.survive([]) == []


def simulated(draw, *, shift, studies, margin=1.0, rng):
    """The share of studies, planned by a pilot, that say "holds" if the mean effect is `shift` above the threshold."""
    holds = 0
    for _ in range(studies):
        pairs = protocol.pairs_needed(0.05 * margin, 0.05 * draw(rng, protocol.PILOT))
        effects = 0.05 * (draw(rng, pairs) + shift)
        found = protocol.interval(effects.clip(-1, 1))
        holds += protocol.verdict(found, threshold=0.0, margin=0.05 * margin) == "holds"
    return holds / studies


def normal(rng, size):
    return rng.normal(size=size)


def test_false_verdicts_are_rare_and_power_is_high():
    rng = np.random.default_rng(0)
    assert simulated(normal, shift=0, studies=400, rng=rng) <= 0.04
    assert simulated(normal, shift=1, studies=200, rng=rng) >= 0.85


SKEWED = {"skewed to the right": lambda rng, size: rng.exponential(size=size) - 1,
          "skewed to the left": lambda rng, size: 1 - rng.exponential(size=size),
          "heavy tails": lambda rng, size: rng.standard_t(4, size=size) / np.sqrt(2)}


@pytest.mark.audit
def test_false_verdicts_are_rare_in_a_long_simulation():
    rng = np.random.default_rng(1)
    for margin in (0.6, 1.0):
        false = simulated(normal, shift=0, studies=4000, margin=margin, rng=rng)
        power = simulated(normal, shift=margin, studies=4000, margin=margin, rng=rng)
        print(f"margin of {margin} standard deviations: {false:.1%} falsely hold; power {power:.0%}")
        assert false <= 0.04
        assert power >= 0.85


@pytest.mark.audit
def test_the_interval_is_the_best_for_skewed_differences():
    """Student's interval misses the mean no more often than the bootstrap's, for any of these distributions."""
    rng = np.random.default_rng(2)
    missed = {"Student": [], "BCa bootstrap": [], "percentile bootstrap": []}
    for name, draw in SKEWED.items():
        for pairs in (10, 20, 40):
            samples = [draw(rng, pairs) for _ in range(1000)]
            intervals = {"Student": [stats.ttest_1samp(sample, 0).confidence_interval() for sample in samples]}
            for label, method in (("BCa bootstrap", "BCa"), ("percentile bootstrap", "percentile")):
                intervals[label] = [stats.bootstrap((sample,), np.mean, n_resamples=999, method=method, rng=rng)
                                    .confidence_interval for sample in samples]
            for label, found in intervals.items():
                missed[label].append(np.mean([not low <= 0 <= high for low, high in found]))
            print(f"{name}, {pairs} pairs: " + ", ".join(f"{label} misses {shares[-1]:.1%}"
                                                         for label, shares in missed.items()))
    means = {label: np.mean(shares) for label, shares in missed.items()}
    assert min(means, key=means.get) == "Student", means
