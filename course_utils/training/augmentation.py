"""Images changed anew at every training step, as strongly as the numbers of each run say.

The changes are a formula that can be mapped over runs. Like a dropout mask, a change is a pure function of run, step,
and place: a run sees the same images alone and in a crowd. If the strength is 0, images do not change by a single bit.
"""

import math
import zlib

import numpy as np
import tensorflow as tf
from scipy import stats

from course_utils.models import image_shape
from course_utils.training import noise
from course_utils.training.knobs import AUGMENTATION, check

QUANTILES = 1024   # of MixUp's shares


def augment(x, *, seed=0, step=0, **knobs):
    """These images as `fit_many` changes them in one step of a run.

    Parameters
    ----------
    x : float array (samples, ...)
        Images (height, width) or (height, width, channels), or square ones as vectors.
    seed, step : int
        Different seeds make different changes, and so do different steps.
    **knobs
        Such as ``shift=1`` or ``rotation=15``, as in the grid of `fit_many`.

    Returns
    -------
    float array like x

    Raises
    ------
    ValueError
        An unknown knob, a strength out of range, or samples that are not images.
    """
    for knob, value in knobs.items():
        if knob not in AUGMENTATION:
            raise ValueError(f"{knob!r} is no augmentation; expected some of {', '.join(AUGMENTATION)}.")
        check(knob, value, f"{knob} is")
    x = np.asarray(x)
    strengths = {knob: tf.constant(values[0], x.dtype) for knob, values in strengths_of([knobs], knobs).items()}
    draws = stream(tf.constant(noise.run_key(seed)), tf.constant(step))
    images, _ = augment_batch(tf.constant(x), tf.zeros(len(x), tf.int32), strengths, draws, classes=1)
    return images.numpy()


def strengths_of(runs, used):
    """The strengths of some runs as the program takes them: dict knob → array (runs, ...).

    For MixUp, these are quantiles of the distribution of its shares, Beta(alpha, alpha): a program cannot draw from it
    in any other way.
    """
    table = {knob: np.array([AUGMENTATION[knob] if run.get(knob) is None else run[knob] for run in runs])
             for knob in AUGMENTATION if knob in used}
    if "mixup" in used:
        places = np.linspace(0, 1, QUANTILES + 1)
        quantiles = {alpha: stats.beta.ppf(places, alpha, alpha) if alpha else np.ones_like(places)
                     for alpha in table["mixup"]}
        table["mixup"] = np.stack([quantiles[alpha] for alpha in table["mixup"]])
    return table


def specs(runs, used, dtype):
    """The result of `strengths_of` as TensorFlow specs."""
    return {knob: tf.TensorSpec((runs, QUANTILES + 1) if knob == "mixup" else (runs,), dtype)
            for knob in used}


def stream(key, step):
    """The draws of one run in one step: knob → its `noise.Stream`.

    Each knob has draws of its own, separate from those of all others and of the random layers, so that it does the same
    whatever else is in the grid.
    """
    return lambda knob: noise.Stream(
        tf.bitwise.bitwise_xor(key, tf.constant(zlib.crc32(knob.encode()), tf.uint32)), step, None)


def augment_batch(x, y, strengths, draws, *, classes):
    """One batch of one run, changed.

    Parameters
    ----------
    x : tensor (batch, ...)
    y : int32 tensor (batch,)
    strengths : dict knob → scalar, or for ``mixup`` quantiles (n,)
        Only these are computed.
    draws : callable knob → noise.Stream
    classes : int

    Returns
    -------
    x : like x
    y : as given, or under MixUp probabilities (batch, classes)
    """
    images = before = tf.reshape(x, (x.shape[0], *image_shape(x.shape[1:])))
    drawn = draws("augment_probability").uniform((x.shape[0], 1, 1, 1), x.dtype)
    changed = drawn < strengths.get("augment_probability", 1)
    for knob, axis in (("horizontal_flip", 2), ("vertical_flip", 1)):
        if knob in strengths:
            flipped = draws(knob).uniform((x.shape[0], 1, 1, 1), x.dtype) < strengths[knob]
            images = tf.where(flipped, tf.reverse(images, [axis]), images)
    if {"rotation", "zoom"} & set(strengths):
        images = _turned(images, draws, strengths)
    if {"placement", "shift"} & set(strengths):
        images = _moved(images, draws, strengths)
    if "cutout" in strengths:
        images = _cut_out(images, draws("cutout"), strengths["cutout"])
    if "pixel_noise" in strengths:
        images += strengths["pixel_noise"] * draws("pixel_noise").normal(images.shape, images.dtype)
    images = tf.where(changed, images, before)
    if "mixup" in strengths:
        images, y = _mixed(images, y, draws("mixup"), strengths["mixup"], changed[:, 0, 0, 0], classes)
    return tf.reshape(images, x.shape), y


