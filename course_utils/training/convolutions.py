"""Convolution and pooling out of operations that can be done for many networks at once.

A convolution applies the same kernel to every patch of an image. Write each patch as one row of
a matrix, and each filter of the kernel as one column of another: then the convolution is the
product of the two ("im2col", Chellapilla, Puri & Simard 2006). `tf.vectorized_map` makes ten
matrix products into one batched product; ten convolutions with ten different kernels it
refuses, for TensorFlow has no operation that does them in one go.

Nobody cuts the patches out one by one. Three slices of an image, each shifted by one pixel,
hold the left, the middle and the right pixel of *every* patch of width 3; three slices of that
do the same for the rows. Joined, the slices are all patches; their maximum is max pooling,
their sum divided by their number average pooling.
"""

import functools

import keras
import numpy as np
import tensorflow as tf


class MatmulConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` as a matrix product; bias and activation are Keras's own.

    Grouped and channels-first convolutions are left to Keras.
    """

    def convolution_op(self, inputs, kernel):
        if self.groups != 1 or self.data_format != "channels_last":
            return super().convolution_op(inputs, kernel)
        patches = inputs
        for axis in (1, 0):   # columns, then rows: now a patch is ordered as a flattened kernel
            patches = tf.concat(_slices(patches, 1 + axis, self.kernel_size[axis], self.strides[axis], self.padding,
                                        dilation=self.dilation_rate[axis]), axis=-1)
        return tf.tensordot(patches, tf.reshape(kernel, (-1, self.filters)), axes=1)


class SlicedMaxPooling2D(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D` as a maximum of slices.

    Of equal maxima, the first in reading order gets the gradient, as in Keras.
    """

    def call(self, inputs):
        return _pool(self, tf.maximum, inputs, filler=-np.inf)


class SlicedAveragePooling2D(keras.layers.AveragePooling2D):
    """`keras.layers.AveragePooling2D` as a sum of slices, divided by how many pixels are not padding."""

    def call(self, inputs):
        return _pool(self, tf.add, inputs) / _pool(self, tf.add, tf.ones(inputs.shape[1:], inputs.dtype)[None])


REPLACEMENTS = {kind.__base__: kind for kind in (MatmulConv2D, SlicedMaxPooling2D, SlicedAveragePooling2D)}


def _pool(layer, combine, inputs, filler=0):
    """Combine the pixels of every window, within its rows first, so that a tie goes as in reading order."""
    height = 1 if layer.data_format == "channels_last" else 2
    for axis in (1, 0):
        inputs = functools.reduce(combine, _slices(inputs, height + axis, layer.pool_size[axis], layer.strides[axis],
                                                   layer.padding, filler=filler))
    return inputs


def _slices(x, axis, size, stride, padding, *, dilation=1, filler=0):
    """The first element of every window along an axis, the second of every window, … the last.

    Parameters
    ----------
    x : tensor (samples, ...)
    axis : int
        Its length must be known.
    size, stride, dilation : int
        Elements per window; steps from window to window, and from element to element.
    padding : {"valid", "same"}
        Only whole windows, or as many as there are strides in the axis.
    filler : number
        What the padding holds.

    Returns
    -------
    list of `size` tensors, one element along the axis for every window
    """
    length, reach = x.shape[axis], dilation * (size - 1) + 1
    windows = (length - reach) // stride + 1
    if padding == "same":
        windows = -(-length // stride)
        missing = max((windows - 1) * stride + reach - length, 0)
        # An odd one goes to the end, as in TensorFlow. Mapped, `tf.pad` would forget the filler.
        margins = [tf.fill([*x.shape[:axis], size, *x.shape[axis + 1:]], tf.constant(filler, x.dtype))
                   for size in (missing // 2, missing - missing // 2)]
        x = tf.concat([margins[0], x, margins[1]], axis)
    before = (slice(None),) * axis
    return [x[*before, first:first + (windows - 1) * stride + 1:stride] for first in range(0, reach, dilation)]
