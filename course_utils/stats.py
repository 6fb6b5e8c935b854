"""How certain is a result? Intervals over seeds, differences between arms, seeds needed.

Functions for intervals and differences take an `xarray.DataArray` with one score per run, in the
score's own unit (accuracy: fraction), and return an `xarray.Dataset` with ``mean``, ``low``, and
``high``. `seeds_needed` and `bonferroni_level` take and return numbers.
"""

import bisect

import numpy as np
import xarray as xr
from scipy import stats

from course_utils import moved

__getattr__ = moved.old_names(__name__)


def interval(scores, *, over="seed", level=0.95):
    """Mean over seeds, with the confidence interval of that mean.

    Parameters
    ----------
    scores : xarray.DataArray, dims (..., over)
        One independent score per run.
    over : str
        The dimension that is averaged away.
    level : float in (0, 1)

    Returns
    -------
    xarray.Dataset with ``mean``, ``low``, ``high`` over the remaining dims.

    Raises
    ------
    TypeError
        `scores` is not a DataArray.
    ValueError
        No such dimension, fewer than two runs, a score that is NaN or infinite, or a `level` that is not between 0
        and 1.

    Source: Student's t, `scipy.stats.t`.
    """
    n = _count(scores, over)
    return _student(scores.mean(over), scores.std(over, ddof=1) / np.sqrt(n), n - 1, level)


def paired_difference(scores, arm, *, between, over="seed", level=0.95):
    """Mean difference between two arms that share their seeds, with its interval.

    Parameters
    ----------
    scores : xarray.DataArray, dims (..., arm, over)
    arm : str
        Dimension that tells the two arms apart, e.g. ``"batch_norm"``.
    between : tuple of two values of `arm`
        The difference is ``second - first``.
    over, level
        As in `interval`.

    Returns
    -------
    xarray.Dataset with ``mean``, ``low``, ``high`` over the remaining dims.

    Raises
    ------
    TypeError
        `scores` is not a DataArray.
    ValueError
        An arm that does not exist, fewer than two pairs, a seed that one arm lacks, or as in `interval`.

    Source: Student's t for paired samples, as `scipy.stats.ttest_rel`.
    """
    first, second = _arms(scores, arm, between)
    return interval(second - first, over=over, level=level)


def unpaired_difference(scores, arm, *, between, over="seed", level=0.95):
    """Mean difference between two arms whose runs have nothing in common, with its interval.

    Parameters
    ----------
    scores, arm, between, over, level
        As in `paired_difference`; the order of the runs does not matter.

    Returns
    -------
    xarray.Dataset with ``mean``, ``low``, ``high`` over the remaining dims.

    Raises
    ------
    TypeError, ValueError
        As in `paired_difference`.

    Source: Welch's t for unequal variances, as `scipy.stats.ttest_ind(..., equal_var=False)`.
    """
    arms = _arms(scores, arm, between)
    counts = [_count(values, over) for values in arms]
    errors = [values.var(over, ddof=1) / n for values, n in zip(arms, counts, strict=True)]
    total = sum(errors)
    # Without any spread in both arms, the degrees of freedom would be 0/0; the interval is a point.
    freedom = (total**2 / sum(error**2 / (n - 1) for error, n in zip(errors, counts, strict=True))).where(total > 0, 1)
    return _student(arms[1].mean(over) - arms[0].mean(over), np.sqrt(total), freedom, level)


def resampled_interval(scores, *, test_share, over="seed", level=0.95):
    """Interval for scores from repeated random splits of *one* data set.

    The training sets of two splits overlap, so the scores are not independent and the plain
    interval is too narrow. Nadeau & Bengio replace 1/n by 1/n + test/train.

    Parameters
    ----------
    scores : xarray.DataArray, dims (..., over)
        One score, or one paired difference, per split.
    test_share : float in (0, 1)
        Share of the data that each split scores on; the rest it trains on.
    over, level
        As in `interval`.

    Returns
    -------
    xarray.Dataset with ``mean``, ``low``, ``high`` over the remaining dims.

    Raises
    ------
    TypeError, ValueError
        As in `interval`, or `test_share` is not between 0 and 1.

    Source: Nadeau & Bengio (2003), Inference for the generalization error, Machine Learning
    52, the corrected resampled t-test.
    """
    check_share("test_share", test_share, 0.2)
    n = _count(scores, over)
    spread = scores.var(over, ddof=1) * (1 / n + test_share / (1 - test_share))
    return _student(scores.mean(over), np.sqrt(spread), n - 1, level)


