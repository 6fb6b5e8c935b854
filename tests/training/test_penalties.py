"""Penalties, norms and smoothed labels train in fit_many as in model.fit, one strength per run."""

import keras
import numpy as np
import pytest
import xarray as xr
from keras import layers
from packaging.version import Version

from course_utils import fit_many, models
from tests.helpers.by_keras import expect_equal, train
from tests.helpers.sentences import refused

L1_IN_FLOAT64 = pytest.mark.skipif(Version(keras.__version__) < Version("3.14"), reason="Keras itself fails at it")


def network(input_shape=(6,), classes=3, **options):
    """Two layers with the same options, and batch norm, whose γ and β no penalty of kernels reaches."""
    return keras.Sequential([keras.Input(input_shape), layers.Dense(5, **options), layers.BatchNormalization(),
                             layers.Activation("tanh"), layers.Dense(classes, activation="softmax", **options)])


def fitted(small, grid, build=network, **options):
    return fit_many(build, small, grid, epochs=3, dtype="float64", **options)


# Strengths that float32 holds exactly, as Keras keeps them.
@pytest.mark.parametrize(("optimizer", "knob", "values", "layer"), [
    pytest.param("sgd", "l1", [2.0**-10, 2.0**-3], lambda value: {"kernel_regularizer": keras.regularizers.L1(value)},
                 marks=L1_IN_FLOAT64),
    ("adam", "l2", [2.0**-10, 2.0**-3], lambda value: {"kernel_regularizer": keras.regularizers.L2(value)}),
    ("sgd", "max_norm", [0.5, 1.5], lambda value: {"kernel_constraint": keras.constraints.MaxNorm(value)}),
    ("adam", "max_norm", [0.5], lambda value: {"kernel_constraint": keras.constraints.MaxNorm(value)})])
def test_a_knob_is_what_its_keras_object_is(small, optimizer, knob, values, layer):
    runs = fitted(small, {knob: values, "seed": [3], "optimizer": optimizer}).isel(seed=0)
    for value in values:
        history = train(lambda value=value: network(**layer(value)), small, optimizer=optimizer, seed=3, epochs=3)
        expect_equal(runs.sel({knob: value}), history, 1e-9)
    assert (abs(runs.val_loss.isel(epoch=-1).diff(knob)) > 1e-3).all()   # the strengths did make a difference


def test_a_norm_bounds_the_weights_into_each_filter(small):
    def build(options=None, input_shape=(6,), classes=3):
        return keras.Sequential([
            keras.Input(input_shape), layers.Reshape((3, 2, 1)), layers.Conv2D(4, 2, **(options or {})),
            layers.Flatten(), layers.Dense(classes, activation="softmax")])

    bound = keras.constraints.MaxNorm(0.4, axis=[0, 1, 2])

    def by_hand():
        model = build({"kernel_constraint": bound})
        model.layers[-1].kernel.constraint = keras.constraints.MaxNorm(0.4)
        return model

    runs = fitted(small, {"max_norm": [0.4, np.inf]}, build)
    expect_equal(runs.sel(max_norm=0.4), train(by_hand, small, epochs=3), 1e-9)
    expect_equal(runs.sel(max_norm=np.inf), train(build, small, epochs=3), 1e-9)


def test_smoothed_labels(small):
    runs = fitted(small, {"label_smoothing": [0.0, 0.2]})
    for smoothing in (0.0, 0.2):
        def loss(y, outputs, smoothing=smoothing):
            return keras.losses.categorical_crossentropy(
                keras.ops.one_hot(keras.ops.reshape(y, (-1,)), 3, dtype="float64"), outputs, label_smoothing=smoothing)

        expect_equal(runs.sel(label_smoothing=smoothing), train(network, small, epochs=3, loss=loss), 1e-9)


class Adds(layers.Layer):
    """A layer that adds to the loss."""

    def call(self, inputs):
        self.add_loss(0.1 * keras.ops.mean(inputs ** 2))
        return inputs


