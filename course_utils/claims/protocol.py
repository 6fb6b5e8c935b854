"""How a claim is judged: the interval of an effect, the verdict, and the number of pairs to plan for.

`PROTOCOL.md` explains the rules in plain English. Margins and intervals are computed on the effect's scale: differences
are left as they are, ratios become logarithms, and proportions become log odds. Intervals are symmetric on that scale,
and they are cut off at the limits of what the effect can be.
"""

import dataclasses

import numpy as np
from scipy import special, stats

from course_utils.stats import seeds_needed

SCALES = {"difference": (lambda x: x, lambda x: x), "ratio": (np.log, np.exp), "proportion": (special.logit,
                                                                                           special.expit)}
UNDECIDED = ("at the threshold", "not enough runs")
VERDICTS = ("holds", "holds in part", "does not hold", "reverses", *UNDECIDED)
POWER = 0.9         # to detect an effect that is one margin away from the threshold
FEWEST = 10         # pairs
PILOT = 20          # pairs
# About half of all pilots underestimate the spread. We plan with a 60% upper confidence limit instead; averaged over
# many pilots, the power is then about POWER.
CAUTION = 0.6
PLATEAU = 0.01      # of accuracy: an arm may still rise by this much from the fourth fifth of training to the last


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean effect with its 95% interval, and the same on the effect's scale, where it is symmetric."""

    mean: float
    low: float
    high: float
    center: float
    half: float


def interval(effects, scale="difference"):
    """The mean of some effects, one per pair, with its 95% interval by Student's t.

    Parameters
    ----------
    effects : array (pairs,)
        Differences of accuracies from -1 to 1, ratios above 0, or proportions from 0 to 1.
    scale : one of `SCALES`

    Returns
    -------
    Interval
        The mean of ratios is geometric.

    Raises
    ------
    ValueError
        Fewer than two effects, an effect that is not finite, or one that is outside the range of its scale.
    """
    effects = np.asarray(effects, float)
    if len(effects) < 2 or not np.isfinite(effects).all():
        raise ValueError(f"An interval needs at least two finite effects; these are {effects}.")
    least, most = {"difference": (-1, 1), "ratio": (np.finfo(float).tiny, np.inf), "proportion": (0, 1)}[scale]
    if effects.min() < least or effects.max() > most:
        raise ValueError(f"The effects go from {effects.min():g} to {effects.max():g}; a {scale} is between "
                         f"{'0' if scale == 'ratio' else least} and {'∞' if scale == 'ratio' else most}.")
    back = SCALES[scale][1]
    center, spread = center_and_spread(effects, scale)
    half = stats.t.ppf(0.975, len(effects) - 1) * spread / np.sqrt(len(effects))
    mean = effects.mean() if scale != "ratio" else back(center)
    low, high = np.clip(back(center + np.array([-half, half])), least, most)
    ends = min(low, mean), max(high, mean)   # contain the mean, even if all proportions are 1
    return Interval(*(float(number) for number in (mean, *ends, center, half)))


def center_and_spread(effects, scale):
    """The mean effect on its scale, and the standard deviation of a single one there.

    Proportions may be exactly 0 or 1, where log odds are infinite. We therefore average first and transform the mean.
    The standard deviation is multiplied by the slope of the log odds at that mean (the delta method). Both include half
    a success and half a failure, so that they stay finite even if all proportions are 0 or 1.
    """
    n = len(effects)
    if scale != "proportion":
        values = SCALES[scale][0](effects)
        return values.mean(), values.std(ddof=1)
    mean = (effects.sum() + 0.5) / (n + 1)
    variance = (((effects - mean)**2).sum() + 0.5 * (1 - mean)**2 + 0.5 * mean**2) / n
    return special.logit(mean), np.sqrt(variance) / (mean * (1 - mean))


def verdict(found, *, threshold, neutral=None, margin):
    """What an interval says about a claim: one of `VERDICTS`.

    Parameters
    ----------
    found : Interval
    threshold : float
        The claim holds if the whole interval is above it.
    neutral : float, optional
        The effect if the technique did nothing. If the whole interval is below it, the claim reverses; if the whole
        interval is between it and the threshold, the claim holds in part.
    margin : float
        The smallest distance from the threshold worth detecting, on the scale of the effect.
    """
    if found.low >= threshold:
        return "holds"
    if neutral is not None and found.high < neutral:
        return "reverses"
    if found.high < threshold:
        return "holds in part" if neutral is not None and found.low > neutral else "does not hold"
    return "at the threshold" if found.half <= margin else "not enough runs"


def pairs_needed(margin, pilot, scale="difference"):
    """How many pairs detect an effect that is one margin away from the threshold, with 90% power.

    Parameters
    ----------
    margin : float
        On the scale of the effect.
    pilot : array (pairs,)
        Effects from pairs that are used for nothing else.

    Returns
    -------
    int, at least 10

    Source: power of Student's t test; the spread is an upper confidence limit (Browne 1995, On the use of a pilot
    sample for sample size determination, Statistics in Medicine 14).
    """
    freedom = len(pilot) - 1
    spread = center_and_spread(np.asarray(pilot, float), scale)[1] * np.sqrt(
        freedom / stats.chi2.ppf(1 - CAUTION, freedom))
    return max(FEWEST, seeds_needed(margin, max(spread, 1e-3 * margin), power=POWER))


def p_value(found, threshold, pairs, scale="difference"):
    """Two-sided p-value of the hypothesis that the effect is exactly at the threshold."""
    error = found.half / stats.t.ppf(0.975, pairs - 1)
    distance = abs(found.center - SCALES[scale][0](threshold))
    return float(2 * stats.t.sf(distance / error, pairs - 1)) if error else float(distance == 0)


def survive(p_values, rate=0.05):
    """Which results survive a correction for the false discovery rate, as a list of bools.

    Source: Benjamini & Hochberg (1995), Controlling the false discovery rate, Journal of the Royal Statistical
    Society B 57; `scipy.stats.false_discovery_control`.
    """
    return [bool(p <= rate) for p in stats.false_discovery_control(p_values)] if len(p_values) else []