def seeds_needed(effect, sd, *, paired=True, power=0.8, level=0.95):
    """Number of seeds per arm that detects an effect with probability `power`.

    Parameters
    ----------
    effect : float > 0
        Smallest difference that matters, in the score's unit.
    sd : float > 0
        Standard deviation over seeds: of the paired differences with ``paired=True``, of
        one arm's scores otherwise.
    paired : bool
    power : float in (0, 1)
    level : float in (0, 1)
        Of the interval that has to exclude zero.

    Returns
    -------
    int, at least 2.

    Raises
    ------
    ValueError
        `effect` or `sd` is not above 0 or not finite, `power` or `level` is not between 0 and 1, or it would take over
        100 000 seeds.

    Source: power of Student's t test, `scipy.stats.nct` (Cohen 1988, chapter 2).
    """
    if not (0 < effect < np.inf and 0 < sd < np.inf):
        raise ValueError(f"effect is {effect} and sd is {sd}; expected two finite numbers, both greater than 0.")
    check_share("power", power, 0.8)
    check_share("level", level, 0.95)

    def power_with(n):
        freedom = n - 1 if paired else 2 * (n - 1)
        shift = effect / sd * np.sqrt(n if paired else n / 2)
        return stats.nct.sf(stats.t.ppf((1 + level) / 2, freedom), freedom, shift)

    numbers = range(2, 100_001)
    index = bisect.bisect_left(numbers, power, key=power_with)
    if index == len(numbers):
        raise ValueError(f"An effect of {effect} beside a standard deviation of {sd} needs over 100 000 seeds; "
                         "it is too small to be measured this way.")
    return numbers[index]


def bonferroni_level(comparisons, *, level=0.95):
    """Level for each of several intervals, so that all of them cover with probability `level`.

    Parameters
    ----------
    comparisons : int > 0
        Number of intervals you will look at.
    level : float in (0, 1)
        Of all of them together, even if they depend on each other.

    Returns
    -------
    float, for the argument ``level`` of `interval` and similar functions.

    Raises
    ------
    ValueError
        `comparisons` is below 1 or not finite, or `level` is not between 0 and 1.

    Source: Bonferroni's inequality (Dunn 1961, Journal of the American Statistical Association 56).
    """
    if not 1 <= comparisons < np.inf:
        raise ValueError(f"comparisons is {comparisons}; expected the number of intervals, at least 1.")
    check_share("level", level, 0.95)
    return 1 - (1 - level) / comparisons


def check_share(name, value, example):
    """Raise a ValueError of one sentence unless an argument is between 0 and 1; percent are not."""
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; expected a share between 0 and 1, such as {example} for {example:.0%}.")


def _check_type(scores):
    if not isinstance(scores, xr.DataArray):
        raise TypeError(f"scores is a {type(scores).__name__}; expected an xarray.DataArray, whose dimensions have "
                        "names, such as runs.val_accuracy from fit_many.")


def _arms(scores, arm, between):
    _check_type(scores)
    for value in between:
        if arm not in scores.dims or value not in scores[arm].values:
            raise ValueError(f"There is no {arm}={value!r} in these scores; between= takes two values of "
                             "one dimension.")
    return [scores.sel({arm: value}, drop=True) for value in between]


def _count(scores, over):
    _check_type(scores)
    if over not in scores.dims:
        raise ValueError(f"These scores have no dimension {over!r}, only {', '.join(map(str, scores.dims))}; "
                         "name the dimension of the repeats with over=.")
    if scores.sizes[over] < 2:
        raise ValueError(f"An interval needs at least two runs along {over!r}, not {scores.sizes[over]}.")
    if not np.isfinite(scores).all():
        raise ValueError("Some scores are NaN or infinite; an interval needs one finite number from every run (give "
                         "runs that never arrived the largest time, and say so).")
    return scores.sizes[over]


def _student(mean, error, freedom, level):
    check_share("level", level, 0.95)
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    return xr.Dataset({"mean": mean, "low": mean - half, "high": mean + half})
