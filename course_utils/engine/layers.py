"""Layers that can be mapped over runs, in place of those that cannot.

The replacements have the variables and the configuration of the layers they replace, so that
the stacked weights of the original model fit.
"""

import keras
import tensorflow as tf

from course_utils.engine import noise
from course_utils.engine.convolutions import REPLACEMENTS as CONVOLUTIONS


class _DropsByRun:
    """Inverted dropout with a rate that is a number of the run (Srivastava et al. 2014, section 10)."""

    place = None   # among the dropout layers of the model

    def call(self, inputs, training=False):
        if not training:
            return inputs
        stream = noise.current()
        rate = stream.dropout[self.place]
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


REPLACEMENTS = CONVOLUTIONS | {kind.__bases__[1]: kind for kind in (Dropout, SpatialDropout1D, SpatialDropout2D)}


def mappable(model):
    """A model of the same variables, from layers that can be mapped over runs where there are such.

    A subclass of `keras.Model` inside a model cannot be taken apart; it is returned as it is.
    """
    try:
        clone = keras.models.clone_model(model, clone_function=_replaced)
    except ValueError:   # neither Sequential nor functional
        return model
    for place, layer in enumerate(dropouts(clone)):
        layer.place = place
    return clone


def dropouts(model):
    """The dropout layers of a model, in its order."""
    return [layer for layer in model._flatten_layers(include_self=False)
            if isinstance(layer, keras.layers.Dropout)]


def droppable(model):
    """The dropout layers that `mappable` replaces, in models inside the model too."""
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return ([layer for layer in model.layers if issubclass(REPLACEMENTS.get(type(layer), object), _DropsByRun)]
            + [layer for nested in inner for layer in droppable(nested)])


def outputs(model):
    """What each layer of a model gives when it is called first, as Keras's symbolic tensors."""
    return [layer._inbound_nodes[0].output_tensors[0] for layer in model.layers]


def _replaced(layer):
    if isinstance(layer, keras.Model):
        return mappable(layer)
    kind = REPLACEMENTS.get(type(layer), type(layer))
    return kind.from_config(layer.get_config())
