"""What a seed decides about the data: which samples, in what order, which labels are wrong.

Each has a random stream of its own, so that turning one knob leaves the draws of all the
others as they were: runs that share a seed are pairs.
"""

import numpy as np

from course_utils import datasets

_SUBSET, _ORDER, _LABELS = range(3)


def indices(samples, seed, *, batch_size, train_size=None, shuffle=True):
    """Yield index arrays (batch_size,), pass after pass, without end.

    Each pass goes once through the subset in a new order (with ``shuffle=False``, in the stored order) and drops its
    last, partial batch. A smaller subset is contained in every larger one of the same seed.

    Parameters
    ----------
    samples : int
        Size of the full training set.
    seed, batch_size : int
    train_size : int or None
        Size of the subset; None for all.
    shuffle : bool
    """
    size = samples if train_size is None else train_size
    subset = np.sort(np.random.default_rng([seed, _SUBSET]).permutation(samples)[:size])
    rng = np.random.default_rng([seed, _ORDER])
    while True:
        order = rng.permutation(subset) if shuffle else subset
        for start in range(0, size - batch_size + 1, batch_size):
            yield order[start:start + batch_size]


def noisy_labels(y, seed, rate, classes):
    """Return the training labels of a run: `datasets.with_label_noise` by the run's seed."""
    return datasets.with_label_noise(y, rate, classes, np.random.default_rng([seed, _LABELS]))
