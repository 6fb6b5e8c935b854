"""The NumPy reference equals Keras, the definition of ONNX, numerical gradients and `tf.GradientTape`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from course_utils import batch_norm
from tests.helpers.sentences import refused

CLOSE = {"float32": {"rtol": 1e-5, "atol": 1e-5}, "float64": {"rtol": 1e-9, "atol": 1e-9}}


@st.composite
def batches(draw, dtypes=("float32", "float64"), first_axis=0):
    """A batch of some rank, its feature axis, γ, β, ε, and a generator for more of it."""
    shape = draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    axis = draw(st.integers(first_axis, len(shape) - 1))
    axis = draw(st.sampled_from([axis, axis - len(shape)]))
    dtype = draw(st.sampled_from(dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale, offset = 10**rng.uniform(-2, 2), rng.uniform(-3, 3)
    x = (scale * (rng.normal(0, 1, shape) + offset)).astype(dtype)
    gamma, beta = (rng.normal(center, 1, shape[axis]).astype(dtype) for center in (1, 0))
    return x, axis, gamma, beta, draw(st.sampled_from([1e-5, 1e-3, 0.5])), rng


def keras_layer(x, axis, gamma, beta, epsilon, momentum=0.99):
    from keras import layers

    layer = layers.BatchNormalization(axis=axis, epsilon=epsilon, momentum=momentum, dtype=str(x.dtype))
    layer.build(x.shape)
    layer.set_weights([gamma, beta, *layer.get_weights()[2:]])
    return layer


@settings(max_examples=60)
@given(batches())
def test_training_inference_and_running_statistics_are_those_of_keras(batch):
    x, axis, gamma, beta, epsilon, rng = batch
    layer = keras_layer(x, axis, gamma, beta, epsilon, momentum=0.8)
    mean, variance = np.zeros_like(gamma), np.ones_like(gamma)
    close = CLOSE[str(x.dtype)]
    for _ in range(4):
        out = batch_norm.forward(x, gamma, beta, axis=axis, epsilon=epsilon)
        assert out.dtype == x.dtype
        assert_allclose(out, layer(x, training=True), rtol=0, atol=close["atol"] + rounding_of_keras(
            x, gamma, *batch_norm.statistics(x, axis=axis), epsilon))
        mean, variance = batch_norm.update_running(mean, variance, x, momentum=0.8, axis=axis)
        x = (x * rng.uniform(0.5, 2) + rng.normal()).astype(x.dtype)
    assert mean.dtype == variance.dtype == x.dtype
    assert_allclose(mean, layer.moving_mean, **close)
    assert_allclose(variance, layer.moving_variance, **close)
    assert_allclose(batch_norm.inference(x, gamma, beta, mean, variance, axis=axis, epsilon=epsilon),
                    layer(x, training=False), rtol=close["rtol"],
                    atol=close["atol"] + rounding_of_keras(x, gamma, mean, variance, epsilon))


def rounding_of_keras(x, gamma, mean, variance, epsilon):
    """How far Keras itself may be off: it scales first and then takes one large number from another."""
    return 4 * np.finfo(x.dtype).eps * np.abs(gamma).max() * (np.abs(x).max() + np.abs(mean).max()) / np.sqrt(
        variance.min() + epsilon)


def test_defaults_are_those_of_keras():
    x = np.random.default_rng(0).normal(2, 3, (6, 4))
    layer = keras_layer(x, -1, np.ones(4), np.zeros(4), epsilon=1e-3)
    defaults = type(layer)(dtype="float64")
    assert (defaults.axis, defaults.epsilon, defaults.momentum) == (-1, 1e-3, 0.99)
    assert_allclose(batch_norm.forward(x, np.ones(4), np.zeros(4)), layer(x, training=True), rtol=1e-9, atol=1e-9)
    assert_allclose(batch_norm.update_running(np.zeros(4), np.ones(4), x), layer.get_weights()[2:], rtol=1e-9)


def onnx_batch_normalization(x, scale, bias, input_mean, input_var, *, epsilon=1e-5, momentum=0.9, training_mode=0):
    """The operator of ONNX, opset 15, after https://onnx.ai/onnx/operators/onnx__BatchNormalization.html.

    Channels are axis 1; ReduceVar is the population variance; momentum is the share of the old
    statistics. Returns Y, and the running statistics in training mode.
    """
    def per_channel(values):
        return values.reshape(1, -1, *[1] * (x.ndim - 2))

    if not training_mode:
        return (x - per_channel(input_mean)) / np.sqrt(per_channel(input_var) + epsilon) * per_channel(scale) + (
            per_channel(bias))
    others = (0, *range(2, x.ndim))
    current_mean, current_var = np.mean(x, others), np.var(x, others)
    y = (x - per_channel(current_mean)) / np.sqrt(per_channel(current_var) + epsilon) * per_channel(scale) + (
        per_channel(bias))
    return (y, input_mean * momentum + current_mean * (1 - momentum),
            input_var * momentum + current_var * (1 - momentum))


@settings(max_examples=60)
@given(batches(), st.sampled_from([0.1, 0.9]))
def test_both_modes_are_those_of_the_onnx_operator(batch, momentum):
    x, axis, scale, bias, epsilon, rng = batch
    x = np.moveaxis(x, axis, 1)
    mean, variance = (rng.uniform(0.5, 2, len(scale)).astype(x.dtype) for _ in range(2))
    knobs = {"axis": 1, "epsilon": epsilon}
    close = CLOSE[str(x.dtype)]
    y, running_mean, running_var = onnx_batch_normalization(
        x, scale, bias, mean, variance, epsilon=epsilon, momentum=momentum, training_mode=1)
    assert_allclose(batch_norm.forward(x, scale, bias, **knobs), y, **close)
    found = batch_norm.update_running(mean, variance, x, momentum=momentum, axis=1)
    assert_allclose(found, (running_mean, running_var), **close)
    y = onnx_batch_normalization(x, scale, bias, mean, variance, epsilon=epsilon)
    assert_allclose(batch_norm.inference(x, scale, bias, mean, variance, **knobs), y, **close)


@settings(max_examples=40)
@given(batches())
def test_gradients_are_those_of_the_tape(batch):
    import tensorflow as tf

    x, axis, gamma, beta, epsilon, rng = batch
    x = (x / max(1, np.abs(x).max())).astype(x.dtype)
    dout = rng.normal(0, 1, x.shape).astype(x.dtype)
    found = batch_norm.backward(dout, x, gamma, axis=axis, epsilon=epsilon)
    assert [value.dtype for value in found] == [x.dtype] * 3
    # In float64, whatever x is: the tape's own rounding is not what is tested here.
    layer = keras_layer(x.astype("float64"), axis, gamma, beta, epsilon)
    inputs = tf.constant(x, "float64")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(layer(inputs, training=True) * dout)
    for ours, theirs in zip(found, tape.gradient(loss, [inputs, layer.gamma, layer.beta]), strict=True):
        size = 1 + np.abs(theirs).max()
        assert_allclose(ours / size, theirs / size, **CLOSE[str(x.dtype)])


@settings(max_examples=25)
@given(batches(dtypes=["float64"]))
def test_gradients_are_the_numerical_ones(batch):
    x, axis, gamma, beta, epsilon, rng = batch
    x = x / max(1, np.abs(x).max())
    epsilon = max(epsilon, 1e-3)   # a feature without spread bends sharply at a smaller one
    dout = rng.normal(0, 1, x.shape)

    def loss(**changed):
        given = {"x": x, "gamma": gamma, "beta": beta} | changed
        return (dout * batch_norm.forward(**given, axis=axis, epsilon=epsilon)).sum()

    for (name, values), ours in zip({"x": x, "gamma": gamma, "beta": beta}.items(),
                                    batch_norm.backward(dout, x, gamma, axis=axis, epsilon=epsilon), strict=True):
        for index in np.ndindex(*values.shape):
            step = np.zeros_like(values)
            step[index] = 1e-5
            slope = (loss(**{name: values + step}) - loss(**{name: values - step})) / 2e-5
            assert ours[index] == pytest.approx(slope, rel=1e-5, abs=1e-5 * (1 + np.abs(ours).max()))


@given(batches(dtypes=["float64"]), st.floats(-100, 100), st.floats(0.1, 10))
def test_a_feature_may_be_shifted_and_stretched(batch, shift, stretch):
    x, axis, gamma, beta, epsilon, _ = batch
    shifted = batch_norm.forward(x + shift, gamma, beta, axis=axis, epsilon=epsilon)
    assert_allclose(shifted, batch_norm.forward(x, gamma, beta, axis=axis, epsilon=epsilon), rtol=1e-6, atol=1e-6)
    # A stretch is undone exactly only if ε is stretched too: without one it is what ε costs.
    stretched = batch_norm.forward(stretch * x, gamma, beta, axis=axis, epsilon=stretch**2 * epsilon)
    assert_allclose(stretched, batch_norm.forward(x, gamma, beta, axis=axis, epsilon=epsilon), rtol=1e-6, atol=1e-6)


@given(batches(dtypes=["float64"]))
def test_every_feature_leaves_with_mean_beta_and_the_variance_that_epsilon_leaves(batch):
    x, axis, gamma, beta, epsilon, _ = batch
    out_mean, out_variance = batch_norm.statistics(
        batch_norm.forward(x, gamma, beta, axis=axis, epsilon=epsilon), axis=axis)
    _, variance = batch_norm.statistics(x, axis=axis)
    assert_allclose(out_mean, beta, atol=1e-9)
    assert_allclose(out_variance, gamma**2 * variance / (variance + epsilon), atol=1e-9)


@given(batches(dtypes=["float64"]))
def test_gamma_and_beta_can_undo_the_normalization(batch):
    x, axis, _, _, epsilon, _ = batch
    mean, variance = batch_norm.statistics(x, axis=axis)
    assert_allclose(batch_norm.forward(x, np.sqrt(variance + epsilon), mean, axis=axis, epsilon=epsilon), x,
                    rtol=1e-9, atol=1e-9 * np.abs(x).max())


@given(batches(dtypes=["float64"]))
def test_the_gradient_neither_shifts_nor_stretches_a_feature(batch):
    x, axis, gamma, beta, epsilon, rng = batch
    dout = rng.normal(0, 1, x.shape)
    dx, dgamma, dbeta = batch_norm.backward(dout, x, gamma, axis=axis, epsilon=epsilon)
    others = tuple(other for other in range(x.ndim) if other != axis % x.ndim)
    size = 1 + np.abs(dx).max()
    assert_allclose(dx.sum(others) / size, 0, atol=1e-9)
    assert_allclose(dbeta, dout.sum(others), atol=1e-9)
    # Along the feature itself only ε keeps a gradient alive.
    mean, variance = batch_norm.statistics(x, axis=axis)
    root = np.sqrt(variance + epsilon)
    along = (dx * batch_norm.inference(x, root, 0 * beta, mean, variance, axis=axis, epsilon=epsilon)).sum(others)
    left = gamma * dgamma * epsilon / (variance + epsilon)
    assert_allclose(along, left, rtol=1e-6, atol=1e-6 * size * (1 + np.abs(x).max()))


def test_a_sample_at_inference_does_not_depend_on_its_batch():
    rng = np.random.default_rng(0)
    x, (gamma, beta, mean, variance) = rng.normal(0, 1, (6, 3)), rng.uniform(1, 2, (4, 3))
    together = batch_norm.inference(x, gamma, beta, mean, variance)
    alone = [batch_norm.inference(x[[row]], gamma, beta, mean, variance)[0] for row in range(6)]
    np.testing.assert_array_equal(together, alone)


def test_float32_keeps_its_digits_beside_a_large_mean():
    x = np.random.default_rng(0).normal(0, 1, (4096, 3)).astype("float32") + np.float32(10_000)
    out = batch_norm.forward(x, np.ones(3), np.zeros(3))
    assert out.dtype == np.float32
    exact = batch_norm.forward(x.astype("float64"), np.ones(3), np.zeros(3))
    assert_allclose(out, exact, rtol=1e-6, atol=1e-6)


def test_a_constant_feature_becomes_beta():
    out = batch_norm.forward(np.full((5, 2), 7.0), np.array([2.0, 3.0]), np.array([-1.0, 4.0]))
    np.testing.assert_array_equal(out, [[-1.0, 4.0]] * 5)


def test_nothing_is_changed_in_place():
    rng = np.random.default_rng(0)
    values = [rng.normal(0, 1, (4, 3)), *rng.uniform(1, 2, (4, 3))]
    before = [value.copy() for value in values]
    x, gamma, beta, mean, variance = values
    batch_norm.forward(x, gamma, beta)
    batch_norm.update_running(mean, variance, x)
    batch_norm.inference(x, gamma, beta, mean, variance)
    batch_norm.backward(x, x, gamma)
    for value, copy in zip(values, before, strict=True):
        np.testing.assert_array_equal(value, copy)


X, ONES = np.ones((4, 3)), np.ones(3)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: batch_norm.forward(X, np.ones(4), ONES),
     r"gamma has shape \(4,\); expected \(3,\), one number for each feature along axis -1 of x, shape \(4, 3\)."),
    (lambda: batch_norm.forward(X, ONES, 0.0), r"beta has shape \(\); expected \(3,\), one number"),
    (lambda: batch_norm.forward(X, ONES, ONES, axis=2), r"axis is 2; expected an axis of x, shape \(4, 3\), from -2"),
    (lambda: batch_norm.forward(X, ONES, ONES, epsilon=-1), "epsilon is -1; expected a small number"),
    (lambda: batch_norm.forward(X[0], ONES, ONES), r"x has shape \(3,\); expected samples and features"),
    (lambda: batch_norm.statistics(X[:0]), r"x has shape \(0, 3\); expected samples and features, at least one"),
    (lambda: batch_norm.statistics(X.astype("uint8")), "x has the dtype uint8; expected floats"),
    (lambda: batch_norm.update_running(ONES, np.ones((1, 3)), X), r"moving_variance has shape \(1, 3\); expected"),
    (lambda: batch_norm.update_running(ONES, ONES, X, momentum=99), "momentum is 99; expected a share from 0 to 1"),
    (lambda: batch_norm.inference(X, ONES, ONES, np.ones(2), ONES), r"moving_mean has shape \(2,\); expected"),
    (lambda: batch_norm.backward(X.T, X, ONES), r"dout has shape \(3, 4\); expected that of x, \(4, 3\)."),
])
def test_errors_are_one_sentence(call, message):
    with refused(ValueError, match=message):
        call()
