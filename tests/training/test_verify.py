"""What would silently be wrong is found before the training, and trained another way."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from course_utils import datasets, fit_many, models
from course_utils.training import initial_weights, optimizers, programs, verify
from course_utils.training import layers as mapped
from tests.helpers.by_keras import expect_equal, train
from tests.helpers.sentences import refused


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return datasets.Split("images", rng.normal(size=(48, 8, 8, 2)), np.arange(48) % 2, rng.normal(size=(10, 8, 8, 2)),
                          np.arange(10) % 2)


@pytest.fixture(scope="module")
def words():
    """Sentences of seven words, some of them filled up with 0."""
    x = np.random.default_rng(0).integers(0, 20, (58, 7))
    return datasets.Split("words", x[:48], np.arange(48) % 2, x[48:], np.arange(10) % 2)


def network(shape, *stack):
    def build():
        return keras.Sequential([keras.Input(shape), *[make() for make in stack], layers.Flatten(),
                                 layers.Dense(2, activation="softmax")])

    return build


def image(*stack):
    return network((8, 8, 2), *stack)


def tanh():
    return layers.Conv2D(3, 3, padding="same", activation="tanh")


def padded():
    return layers.Lambda(lambda x: keras.ops.pad(x, ((0, 0), (0, 1), (0, 0), (0, 0)), constant_values=-9.0))


def adapted():
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(1).normal(5, 3, (200, 8, 8, 2)))
    return layer


def from_keras_random(shape, dtype=None):
    return keras.random.normal(shape, stddev=0.1, dtype=dtype)


def from_numpy(shape, dtype=None):
    return np.random.normal(0, 0.1, shape).astype(dtype)


# The data, the model, and whether it is trained one by one.
CASES = {
    "an operation whose mapped form is wrong": ("images", image(padded), True),
    "adapted statistics": ("images", image(adapted), False),
    "max pooling below 0": ("images", image(tanh, lambda: layers.MaxPooling2D(3, 2, padding="same")), False),
    "strides": ("images", image(tanh, lambda: layers.Conv2D(3, 3, strides=2, padding="same")), False),
    "strided average pooling": ("images", image(tanh, lambda: layers.AveragePooling2D(3, 2, padding="same")), False),
    "bilinear upsampling": ("images", image(lambda: layers.UpSampling2D(2, interpolation="bilinear")), True),
    "a mask": ("words", network((7,), lambda: layers.Embedding(20, 4, mask_zero=True),
                                layers.GlobalAveragePooling1D), False),
    "an embedding one by one": ("words", network((7,), lambda: layers.Embedding(20, 4), lambda: layers.Conv1D(3, 2)),
                                True),
}


def quiet_if(mapped):
    """A warning of training one by one is expected, or none."""
    return contextlib.nullcontext() if mapped else pytest.warns(UserWarning, match="trains these 2 networks one by one")


@pytest.mark.parametrize("case", CASES)
def test_what_is_easily_wrong_is_what_keras_does(request, case):
    data, build, one_by_one = CASES[case]
    split = request.getfixturevalue(data)
    with quiet_if(not one_by_one):
        runs = fit_many(build, split, {"seed": [2, 1]}, epochs=2, batch_size=16, dtype="float64")
    expect_equal(runs.sel(seed=1), train(build, split, seed=1, epochs=2, batch_size=16), 1e-8)


@pytest.mark.parametrize("initializer", [from_keras_random, from_numpy])
def test_a_seed_gives_the_same_initial_weights_in_every_grid(initializer):
    build = network((6,), lambda: layers.Dense(4, kernel_initializer=initializer))
    for seed in (2, 1):
        keras.utils.set_random_seed(seed)
        expected = [variable.numpy() for variable in build().trainable_variables]
        drawn, _ = initial_weights.weights(build, (), seed, "float32")
        for ours, theirs in zip(drawn, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_dropout_of_a_model_with_a_lambda_layer_obeys_the_grid(words):
    build = network((7,), lambda: layers.Lambda(lambda x: x / 10), lambda: layers.Dropout(0.5))
    runs = fit_many(build, words, {"dropout": [0.0, 0.9], "learning_rate": 0.0}, epochs=1, batch_size=16)
    assert runs.loss.sel(dropout=0.0) != runs.loss.sel(dropout=0.9)


def test_a_recurrent_layer_with_dropout_which_draws_even_in_validation_is_trained_one_by_one(words):
    build = network((7,), lambda: layers.Embedding(20, 4, mask_zero=True), lambda: layers.LSTM(3, dropout=0.5))
    with quiet_if(False):
        runs = fit_many(build, words, {"seed": [0, 1]}, epochs=1, batch_size=16, dtype="float64")
    assert runs.loss.notnull().all()


class Wrong(layers.Dense):
    """Too large by a hundredth."""

    def call(self, inputs, training=None):
        return super().call(inputs) * 1.01


class WrongInValidation(Wrong):
    """Right in training."""

    def call(self, inputs, training=None):
        return layers.Dense.call(self, inputs) if training else super().call(inputs)


class WithoutGradient(layers.Dense):
    """As large as it should be, but its kernel does not learn."""

    def call(self, inputs, training=None):
        return self.activation(inputs @ tf.stop_gradient(tf.convert_to_tensor(self.kernel)) + self.bias)


class Drifting(layers.BatchNormalization):
    """Its running mean drifts away."""

    def call(self, inputs, training=None, mask=None):
        outputs = super().call(inputs, training=training, mask=mask)
        if training:
            self.moving_mean.assign(self.moving_mean + 0.001)
        return outputs


@pytest.fixture
def afresh():
    """No program is left of earlier tests, nor one with an error for later ones."""
    programs.forget_programs()
    yield
    programs.forget_programs()


def normalized(input_shape=(6,), classes=3):
    return keras.Sequential([keras.Input(input_shape), layers.Dense(4), layers.BatchNormalization(),
                             layers.Dense(classes, activation="softmax")])


@pytest.mark.parametrize(("wrong", "kind"), [
    (Wrong, "loss"), (WrongInValidation, "validation loss"), (WithoutGradient, "gradients"), (Drifting, "state mean")])
def test_an_error_in_a_replaced_layer_is_found_and_does_not_count(small, monkeypatch, afresh, wrong, kind):
    kind_of_layer = layers.Dense if issubclass(wrong, layers.Dense) else layers.BatchNormalization
    monkeypatch.setitem(mapped.REPLACEMENTS, kind_of_layer, wrong)
    with pytest.warns(UserWarning, match=rf"one by one: its results differ from Keras's \({kind}\)\."):
        runs = fit_many(normalized, small, {"seed": [0, 1]}, epochs=2, dtype="float64")
    expect_equal(runs.sel(seed=1), train(normalized, small, seed=1, epochs=2), 1e-8)


def test_an_error_in_the_state_of_the_optimizer_is_found(small, monkeypatch, afresh):
    step = optimizers.Stateless.step

    def wrong(self, *arguments):
        weights, slots = step(self, *arguments)
        return weights, [slot + 1 if slot.dtype.is_integer else slot for slot in slots]   # it counts the steps

    monkeypatch.setattr(optimizers.Stateless, "step", wrong)
    message = r"cannot train this model: its results differ from Keras's \(optimizer iteration\)"
    with pytest.warns(UserWarning, match="as model.fit does"), refused(ValueError, match=message):
        fit_many(normalized, small, {}, epochs=1)


@pytest.fixture
def found(monkeypatch, afresh):
    """What `verify.difference` has found, call by call."""
    seen, difference = [], verify.difference

    def watched(*arguments):
        seen.append(difference(*arguments))
        return seen[-1]

    monkeypatch.setattr(verify, "difference", watched)
    return seen


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_rounding_errors_of_a_bias_before_batch_norm_are_no_difference(small, dtype, found):
    fit_many(normalized, small, {"learning_rate": [0.01, 0.1], "seed": [0, 5]}, epochs=1, optimizer="adam", dtype=dtype)
    assert found[-1] is None
    assert len(found) == 1 or dtype == "float32"   # where it asks again in float64


def test_the_rounding_errors_of_small_gradients_need_no_float64(digits, found):
    fit_many(models.mlp, digits, {"batch_norm": True, "seed": range(3)}, epochs=1, optimizer="adam")
    assert found == [None]


def test_a_structure_is_verified_once(small, found):
    for rates in ([0.1, 0.2], [0.3, 0.4]):
        fit_many(models.mlp, small, {"learning_rate": rates, "seed": range(10), "depth": [1, 2]}, epochs=1)
    assert found == [None, None]


def test_it_is_verified_on_real_batches_however_few_steps_there_are(small, monkeypatch, afresh):
    """Copies of one sample would have no variance, and batch norm would divide rounding errors by it."""
    orders = []
    monkeypatch.setattr(verify, "difference", lambda program, state, numbers, order, *rest: orders.append(order))
    fit_many(models.mlp, small, {"batch_norm": True, "seed": range(2)}, steps=1)
    [order] = orders
    assert all(len(set(batch)) == len(batch) for runs in order[:verify.STEPS] for batch in runs)


def test_a_model_that_cannot_be_built_in_float64_is_not_compared_in_it(small, monkeypatch, afresh):
    base = normalized()
    start = base.get_weights()
    monkeypatch.setitem(mapped.REPLACEMENTS, layers.Dense, Wrong)
    with pytest.warns(UserWarning, match="one by one: its results differ"):
        runs = fit_many(lambda: base, small, {"seed": [0, 1]}, epochs=1, start=start)
    base.set_weights(start)
    expect_equal(runs.sel(seed=1), train(lambda: base, small, seed=1, epochs=1, dtype="float32"), 1e-4)
