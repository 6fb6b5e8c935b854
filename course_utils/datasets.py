"""Data that need no download: a `Split` with train, validation and a test set opened once."""

import dataclasses
import warnings

import numpy as np

_opened = set()


class TestSetReopened(UserWarning):
    """The test set of a split was opened a second time in one session."""

    __test__ = False  # not a pytest class, whatever its name begins with


@dataclasses.dataclass(frozen=True)
class Split:
    """Training and validation data, and a test set behind `open_test`.

    Attributes
    ----------
    name : str
    x_train, x_val : float array (samples, ...)
        Validation data choose hyperparameters; they are never trained on.
    y_train, y_val : int array (samples,)
        Class numbers 0 … classes-1.
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
        """Number of classes."""
        return int(self.y_train.max()) + 1

    def __repr__(self):
        return (f"Split({self.name}: {len(self.x_train)} training and {len(self.x_val)} validation "
                f"samples of shape {self.x_train.shape[1:]}, {self.classes} classes)")

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


def stratified(name, x, y, seed, *, fractions=(0.6, 0.2, 0.2)):
    """Split data into train, validation and test with equal shares of every class.

    Parameters
    ----------
    name : str
    x : array (samples, ...)
    y : int array (samples,)
    seed : int
        Decides who goes where.
    fractions : three numbers that add up to 1
        Shares of train, validation and test.
    """
    from sklearn.model_selection import train_test_split

    _, val, test = fractions
    x_rest, x_test, y_rest, y_test = train_test_split(
        x, y, test_size=test, stratify=y, random_state=seed)
    x_train, x_val, y_train, y_val = train_test_split(
        x_rest, y_rest, test_size=val / (1 - test), stratify=y_rest, random_state=seed)
    return Split(name, x_train, y_train, x_val, y_val, (x_test, y_test))


def digits(seed=0):
    """Handwritten digits: 1797 gray images of 8×8 pixels, flattened, in [0, 1]; ten classes.

    A new `seed` is a new split: 1077 training, 360 validation and 360 test images.

    Source: `sklearn.datasets.load_digits` (Alpaydin & Kaynak 1998, UCI repository).
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return stratified(f"digits(seed={seed})", (x / 16).astype("float32"), y.astype("int32"), seed)


def tones(seed=0, *, samples=1800, noise=0.8):
    """Which of ten tones is it? 64 readings of a sine of random phase, in noise; ten classes.

    A second task for every claim that was measured on digits. The phase is random, so the
    mean of every class is zero and no linear model can tell two of them apart.

    Parameters
    ----------
    seed : int
        Draws the samples and the split.
    samples : int
        Divided as in `digits`.
    noise : float
        Standard deviation of the noise; the sine has amplitude 1.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(samples) % 10
    time = np.arange(64) / 64
    phase = rng.uniform(0, 2 * np.pi, (samples, 1))
    x = np.sin(2 * np.pi * (y[:, None] + 1) * time + phase) + rng.normal(0, noise, (samples, 64))
    return stratified(f"tones(seed={seed})", x.astype("float32"), y.astype("int32"), seed)


def moons(seed=0, *, samples=600, noise=0.2):
    """Two interleaved half circles in the plane; two classes.

    Parameters
    ----------
    seed : int
        Draws the samples and the split.
    samples : int
        Divided as in `digits`.
    noise : float
        Standard deviation of the noise; each half circle has radius 1.

    Source: `sklearn.datasets.make_moons`.
    """
    from sklearn.datasets import make_moons

    x, y = make_moons(samples, noise=noise, random_state=seed)
    return stratified(f"moons(seed={seed})", x.astype("float32"), y.astype("int32"), seed)


def spirals(seed=0, *, samples=600, noise=0.05, turns=1.5):
    """Two interleaved spiral arms in the plane; two classes, harder to part than the moons.

    Parameters
    ----------
    seed : int
        Draws the samples and the split.
    samples : int
        Divided as in `digits`; even, half of them on each arm.
    noise : float
        Standard deviation of the noise; the arms end at radius 1.
    turns : float
        How often an arm goes round the center.

    Source: Lang & Witbrock (1988), Learning to tell two spirals apart; theirs go round three times.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(samples) % 2
    along = np.sqrt(rng.uniform(0.01, 1, samples))   # more samples where an arm is longer
    angle = 2 * np.pi * turns * along + np.pi * y
    x = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(0, noise, (samples, 2))
    return stratified(f"spirals(seed={seed})", x.astype("float32"), y.astype("int32"), seed)


def with_label_noise(y, rate, classes, rng):
    """Return a copy of `y` in which about a share `rate` of the labels is wrong.

    With the same `rng` state, the labels that are wrong at a low rate are wrong in the same
    way at every higher rate, so that rates can be compared in pairs.

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
