"""Layers that can be mapped over runs, in place of those that cannot.

A replacement only calculates in another way: its variables and its settings are those of the layer it replaces.
"""

import contextlib

import keras
import tensorflow as tf

from course_utils.models import all_layers
from course_utils.training import noise
from course_utils.training.convolutions import REPLACEMENTS as CONVOLUTIONS
from course_utils.training.image_layers import REPLACEMENTS as IMAGE_LAYERS


class _RandomByRun:
    """A layer that draws in training, as strongly as a number of the run says."""

    place = None   # among the random layers of the model

    def call(self, inputs, training=False):
        if not training:
            return inputs
        stream = noise.current()
        return self.drawn(inputs, stream, stream.levels[self.place])


class _DropsByRun(_RandomByRun):
    """Inverted dropout (Srivastava et al. 2014, section 10)."""

    def drawn(self, inputs, stream, rate):
        given = self._mask_shape(inputs)
        shape = [size or actual for size, actual in zip(given or inputs.shape, inputs.shape, strict=True)]
        kept = stream.bits(shape) >= tf.cast(rate * 2.0**32, tf.uint32)
        return tf.where(kept, inputs / (1 - rate), tf.zeros_like(inputs))

    def _mask_shape(self, inputs):
        spatial = getattr(self, "_get_noise_shape", None)
        return spatial(inputs) if spatial else self.noise_shape


class Dropout(_DropsByRun, keras.layers.Dropout):
    """`keras.layers.Dropout` with one rate per run."""


class SpatialDropout1D(_DropsByRun, keras.layers.SpatialDropout1D):
    """`keras.layers.SpatialDropout1D` with one rate per run."""


class SpatialDropout2D(_DropsByRun, keras.layers.SpatialDropout2D):
    """`keras.layers.SpatialDropout2D` with one rate per run."""


class GaussianDropout(_RandomByRun, keras.layers.GaussianDropout):
    """`keras.layers.GaussianDropout` with one rate per run (Srivastava et al. 2014, section 10)."""

    def drawn(self, inputs, stream, rate):
        return inputs * (1 + tf.sqrt(rate / (1 - rate)) * stream.normal(inputs.shape, inputs.dtype))


class GaussianNoise(_RandomByRun, keras.layers.GaussianNoise):
    """`keras.layers.GaussianNoise` with one standard deviation per run."""

    def drawn(self, inputs, stream, stddev):
        return inputs + stddev * stream.normal(inputs.shape, inputs.dtype)


BY_LEVEL = {kind.__bases__[1]: kind for kind in (Dropout, SpatialDropout1D, SpatialDropout2D, GaussianDropout,
                                                 GaussianNoise)}
RANDOM = BY_LEVEL | IMAGE_LAYERS
REPLACEMENTS = CONVOLUTIONS | RANDOM


@contextlib.contextmanager
def replaced(model, replacements=REPLACEMENTS):
    """Let the layers of a model act as their replacements inside this context.

    Their classes change, and nothing else, so that whatever they hold is still there. With ``replacements=RANDOM``,
    the model is Keras's own, but draws as the mapped one does.
    """
    before = [(layer, type(layer)) for layer in all_layers(model) if type(layer) in replacements]
    for place, layer in enumerate(random(model)):
        object.__setattr__(layer, "place", place)
    try:
        for layer, kind in before:
            object.__setattr__(layer, "__class__", replacements[kind])   # Keras would track it as an attribute
        yield
    finally:
        for layer, kind in before:
            object.__setattr__(layer, "__class__", kind)


def random(model):
    """The layers of a model that draw as strongly as a run says, in its order."""
    return [layer for layer in all_layers(model) if type(layer) in BY_LEVEL or type(layer) in BY_LEVEL.values()]


def knob(layer):
    """The knob that sets how strong a random layer is."""
    return "gaussian_noise" if isinstance(layer, keras.layers.GaussianNoise) else "dropout"


def level(layer):
    """The strength that a random layer was built with: its rate, or its standard deviation."""
    return layer.stddev if isinstance(layer, keras.layers.GaussianNoise) else layer.rate


def penalized(model):
    """Whether layers of a model have a penalty of their own on weights or outputs."""
    return any(getattr(layer, "activity_regularizer", None) is not None
               or any(getattr(variable, "regularizer", None) is not None for variable in layer.trainable_variables)
               for layer in all_layers(model))


def outputs(model):
    """What each layer of a model gives when it is called first, as Keras's symbolic tensors."""
    return [layer._inbound_nodes[0].output_tensors[0] for layer in model.layers]
