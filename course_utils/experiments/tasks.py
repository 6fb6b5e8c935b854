"""The data sets on which claims are tested. Every pair of runs has a split of its own.

The six were chosen before any claim was tested under the protocol; earlier versions of the claims had been tested on
the digits and on `tones`. They are small enough to train hundreds of networks on, and they come from four fields.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from course_utils import datasets


@dataclasses.dataclass(frozen=True)
class Task:
    """A data set for claims.

    Attributes
    ----------
    name, field : str
    vectors : callable seed → Split
        For networks that take one vector per sample, or flatten what they get.
    images : callable seed → Split, optional
        For networks that take images (height, width, channels).
    """

    name: str
    field: str
    vectors: Callable = dataclasses.field(repr=False)
    images: Callable = dataclasses.field(default=None, repr=False)


def digits_as_images(seed):
    """`datasets.digits` as images (8, 8, 1)."""
    split = datasets.digits(seed)
    return split.replace(x_train=split.x_train.reshape(-1, 8, 8, 1), x_val=split.x_val.reshape(-1, 8, 8, 1), test=None)


def small_mnist(seed):
    """1,350 training and 450 validation images of MNIST."""
    return datasets.mnist(seed, samples=1800)


def emoji_components(seed):
    """`datasets.emoji` in 64 principal components of its pretrained features, found on the training drawings."""
    from course_utils import pretrained

    split = datasets.emoji(seed, size=64)
    x_train, x_val = pretrained.features(split.x_train), pretrained.features(split.x_val)
    mean = x_train.mean(0)
    _, _, axes = np.linalg.svd(x_train - mean, full_matrices=False)
    x_train, x_val = ((x - mean) @ axes[:64].T for x in (x_train, x_val))
    scale = x_train.std()   # one for all components, so that the first ones stay the largest
    return split.replace(x_train=x_train / scale, x_val=x_val / scale, test=None)


def emoji_in_small(seed):
    """`datasets.emoji` as images of 16×16 pixels."""
    split = datasets.emoji(seed)

    def halved(x):
        return x.reshape(len(x), 16, 2, 16, 2, 3).mean((2, 4))

    return split.replace(x_train=halved(split.x_train), x_val=halved(split.x_val), test=None)


TASKS = {task.name: task for task in (
    Task("digits", "handwriting", datasets.digits, digits_as_images),
    Task("mnist", "handwriting", small_mnist, small_mnist),
    Task("emoji", "drawings", emoji_components, emoji_in_small),
    Task("cancer", "medicine", datasets.cancer),
    Task("mnist1d", "signals", datasets.mnist1d),
    Task("tones", "signals", datasets.tones))}


def tuning_part(split, seed):
    """The split with a random half of its validation data: this half chooses the settings of an arm."""
    return _half(split, seed, 0)


def measuring_part(split, seed):
    """The split with the other half of its validation data, which is used for nothing but the measurement."""
    return _half(split, seed, 1)


def _half(split, seed, which):
    order = np.random.default_rng([seed, 1]).permutation(len(split.x_val))
    rows = np.sort(order[which::2][:len(order) // 2])   # as many in both halves: the same program scores them
    return split.replace(x_val=split.x_val[rows], y_val=split.y_val[rows])