@pytest.mark.parametrize("layer", [
    pytest.param(lambda: layers.Dense(4, kernel_regularizer="l1", bias_regularizer="l2", bias_initializer="ones"),
                 marks=L1_IN_FLOAT64),
    lambda: layers.PReLU(alpha_regularizer="l2", alpha_initializer="ones"),
    lambda: layers.Dense(4, activity_regularizer="l2"), Adds])
def test_penalties_that_layers_have_of_their_own(small, layer):
    def build(input_shape=(6,), classes=3):
        return keras.Sequential([keras.Input(input_shape), layer(), layers.Dense(classes, activation="softmax")])

    runs = fitted(small, {"seed": [0, 1]}, build)
    expect_equal(runs.sel(seed=1), train(build, small, seed=1, epochs=3), 1e-8)


def test_the_penalty_is_told_apart_from_the_crossentropy(small):
    runs = fitted(small, {"l2": [0.0, 0.1], "learning_rate": 0.0})
    plain = fitted(small, {"learning_rate": 0.0})
    assert "penalty" not in plain
    assert (runs.penalty.sel(l2=0.0) == 0).all()
    assert abs(runs.val_loss - runs.penalty - plain.val_loss).max() < 1e-12
    assert (runs.penalty.sel(l2=0.1) > 0.01).all()


def test_networks_with_and_without_a_penalty_of_their_own_share_a_result(small):
    runs = fitted(small, {"l2": 0.125, "depth": [1, 2], "width": 4}, models.mlp)
    history = train(lambda: models.mlp(input_shape=(6,), classes=3, depth=2, width=4, l2=0.125), small, epochs=3)
    expect_equal(runs.sel(depth=2), history, 1e-9)   # the knob takes the place of the argument

    def sometimes(strong, input_shape=(6,), classes=3):
        return network(input_shape, classes, kernel_regularizer=keras.regularizers.L2(0.1) if strong else None)

    runs = fitted(small, {"strong": [False, True]}, sometimes)
    assert (runs.penalty.sel(strong=False) == 0).all()
    assert (runs.penalty.sel(strong=True) > 0).all()


def test_strengths_never_recompile(small, compilations):
    for strength in (0.1, [0.0, 0.5], [0.9]):
        fit_many(network, small, {"seed": range(10), "l1": strength, "l2": strength, "max_norm": 1.0,
                                  "label_smoothing": strength}, epochs=1)
    assert len(compilations) == 1


def test_a_run_is_the_same_alone_and_in_a_crowd(small):
    crowd = fitted(small, {"l1": [0.0, 0.01], "max_norm": [0.5, np.inf], "seed": [3, 4]})
    alone = fitted(small, {"l1": 0.01, "max_norm": 0.5, "seed": 4})
    xr.testing.assert_allclose(crowd.sel(l1=0.01, max_norm=0.5, seed=4), alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("build", "grid", "message"), [
    (network, {"l2": [-0.1]}, r"grid\['l2'\] holds -0.1; expected a number from 0 up"),
    (network, {"max_norm": 0.0}, r"grid\['max_norm'\] holds 0.0; expected a number above 0, np.inf for no bound"),
    (network, {"label_smoothing": 1.0}, r"expected a share from 0 to less than 1"),
    (lambda: network(kernel_regularizer="l2"), {"l1": 0.1}, "has a kernel_regularizer of its own; leave out one"),
    (lambda: keras.Sequential([keras.Input((6,)), layers.Reshape((3, 2)), layers.GlobalAveragePooling1D(
        data_format="channels_first"), layers.Softmax()]), {"l1": 0.1}, "acts on the kernels"),
])
def test_mistakes_are_one_sentence(small, build, grid, message):
    with refused(ValueError, match=message):
        fit_many(build, small, grid, epochs=1)


def test_a_constraint_of_a_layer_is_obeyed(small):
    def build():
        return network(kernel_constraint=keras.constraints.MaxNorm(0.5))

    expect_equal(fitted(small, {"seed": [3]}, build).isel(seed=0), train(build, small, seed=3, epochs=3), 1e-9)
