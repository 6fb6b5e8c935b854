"""Convolution and pooling as slices and matrix products: the same numbers as Keras, for many networks at once."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras import layers

from course_utils import models
from course_utils.training.convolutions import REPLACEMENTS, MatmulConv2D, SlicedMaxPooling2D

SIZE = st.integers(1, 4)
PAIR = st.tuples(SIZE, SIZE)
FEW = settings(max_examples=30)


@st.composite
def images(draw):
    """A small batch, of distinct numbers or (for ties) of zeros and ones."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = draw(st.tuples(st.just(2), st.integers(1, 7), st.integers(1, 7), st.integers(1, 3)))
    return rng.normal(size=shape) if draw(st.booleans()) else rng.integers(0, 2, shape).astype("float64")


def replaced(layer):
    return REPLACEMENTS.get(type(layer), type(layer)).from_config(layer.get_config())


def outputs_and_gradients(layer, x, weights=()):
    """The outputs, and the gradients of a sum that weighs each of them differently."""
    x = tf.constant(x)
    layer.build(x.shape)
    layer.set_weights(weights)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x)
        total = tf.reduce_sum(outputs * np.random.default_rng(1).normal(size=outputs.shape))
    return [outputs, *tape.gradient(total, [x, *(variable.value for variable in layer.trainable_variables)])]


def expect_equal(ours, theirs):
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == their.shape
        np.testing.assert_allclose(our, their, rtol=0, atol=1e-10)


def fits(x, size, padding):
    return padding == "same" or (size[0] <= x.shape[1] and size[1] <= x.shape[2])


@FEW
@given(images(), PAIR, PAIR, st.booleans(), st.sampled_from(["valid", "same"]), st.booleans(),
       st.sampled_from(["linear", "tanh"]))
def test_a_convolution_equals_that_of_keras(x, kernel, steps, dilated, padding, use_bias, activation):
    strides, dilation = ((1, 1), steps) if dilated else (steps, (1, 1))
    assume(fits(x, [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)], padding))
    theirs = layers.Conv2D(3, kernel, strides, padding, dilation_rate=dilation, use_bias=use_bias,
                           activation=activation, dtype="float64")
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=(*kernel, x.shape[-1], 3)), rng.normal(size=3)][:1 + use_bias]
    ours = replaced(theirs)
    assert type(ours) is MatmulConv2D
    expect_equal(outputs_and_gradients(ours, x, weights), outputs_and_gradients(theirs, x, weights))


@FEW
@pytest.mark.parametrize("kind", [layers.MaxPooling2D, layers.AveragePooling2D])
@given(images(), PAIR, st.none() | PAIR, st.sampled_from(["valid", "same"]),
       st.sampled_from(["channels_last", "channels_first"]))
def test_a_pooling_equals_that_of_keras(kind, x, size, strides, padding, data_format):
    assume(fits(x, size, padding))
    if data_format == "channels_first":
        x = np.moveaxis(x, -1, 1)
    theirs = kind(size, strides, padding, data_format, dtype="float64")
    ours = replaced(theirs)
    assert type(ours) is not kind
    expect_equal(outputs_and_gradients(ours, x), outputs_and_gradients(theirs, x))


def test_of_equal_maxima_the_first_in_reading_order_gets_the_gradient():
    x = np.array([[0, 1, 1, 1],
                  [1, 0, 1, 1]], "float64").reshape(1, 2, 4, 1)
    _, gradient = outputs_and_gradients(SlicedMaxPooling2D(dtype="float64"), x)
    assert (gradient.numpy()[0, :, :, 0] != 0).tolist() == [[False, True, True, False], [False] * 4]


@pytest.mark.parametrize("arguments", [{"groups": 2}, {"data_format": "channels_first"}], ids=str)
def test_a_convolution_of_another_kind_is_left_to_keras(arguments):
    x, theirs = np.random.default_rng(0).normal(size=(2, 4, 4, 4)), layers.Conv2D(6, 3, **arguments)
    ours = replaced(theirs)
    ours.build(x.shape)
    theirs.build(x.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(xla(ours)(x), xla(theirs)(x), atol=1e-5)


def xla(function):
    """Without XLA, TensorFlow has no channels-first convolution on a CPU."""
    return tf.function(function, jit_compile=True, autograph=False)


def network():
    """Every layer that is replaced, and some that are not."""
    return keras.Sequential([
        keras.Input((6, 6, 2)), layers.Conv2D(3, 3, padding="same", use_bias=False, dtype="float64"),
        layers.BatchNormalization(dtype="float64"), layers.ReLU(), layers.MaxPooling2D(dtype="float64"),
        layers.Conv2D(4, 2, activation="tanh", dtype="float64"),
        layers.AveragePooling2D(2, 1, "same", dtype="float64"), layers.Flatten(), layers.Dense(3, dtype="float64")])


def test_many_networks_at_once_equal_each_alone():
    original = network()
    model = keras.models.clone_model(original, clone_function=replaced)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 5, 6, 6, 2))
    stacks = [rng.normal(size=(4, *variable.shape)) for variable in original.trainable_variables]
    other = [variable.value for variable in original.non_trainable_variables]

    def loss_and_gradients(model, run):
        weights, x = run
        with tf.GradientTape() as tape:
            tape.watch(weights)
            outputs, _ = model.stateless_call(weights, other, x, training=True)
            loss = tf.reduce_mean(outputs**2)
        return [loss, *tape.gradient(loss, weights)]

    together = xla(lambda *runs: tf.vectorized_map(lambda run: loss_and_gradients(model, run), runs,
                                                   fallback_to_while_loop=False))(stacks, x)
    for number in range(4):
        alone = loss_and_gradients(original, ([tf.constant(stack[number]) for stack in stacks], x[number]))
        expect_equal([values[number] for values in together], alone)


@pytest.mark.parametrize("build_model", [network, lambda: models.cnn(input_shape=(64,), batch_norm=True)])
def test_a_swapped_model_has_the_same_variables_and_configuration(build_model):
    original = build_model()
    model = keras.models.clone_model(original, clone_function=replaced)
    assert {type(layer) for layer in original.layers} & set(REPLACEMENTS)
    assert not {type(layer) for layer in model.layers} & set(REPLACEMENTS)
    assert [layer.get_config() for layer in model.layers] == [layer.get_config() for layer in original.layers]
    for kind in ("trainable_variables", "non_trainable_variables"):
        ours, theirs = ([(variable.path, variable.shape, variable.dtype) for variable in getattr(either, kind)]
                        for either in (model, original))
        assert ours == theirs
