"""What goes on inside a network: how its layers respond, how large gradients and weights are."""

import re

import keras
import tensorflow as tf
from keras.src.utils.naming import to_snake_case

from course_utils.models import all_layers
from course_utils.training import layers

# Variable of the result → its last dimension.
DIMENSIONS = {"activation_mean": "layer", "activation_variance": "layer",
              "gradient_norm": "weight", "weight_norm": "weight"}


def observer(model, loss_of):
    """A function that looks into one run of a model in training mode.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional.
    loss_of : callable (y, outputs) → loss

    Returns
    -------
    callable ``(trainable, other, x, y)`` → dict
        activation_mean, activation_variance : (layers,) — over the batch and the units
        gradient_norm, weight_norm : (weights,) — Euclidean norms; the gradients are those of
        this loss, without penalties
    """
    outputs = [output for layer, output in zip(model.layers, layers.outputs(model), strict=True) if _is_observed(layer)]
    inside = keras.Model(model.inputs[0], [*model.outputs, *outputs])

    def observe(trainable, other, x, y):
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            (outputs, *activations), _ = inside.stateless_call(trainable, other, x, training=True)
            loss = loss_of(y, outputs)
        gradients = tape.gradient(loss, trainable, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return {"activation_mean": tf.stack([tf.reduce_mean(values) for values in activations]),
                "activation_variance": tf.stack([tf.math.reduce_variance(values) for values in activations]),
                "gradient_norm": tf.stack([tf.norm(gradient) for gradient in gradients]),
                "weight_norm": tf.stack([tf.norm(weight) for weight in trainable])}

    return observe


def names(model):
    """What `observer` looks at: dict with the names along "layer" and along "weight".

    Keras's automatic names are numbered anew within the model (dense, dense_1, …), so that they do not depend on what
    was built before.
    """
    layer_names, counts = {}, {}
    for layer in all_layers(model):
        kind = to_snake_case(type(layer).__name__)
        name = layer.name
        if re.fullmatch(rf"{kind}(_\d+)?", name):
            count = counts[kind] = counts.get(kind, -1) + 1
            name = f"{kind}_{count}" if count else kind
        layer_names[id(layer)] = name
    owners = {id(variable): layer_names[id(layer)] for layer in all_layers(model)
              for variable in layer.trainable_variables}   # the innermost layer comes last
    return {"layer": [layer_names[id(layer)] for layer in model.layers if _is_observed(layer)],
            "weight": [f"{owners[id(variable)]}/{variable.name}" for variable in model.trainable_variables]}


def _is_observed(layer):
    return not isinstance(layer, keras.layers.InputLayer)
