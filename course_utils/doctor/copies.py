"""Copies of the model that the doctor may train, and ways to look inside them."""

import time
from contextlib import contextmanager

import keras
import numpy as np


def fresh(model, change=None):
    """A model of the same structure with new initial weights, not compiled; `change` replaces each layer."""
    compiled, model.compiled = model.compiled, False  # or Keras would also copy the loss, which it can't always do
    try:
        return keras.models.clone_model(model, clone_function=change)
    finally:
        model.compiled = compiled


def copy_of(model):
    """A model of the same structure with the same weights, not compiled.

    Raises
    ------
    ValueError
        Keras cannot copy it; the message is one sentence.
    """
    try:
        copy = fresh(model)
        if not copy.built:
            copy.build(model.input_shape)
        copy.set_weights(model.get_weights())
    except Exception as error:
        raise ValueError(
            f"Keras cannot copy this model ({str(error).splitlines()[0]}); give its custom classes a get_config, "
            "or pass the recorded curves to doctor.read."
        ) from None
    for layer, original in zip(flat_layers(copy), flat_layers(model), strict=True):
        if isinstance(original, keras.layers.Normalization) and original.input_mean is None:
            layer.finalize_state()  # what `adapt` found out is in the weights only
    return copy


def flat_layers(model):
    """All layers, including those inside nested models and wrappers."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Wrapper):
            yield from (layer, layer.layer)
        elif getattr(layer, "layers", None):
            yield from flat_layers(layer)
        else:
            yield layer


def compiled(copy, model, *, learning_rate=None, optimizer=None, loss=None):
    """Compile a copy like the model, with a fresh optimizer and, if one is given, a different learning rate."""
    if optimizer is None:
        config = model.optimizer.get_config()
        if learning_rate is not None:
            config["learning_rate"] = learning_rate
        optimizer = type(model.optimizer).from_config(config)
    # A training as short as the doctor's is over before XLA would have compiled it.
    copy.compile(optimizer=optimizer, loss=loss or model.loss, jit_compile=keras.backend.backend() == "jax")
    return copy


def rate_of(model):
    """The learning rate that the model was last trained with."""
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def highest_rate(model):
    """The highest learning rate of its schedule so far; without a schedule, the current one."""
    rate = model.optimizer.get_config()["learning_rate"]
    if not isinstance(rate, dict):
        return rate_of(model)
    schedule = keras.optimizers.schedules.deserialize(rate)
    return max(float(schedule(step)) for step in np.linspace(0, int(model.optimizer.iterations), 50))


def train(copy, data, *, steps, batch_size, rng, shuffle=True, deadline=float("inf")):
    """Train on batches that are drawn here, so that no other random state is used; return the number of steps taken."""
    done = 0
    while done < steps:
        order = rng.permutation(len(data)) if shuffle else np.arange(len(data))
        for start in range(0, len(order), batch_size)[: steps - done]:
            batch = order[start : start + batch_size]
            copy.train_on_batch(data.x[batch], data.y[batch])
            done += 1
            if time.monotonic() > deadline:
                return done
    return done


def outputs(model, x, batch_size=500):
    """What the model predicts in inference mode, without `predict`, which would compile something into it."""
    return np.concatenate(
        [
            keras.ops.convert_to_numpy(keras.ops.cast(model(x[start : start + batch_size], training=False), "float32"))
            for start in range(0, len(x), batch_size)
        ]
    )


@contextmanager
def watched(layers, see, **changed):
    """While this lasts, `see(layer, inputs, outputs)` is called whenever one of the layers runs.

    With `training=True`, the layers run in training mode, whatever mode the model is called in.
    """

    def wrapped(layer, call):
        def run(inputs, *args, **kwargs):
            result = call(inputs, *args, **kwargs | changed)
            see(layer, inputs, result)
            return result

        return run

    for layer in layers:
        object.__setattr__(layer, "call", wrapped(layer, layer.call))
    try:
        yield
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")