def _turned(images, draws, strengths):
    """Images turned and magnified about their center, by bilinear interpolation; outside is 0."""
    samples, height, width, _ = images.shape

    def drawn(knob):
        return strengths.get(knob, 0) * (2 * draws(knob).uniform((samples, 1, 1), images.dtype) - 1)

    angle, magnified = drawn("rotation") * math.pi / 180, 1 + drawn("zoom")
    down = (np.arange(height) - (height - 1) / 2)[:, None]
    right = np.arange(width) - (width - 1) / 2
    row = (tf.cos(angle) * down - tf.sin(angle) * right) / magnified + (height - 1) / 2   # where a pixel comes from
    column = (tf.sin(angle) * down + tf.cos(angle) * right) / magnified + (width - 1) / 2
    return interpolated(images, row, column)


def interpolated(images, row, column):
    """What is at these places (samples, height, width) of each image, between its pixels; outside is 0."""
    samples, height, width, _ = images.shape
    top, left = tf.floor(row), tf.floor(column)
    below, beside = row - top, column - left   # shares of the next row and the next column
    weights = tf.stack([(1 - below) * (1 - beside), (1 - below) * beside, below * (1 - beside), below * beside], -1)
    weights = tf.cast(weights, images.dtype)   # places may be more exact
    # The four pixels around each place are next to each other in an image of corners: one access instead of four.
    bordered = tf.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    corners = tf.stack([bordered[:, :-1, :-1], bordered[:, :-1, 1:], bordered[:, 1:, :-1], bordered[:, 1:, 1:]], 3)
    corners = tf.reshape(corners, (samples, height + 1, width + 1, -1))
    around = read(corners, tf.cast(top, tf.int32) + 1, tf.cast(left, tf.int32) + 1)
    return tf.reduce_sum(weights[..., None] * tf.reshape(around, (*weights.shape, -1)), 3)


def _moved(images, draws, strengths):
    """Images moved by whole pixels; outside is 0. Shifted content may be cut off by an edge; placed content is not."""
    moves = tf.zeros((2, images.shape[0]), images.dtype)
    if "placement" in strengths:
        before, after = _margins(images, strengths["placement"])
        moves += _whole(-before, after, draws("placement"))
    if "shift" in strengths:
        most = strengths["shift"] * tf.ones_like(moves)
        moves += _whole(-most, most, draws("shift"))
    down, right = tf.unstack(tf.cast(moves, tf.int32)[..., None, None])
    rows, columns = np.ogrid[:images.shape[1], :images.shape[2]]
    return read(images, rows - down, columns - right)


def _margins(images, share):
    """How far the content of each image may move, back and forth: two tensors (2, samples), rows and columns."""
    before, after = [], []
    for axis, size in ((1, images.shape[1]), (2, images.shape[2])):
        has_content = tf.reduce_any(images != 0, (3 - axis, 3))   # (samples, size)
        places = np.arange(size)
        before.append(tf.reduce_min(tf.where(has_content, places, size), 1) % size)   # an empty image does not move
        after.append((size - 1 - tf.reduce_max(tf.where(has_content, places, -1), 1)) % size)
    return [tf.round(share * tf.cast(tf.stack(margins), images.dtype)) for margins in (before, after)]


def _whole(low, high, draws):
    """Integers from low to high, both included, all equally likely."""
    return low + tf.floor(draws.uniform(low.shape, low.dtype) * (high - low + 1))


def read(images, rows, columns):
    """The pixels at these places (samples, height, width) of each image; 0 outside."""
    samples, height, width, channels = images.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = tf.where(inside, rows * width + columns, 0) + height * width * np.arange(samples)[:, None, None]
    pixels = tf.gather(tf.reshape(images, (-1, channels)), index)
    return tf.where(inside[..., None], pixels, tf.zeros_like(pixels))


def _cut_out(images, draws, side):
    """Images with a square of zeros whose center is anywhere (DeVries & Taylor 2017, section 3)."""
    def within(size):
        center = tf.floor(draws.uniform((images.shape[0], 1), images.dtype) * size)
        first = center - tf.floor(side / 2)
        return (np.arange(size) >= first) & (np.arange(size) < first + side)   # (samples, size)

    rows, columns = within(images.shape[1]), within(images.shape[2])
    return tf.where((rows[:, :, None] & columns[:, None, :])[..., None], tf.zeros_like(images), images)


def _mixed(images, y, draws, quantiles, changed, classes):
    """Each image mixed with another of its batch, and their labels in the same way (Zhang et al. 2018, equation 1).

    Partners are the same random number of places apart in the batch, which is already in random order.
    """
    samples = images.shape[0]
    place = draws.uniform((samples,), images.dtype) * QUANTILES
    below = tf.minimum(tf.floor(place), QUANTILES - 1)
    low, high = (tf.gather(quantiles, tf.cast(below, tf.int32) + step) for step in (0, 1))
    share = tf.where(changed, low + (place - below) * (high - low), 1)
    further = 1 + tf.cast(draws.uniform((), images.dtype) * max(samples - 1, 1), tf.int32)
    partner = (np.arange(samples) + further) % samples
    # As one matrix: otherwise, XLA would compute every image again for its partner.
    mixing = tf.linalg.diag(share) + (1 - share)[:, None] * tf.one_hot(partner, samples, dtype=images.dtype)
    return (tf.reshape(mixing @ tf.reshape(images, (samples, -1)), images.shape),
            mixing @ tf.one_hot(y, classes, dtype=images.dtype))
