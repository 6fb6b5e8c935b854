"""A `Split`: training and validation data, and a test set that is opened once."""

import dataclasses
import warnings

import numpy as np

_opened = set()


class TestSetReopened(UserWarning):
    """The test set of a split was opened a second time in one session."""

    __test__ = False   # not a class of tests, although its name begins with Test


@dataclasses.dataclass(frozen=True)
class Split:
    """Training and validation data, and a test set behind `open_test`.

    Attributes
    ----------
    name : str
    x_train, x_val : float array (samples, ...)
        Validation data choose hyperparameters; they are never trained on.
    y_train, y_val : int array (samples,)
        Class numbers 0 … classes-1; for regression, a float array.
    test : tuple (x_test, y_test) or None
        Use `open_test`; looking twice turns a test set into a validation set.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    test: tuple | None = dataclasses.field(default=None, repr=False)

    @property
    def classes(self):
        """Number of classes; None if the targets are floats, as in regression."""
        return None if np.issubdtype(self.y_train.dtype, np.floating) else int(self.y_train.max()) + 1

    def __repr__(self):
        return (f"Split({self.name}: {len(self.x_train)} training and {len(self.x_val)} validation samples of shape "
                f"{self.x_train.shape[1:]}, {'regression' if self.classes is None else f'{self.classes} classes'})")

    def open_test(self):
        """Return ``(x_test, y_test)``, and say so if this session has opened it before.

        Raises
        ------
        ValueError
            This split has no test set.
        """
        if self.test is None:
            raise ValueError(f"The split {self.name!r} has no test set; build it with datasets.digits "
                             "or another loader that keeps one.")
        if self.name in _opened:
            warnings.warn(
                f"The test set of {self.name} was opened before in this session: a score chosen after "
                "looking at it is no longer a test score.", TestSetReopened, stacklevel=2)
        _opened.add(self.name)
        return self.test

    def replace(self, **fields):
        """Return a copy with some fields changed, e.g. sorted training data."""
        return dataclasses.replace(self, **fields)


def stratified(name, x, y, seed, *, fractions=(0.6, 0.2, 0.2), fixed_test=False):
    """Split data into train, validation and test with equal shares of every class.

    Parameters
    ----------
    name : str
    x : array (samples, ...)
    y : int array (samples,)
        Or floats, for regression, which are split without regard to their values.
    seed : int
        Decides which samples go where.
    fractions : three numbers that add up to 1
        Shares of train, validation and test.
    fixed_test : bool
        Give every seed the same test set, so that no seed trains on it.
    """
    from sklearn.model_selection import train_test_split

    def strata(y):
        return None if np.issubdtype(y.dtype, np.floating) else y

    _, val, test = fractions
    x_rest, x_test, y_rest, y_test = train_test_split(
        x, y, test_size=test, stratify=strata(y), random_state=0 if fixed_test else seed)
    x_train, x_val, y_train, y_val = train_test_split(
        x_rest, y_rest, test_size=val / (1 - test), stratify=strata(y_rest), random_state=seed)
    return Split(name, x_train, y_train, x_val, y_val, (x_test, y_test))


def standardized(split):
    """The same split with features of mean 0 and standard deviation 1, both measured on the training data alone."""
    mean, deviation = split.x_train.mean(0), split.x_train.std(0)

    def scale(x):
        return ((x - mean) / deviation).astype("float32")

    x_test, y_test = split.test
    return split.replace(x_train=scale(split.x_train), x_val=scale(split.x_val), test=(scale(x_test), y_test))


def with_label_noise(y, rate, classes, rng):
    """Return a copy of `y` in which about a share `rate` of the labels is wrong.

    With the same `rng` state, the labels that are wrong at a low rate are wrong in the same way at
    every higher rate, so rates can be compared in pairs.

    Parameters
    ----------
    y : int array (samples,)
    rate : float in [0, 1]
    classes : int
        A wrong label is drawn from the other ``classes - 1``.
    rng : numpy.random.Generator
    """
    chosen = rng.random(len(y)) < rate
    shift = rng.integers(1, classes, len(y))
    return np.where(chosen, (y + shift) % classes, y).astype(y.dtype)
