"""Keras's layers that augment images, made of operations that can be mapped over runs.

Each layer changes images as Keras's does, with its own arguments, but takes its draws from the run. Images of the form
(channels, height, width) are left to Keras.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from course_utils.training import augmentation, noise


class _Changing:
    """A layer that changes every image of a batch in its own way in training, and none in inference."""

    def call(self, data, training=True):
        if not training or self.data_format != "channels_last":
            return super().call(data, training=training)
        return self.changed(tf.cast(data, self.compute_dtype))


class RandomFlip(_Changing, keras.layers.RandomFlip):
    """`keras.layers.RandomFlip`; like Keras's, it mirrors an image along both axes or along neither."""

    def changed(self, images):
        mirrored = tf.reverse(images, {"horizontal": [2], "vertical": [1]}.get(self.mode, [1, 2]))
        return tf.where(_drawn(images, 0, 1)[..., None] <= 0.5, mirrored, images)


class RandomContrast(_Changing, keras.layers.RandomContrast):
    """`keras.layers.RandomContrast`."""

    def changed(self, images):
        mean = tf.reduce_mean(images, (1, 2), keepdims=True)
        contrast = _drawn(images, 1 - self.factor[0], 1 + self.factor[1])[..., None]
        return tf.clip_by_value((images - mean) * tf.cast(contrast, images.dtype) + mean, *self.value_range)


class RandomBrightness(_Changing, keras.layers.RandomBrightness):
    """`keras.layers.RandomBrightness`."""

    def changed(self, images):
        low, high = self.value_range
        added = _drawn(images, *self.factor)[..., None] * (high - low)
        return tf.clip_by_value(images + tf.cast(added, images.dtype), low, high)


class _Moving(_Changing):
    """A layer whose pixels come from other places, which `sources` computes.

    The places are float64 whatever the images are: with fewer digits, Keras and XLA would sometimes round the same
    place to different pixels.
    """

    def changed(self, images):
        _, height, width, _ = images.shape
        middle, center = (height - 1) / 2, (width - 1) / 2
        rows, columns = self.sources(images, (np.arange(height) - middle)[:, None], np.arange(width) - center)
        rows = _inside(rows + middle, height, self.fill_mode)
        columns = _inside(columns + center, width, self.fill_mode)
        fill = self.fill_value if self.fill_mode == "constant" else 0
        read = augmentation.interpolated if self.interpolation == "bilinear" else _nearest
        return read(images - fill, rows, columns) + fill   # what is outside of an image reads as 0


class RandomTranslation(_Moving, keras.layers.RandomTranslation):
    """`keras.layers.RandomTranslation`."""

    def sources(self, images, down, right):
        _, height, width, _ = images.shape
        return (down - height * _drawn(images, self.height_lower, self.height_upper),
                right - width * _drawn(images, self.width_lower, self.width_upper))


class RandomRotation(_Moving, keras.layers.RandomRotation):
    """`keras.layers.RandomRotation`."""

    def sources(self, images, down, right):
        angle = 2 * math.pi * _drawn(images, *self.factor)
        return (tf.cos(angle) * down + tf.sin(angle) * right,
                tf.cos(angle) * right - tf.sin(angle) * down)


class RandomZoom(_Moving, keras.layers.RandomZoom):
    """`keras.layers.RandomZoom`."""

    def sources(self, images, down, right):
        height = width = 1 + _drawn(images, self.height_lower, self.height_upper)
        if self.width_factor is not None:
            width = 1 + _drawn(images, self.width_lower, self.width_upper)
        return height * down, width * right


REPLACEMENTS = {kind.__bases__[1]: kind for kind in (RandomFlip, RandomContrast, RandomBrightness, RandomTranslation,
                                                     RandomRotation, RandomZoom)}


def _drawn(images, low, high):
    """A number between low and high for each image: float64 (samples, 1, 1)."""
    return low + (high - low) * noise.current().uniform((images.shape[0], 1, 1), "float64")


def _inside(places, size, fill_mode):
    """Rows or columns with those outside of an image replaced as Keras's `fill_mode` says; "constant" leaves them."""
    if fill_mode == "constant":
        return places
    if fill_mode == "reflect":
        places = tf.math.floormod(places, 2.0 * size)
        places = tf.where(places < size, places, 2 * size - 1 - places)
    elif fill_mode == "wrap":   # as TensorFlow's kernel does it, which is wrong more than one size away
        times = tf.floor(tf.abs(places) / max(size - 1, 1))
        places = tf.where(places < 0, places + size * (times + 1),
                          tf.where(places > size - 1, places - size * times, places))
    return tf.clip_by_value(places, 0, size - 1)


def _nearest(images, rows, columns):
    """The pixels nearest to these places; halves are rounded away from 0, as TensorFlow's kernel does it."""
    rows, columns = (tf.cast(tf.sign(places) * tf.floor(tf.abs(places) + 0.5), tf.int32) for places in (rows, columns))
    return augmentation.read(images, rows, columns)
