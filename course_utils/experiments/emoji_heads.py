"""Linear classification heads on pretrained features, for the drawings of two artists: for the emoji lab."""

import functools

import numpy as np
import xarray as xr

from course_utils import datasets, fit_many, pretrained

ARTISTS = ["google", "twitter"]   # the heads learn from the first


def head(*, input_shape, classes):
    """A linear classification head."""
    import keras
    from keras import layers

    return keras.Sequential([keras.Input(input_shape), layers.Dropout(0.0), layers.Dense(classes, "softmax")])


@functools.cache
def features():
    """A `Split` of pretrained features, and the features of both artists' validation images, one after the other."""
    split, other = (datasets.emoji(size=64, artist=artist) for artist in ARTISTS)
    x_train, x_val, x_other = (pretrained.features(x) for x in (split.x_train, split.x_val, other.x_val))
    return split.replace(x_train=x_train, x_val=x_val, test=None), np.concatenate([x_val, x_other])


def train(knobs, *, epochs, balanced, report):
    """Train heads with Adam and decoupled weight decay, and classify the validation images of both artists.

    Parameters
    ----------
    knobs : dict
        Numeric knobs of `fit_many`.
    epochs : int
    balanced : bool
        Whether each class has the same total weight.
    report : callable
        Gets the results so far after each chunk; training stops if it returns True.

    Returns
    -------
    xarray.Dataset
        ``taken``, bool, dims (seed, epoch, artist, image, class), with the true class of each image as the coordinate
        ``truth``; ``accuracy``, dims (seed, epoch, artist).
    """
    split, x = features()
    counts = np.bincount(split.y_train)
    return answers(fit_many(
        head, split, knobs, epochs=epochs, optimizer="adamw", predict=x,
        class_weight=dict(enumerate(counts.mean() / counts)) if balanced else None,
        callback=lambda partial: report(answers(partial))))


def answers(runs):
    """What each validation image was taken for, as `train` returns it, from what `fit_many` returns."""
    y = features()[0].y_val   # the same for both artists
    chosen = runs.probability.argmax("class").values.reshape(*runs.probability.shape[:2], len(ARTISTS), len(y))
    dims = ("seed", "epoch", "artist", "image", "class")
    return xr.Dataset({"taken": (dims, chosen[..., None] == np.arange(runs.sizes["class"])),
                       "accuracy": (dims[:3], (chosen == y).mean(-1))},
                      {"artist": ARTISTS, "seed": runs.seed, "epoch": runs.epoch, "truth": ("image", y)}, runs.attrs)
