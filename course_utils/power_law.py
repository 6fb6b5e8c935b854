"""Where is this learning curve going? A power law fitted to small sizes, to be tested on large ones.

The law: ``error = scale * size**-rate + floor``. The floor is the error that no amount of data removes.

Source: Cortes, Jackel, Solla, Vapnik & Denker (1993), Learning curves: asymptotic values and rate
of convergence, NIPS 6; Hestness et al. (2017), Deep learning scaling is predictable, empirically.
"""

import dataclasses

import numpy as np
import xarray as xr
from scipy import optimize

from course_utils import stats


@dataclasses.dataclass(frozen=True)
class PowerLaw:
    """A fitted law; call it with sizes to get the errors it predicts.

    Attributes
    ----------
    scale, rate, floor : float
        ``error = scale * size**-rate + floor``.
    resampled : array (resamples, 3)
        The same three, fitted to resampled runs: the uncertainty of the fit.
    noise : float
        Standard error of a mean error, as at the largest fitted size.
    runs : int
        How many runs that mean is of.
    fitted : array
        The sizes it was fitted to.
    """

    scale: float
    rate: float
    floor: float
    resampled: np.ndarray = dataclasses.field(repr=False)
    noise: float = dataclasses.field(repr=False)
    runs: int = dataclasses.field(repr=False)
    fitted: np.ndarray = dataclasses.field(repr=False)

    def __call__(self, size):
        return _error(np.asarray(size, float), self.scale, self.rate, self.floor)

    def predict(self, sizes, *, level=0.95):
        """Predicted mean error at other sizes, with a prediction interval.

        The interval includes the uncertainty of the fit and of the mean that will be measured
        over as many runs as the law was fitted to. It assumes that the *form* of the law is right.

        Parameters
        ----------
        sizes : sequence of numbers
        level : float in (0, 1)

        Returns
        -------
        xarray.Dataset with ``mean``, ``low``, ``high`` along ``train_size``

        Raises
        ------
        ValueError
            `level` is not between 0 and 1.
        """
        stats.check_share("level", level, 0.95)
        sizes = np.asarray(sizes, float)
        errors = _error(sizes, *self.resampled.T[:, :, None])
        errors = errors + self.noise * np.random.default_rng(0).standard_t(self.runs - 1, (len(errors), 1))
        low, high = np.quantile(errors, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return xr.Dataset({"mean": ("train_size", self(sizes)), "low": ("train_size", low),
                           "high": ("train_size", high)}, {"train_size": sizes})


def fit(errors, *, over="seed", resamples=200):
    """Fit a power law to mean errors by weighted least squares.

    Parameters
    ----------
    errors : xarray.DataArray, dims (train_size, over)
        One error per run, e.g. ``1 - runs.val_accuracy``, or one loss, at four sizes or more; in any unit, such as
        percent.
    over : str
        Dimension of the repeats. The errors of a repeat at all sizes are resampled together,
        because nested training sets make them go up and down together.
    resamples : int
        Bootstrap samples for the prediction interval.

    Returns
    -------
    PowerLaw

    Raises
    ------
    ValueError
        Fewer than four sizes or two runs, a size that is not above 0, an error that is not a finite number of at least
        0, or errors that no power law fits.

    Notes
    -----
    With eight runs or fewer, the intervals contain the true value somewhat less often than they promise: so few runs
    are not enough to estimate the spread well.

    Source: nonlinear least squares, `scipy.optimize.curve_fit`; bootstrap of the runs (Efron
    & Tibshirani 1993, chapter 9), one run fewer than there are at a time, as otherwise they vary too little (Rao & Wu
    1988, section 2).
    """
    missing = {"train_size", over} - set(errors.dims)
    if missing or errors.ndim != 2:
        raise ValueError(f"errors has the dimensions {', '.join(map(str, errors.dims))}; expected train_size and "
                         f"{over}.")
    if errors.sizes["train_size"] < 4 or errors.sizes[over] < 2:
        raise ValueError(f"A power law has three numbers to fit, and its interval needs repeats: expected at least 4 "
                         f"sizes and 2 runs, not {errors.sizes['train_size']} and {errors.sizes[over]}.")
    if not ((errors >= 0) & (errors < np.inf)).all():
        raise ValueError("Some errors are NaN, infinite, or below 0; expected an error rate or a loss from every run: "
                         "drop the runs that were not trained.")
    errors = errors.sortby("train_size")   # the first and the last of them matter below
    runs = errors.transpose(over, "train_size").values
    sizes = errors.train_size.values.astype(float)
    if not 0 < sizes[0] <= sizes[-1] < np.inf:
        raise ValueError(f"The sizes go from {sizes[0]:g} to {sizes[-1]:g}; expected numbers of samples, as the "
                         "coordinate train_size of the errors.")
    rng = np.random.default_rng(0)
    drawn = [runs[rng.integers(len(runs), size=max(len(runs) - 1, 2))] for _ in range(resamples)]
    return PowerLaw(*map(float, _least_squares(sizes, runs)), np.array([_least_squares(sizes, some) for some in drawn]),
                    float(_deviation(runs)[-1]), len(runs), sizes)


def _error(sizes, scale, rate, floor):
    return scale * sizes**-rate + floor


def _deviation(runs):
    """The standard errors of the mean of some runs."""
    return runs.std(axis=0, ddof=1) / np.sqrt(len(runs))


def _least_squares(sizes, runs):
    """scale, rate, and floor that fit the mean errors best; the floor is at most 1 or, if larger, the largest mean."""
    errors, deviation = runs.mean(axis=0), _deviation(runs)
    deviation = np.maximum(deviation, max(deviation.max() / 100, 1e-6))   # a size without spread must not decide alone
    middle = np.exp(np.log(sizes).mean())   # the scale is fitted there, where it is well determined
    start = (max(errors[0] - errors[-1], 1e-3), 0.7, max(errors[-1], 0) / 2)
    try:
        (scale, rate, floor), _ = optimize.curve_fit(
            _error, sizes / middle, errors, start, sigma=deviation, maxfev=5000,
            bounds=([0, 0, 0], [np.inf, 3, max(errors.max(), 1)]))
    except RuntimeError as error:   # of SciPy, about function evaluations
        raise ValueError("No power law fits these errors; expected errors that fall more and more slowly as the size "
                         "grows: plot them, and leave out the sizes where they do not.") from error
    return scale * middle**rate, rate, floor
