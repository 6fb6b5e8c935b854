"""Every layer of the course trains in fit_many as in model.fit; random ones in distribution."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import xarray as xr
from keras import layers

from course_utils import fit_many, models
from course_utils.training import initial_weights, noise
from tests.helpers.by_keras import expect_equal, train
from tests.helpers.sentences import refused


def network(*stack):
    """A build_model whose hidden layers are made anew by the functions of the stack."""
    def build(input_shape=(6,), classes=3):
        return keras.Sequential([keras.Input(input_shape), *[make() for make in stack],
                                 layers.Dense(classes, activation="softmax")])

    return build


def residual(input_shape=(6,), classes=3):
    inputs = keras.Input(input_shape)
    x = layers.Dense(5, activation="relu")(inputs)
    for _ in range(2):
        x = layers.add([x, layers.Dense(5)(layers.LayerNormalization()(layers.Activation("relu")(x)))])
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(4), layers.BatchNormalization()])
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(inner(x)))


def image(*stack):
    return network(lambda: layers.Reshape((3, 2, 1)), *stack, layers.Flatten)


NETWORKS = {
    "batch norm, all arguments": network(lambda: layers.Dense(4), lambda: layers.BatchNormalization(
        momentum=0.6, epsilon=0.1, center=False, scale=False)),
    "batch norm of an image": image(lambda: layers.Conv2D(3, 2), lambda: layers.BatchNormalization(axis=-1),
                                    lambda: layers.BatchNormalization(axis=1)),
    "frozen batch norm": network(lambda: layers.Dense(4), lambda: layers.BatchNormalization(trainable=False)),
    "layer norm": network(lambda: layers.Dense(4), lambda: layers.LayerNormalization(epsilon=0.01)),
    "RMS and group norm": network(lambda: layers.Dense(4), layers.RMSNormalization,
                                  lambda: layers.GroupNormalization(2)),
    "convolution and max pooling": image(lambda: layers.Conv2D(4, 3, padding="same", activation="relu"),
                                         lambda: layers.MaxPooling2D(2, padding="same")),
    "strides and average pooling": image(lambda: layers.Conv2D(4, 2, strides=(2, 1), padding="same"),
                                         lambda: layers.AveragePooling2D((1, 2))),
    "global pooling": network(lambda: layers.Reshape((3, 2, 1)), lambda: layers.Conv2D(4, 2),
                              layers.GlobalAveragePooling2D),
    "activations": network(lambda: layers.Dense(4, "elu"), lambda: layers.Dense(4, "silu"), layers.ReLU,
                           layers.LeakyReLU, layers.PReLU),
    "residual": residual,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_reproduces_model_fit_in_float64(small, name):
    build = NETWORKS[name]
    runs = fit_many(build, small, {"learning_rate": [0.05, 0.3], "seed": [2]}, epochs=2, dtype="float64")
    for rate in (0.05, 0.3):
        expect_equal(runs.sel(learning_rate=rate).isel(seed=0),
                     train(build, small, learning_rate=rate, seed=2, epochs=2), 1e-8)


@pytest.mark.parametrize("layer", [lambda: layers.GRU(3, reset_after=False),
                                   lambda: layers.Conv1D(3, 2, activation="tanh")], ids=["GRU", "Conv1D"])
def test_what_cannot_be_mapped_is_trained_one_by_one_with_the_same_result(small, layer, capfd):
    build = network(lambda: layers.Reshape((3, 2)), layer, layers.Flatten)
    with pytest.warns(UserWarning, match=r"trains these 2 networks one by one: .* \(\w.*\)\.") as caught:
        runs = fit_many(build, small, {"seed": [0, 1]}, epochs=2, dtype="float64")
    assert not capfd.readouterr().err   # no page of TensorFlow's beside it
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    for seed in (0, 1):
        expect_equal(runs.sel(seed=seed), train(build, small, seed=seed, epochs=2), 1e-8)


class OwnConvolution(layers.Conv2D):
    """A learner's own layer: twice what Keras's gives."""

    def convolution_op(self, inputs, kernel):
        return 2 * super().convolution_op(inputs, kernel)


def test_a_subclass_of_a_layer_is_not_replaced(small):
    build = image(lambda: OwnConvolution(3, 2))
    with pytest.warns(UserWarning, match=r"one by one: .* \(Conv2D\w*\)"):
        runs = fit_many(build, small, {"seed": [0, 1]}, epochs=1, dtype="float64")
    expect_equal(runs.sel(seed=1), train(build, small, seed=1, epochs=1), 1e-8)


def test_keras_noise_trained_one_by_one_differs_from_seed_to_seed(small):
    def build(input_shape=(6,), classes=3):   # all that depends on the seed is the noise
        return keras.Sequential([keras.Input(input_shape), layers.AlphaDropout(0.5), layers.Dense(
            classes, activation="softmax", kernel_initializer=keras.initializers.VarianceScaling(seed=1))])

    with pytest.warns(UserWarning, match="one by one"):
        runs = fit_many(build, small, {"seed": [0, 1], "shuffle": False}, epochs=1)
    assert runs.loss.sel(seed=0) != runs.loss.sel(seed=1)


DROPOUT = network(lambda: layers.Dropout(0.4))


def masks(rate, steps=40, runs=2):
    """Masks that a dropout layer of 50 units draws for 20 samples: (runs, steps, 20, 50)."""
    from course_utils.training.layers import Dropout

    layer = Dropout(0.3)
    layer.place = 0
    drawn = []
    for seed in range(runs):
        for step in range(steps):
            with noise.drawing_from(noise.Stream(tf.constant(noise.run_key(seed), tf.uint32), tf.constant(step),
                                                 tf.constant([rate]))):
                drawn.append(layer(tf.ones((20, 50)), training=True).numpy())
    return np.reshape(drawn, (runs, steps, 20, 50))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_expected_value(rate):
    values = masks(rate)
    assert np.unique(values).size == (1 if rate == 0 else 2)
    error = np.sqrt(rate * (1 - rate) / values.size)
    assert abs((values == 0).mean() - rate) <= 4 * error
    np.testing.assert_allclose(values.max(), 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2, 3], ids=["runs", "steps", "samples", "units"])
def test_masks_do_not_repeat_along_any_axis(axis):
    kept = np.moveaxis(masks(0.5) > 0, axis, 0) * 2.0 - 1
    # Neighbors agree as often as coins do.
    pairs = kept[1:] * kept[:-1]
    assert abs(pairs.mean()) < 5 / np.sqrt(pairs.size)


def test_masks_are_uniform_bits():
    bits = noise.Stream(tf.constant(7, tf.uint32), tf.constant(3), None).bits((200, 500)).numpy()
    shares = np.unpackbits(bits.view(np.uint8)).reshape(-1, 32).mean(0)
    assert abs(shares - 0.5).max() < 5 * 0.5 / np.sqrt(bits.size)


def test_dropout_trains_like_keras_in_distribution(small):
    """The training loss of one layer of dropout in two epochs, over many seeds: same mean, same spread."""
    def ours(rate):
        runs = fit_many(network(lambda: layers.Dropout(0.4)), small,
                        {"seed": range(40), "learning_rate": 0.0, "dropout": rate, "shuffle": False}, epochs=2)
        return runs.loss.transpose("seed", "epoch").values

    def keras_(rate, seed):
        with initial_weights.seeded(seed):
            model = network(lambda: layers.Dropout(rate))()
        keras.utils.set_random_seed(seed)
        losses = []
        for start in [*range(0, 128, 32)] * 2:
            outputs = model(small.x_train[start:start + 32], training=True)
            labels = small.y_train[start:start + 32]
            losses.append(np.mean(keras.losses.sparse_categorical_crossentropy(labels, outputs)))
        return np.reshape(losses, (2, -1)).mean(1)

    found, expected = ours(0.4), np.array([keras_(0.4, seed) for seed in range(40)])
    difference = (found - expected).mean(1)   # paired by initial weights
    assert abs(difference.mean()) < 4 * difference.std(ddof=1) / np.sqrt(40)
    between = [np.diff(losses).std() for losses in (found, expected)]   # epochs: only the masks are new
    assert abs(np.log(between[0] / between[1])) < 4 / np.sqrt(39)   # two spreads, each from 40 seeds
    assert abs(found - ours(0.0)).mean() > 0.01


def test_dropout_is_off_in_validation(small):
    runs = fit_many(DROPOUT, small, {"dropout": [0.0, 0.9], "learning_rate": 0.0}, epochs=1)
    assert runs.val_loss.sel(dropout=0.0) == runs.val_loss.sel(dropout=0.9)
    assert runs.loss.sel(dropout=0.0) != runs.loss.sel(dropout=0.9)


def test_the_dropout_rate_never_recompiles(small, compilations):
    for rates in (0.2, [0.0, 0.5], [0.9]):
        fit_many(models.mlp, small, {"seed": range(10), "width": 7, "depth": 1, "dropout": rates}, epochs=1)
    assert len(compilations) == 1


def test_rate_zero_is_no_dropout(small):
    def same_weights():
        keras.random.SeedGenerator()   # a dropout layer takes a seed too
        return network()()

    runs = fit_many(DROPOUT, small, {"dropout": 0.0}, epochs=2, dtype="float64")
    expect_equal(runs, train(same_weights, small, epochs=2), 1e-8)


def test_layers_keep_their_own_rates_without_the_knob(small):
    mixed = network(lambda: layers.Dropout(0.6), lambda: layers.Dense(30), lambda: layers.Dropout(0.0))
    runs = fit_many(mixed, small, {"learning_rate": 0.0}, epochs=1)
    same = fit_many(mixed, small, {"learning_rate": 0.0, "dropout": 0.6}, epochs=1)
    assert runs.loss != same.loss


def test_a_run_draws_the_same_masks_alone_and_in_a_crowd(small):
    crowd = fit_many(models.mlp, small, {"dropout": [0.1, 0.5], "seed": [3, 4], "width": 7}, epochs=2, dtype="float64")
    alone = fit_many(models.mlp, small, {"dropout": 0.5, "seed": 4, "width": 7}, epochs=2, dtype="float64")
    xr.testing.assert_allclose(crowd.sel(dropout=0.5, seed=4), alone, rtol=0, atol=1e-12)


def test_spatial_dropout_drops_whole_maps():
    from course_utils.training.layers import SpatialDropout2D

    layer = SpatialDropout2D(0.5)
    layer.place = 0
    with noise.drawing_from(noise.Stream(tf.constant(1, tf.uint32), tf.constant(0), tf.constant([0.5]))):
        out = layer(tf.ones((30, 4, 4, 8)), training=True).numpy()
    assert (out == out[:, :1, :1]).all()
    assert 0 < (out[:, 0, 0] == 0).mean() < 1


@pytest.mark.parametrize(("bits", "low", "high"), [(0, 0, 1e-7), (2**32 - 1, 1 - 1e-7, 1)])
def test_uniform_numbers_are_never_0_nor_1(monkeypatch, bits, low, high):
    monkeypatch.setattr(noise.Stream, "bits", lambda self, shape: tf.fill(shape, tf.constant(bits, tf.uint32)))
    number = noise.Stream(tf.constant(0, tf.uint32), 0, None).uniform((), "float32").numpy()
    assert low < number < high


def test_normal_numbers_are_normal():
    stream = noise.Stream(tf.constant(5, tf.uint32), tf.constant(2), None)
    first, second = (stream.normal((100_000,), "float32").numpy() for _ in range(2))
    assert scipy.stats.kstest(first, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(first.size)


@pytest.mark.parametrize(("layer", "knob", "strength"), [
    (layers.GaussianNoise, "gaussian_noise", 0.7), (layers.GaussianDropout, "dropout", 0.4)])
def test_gaussian_layers_draw_as_keras_does_in_distribution(small, layer, knob, strength):
    """Outputs for ones: same mean, same spread; and the knob takes the place of the layer's own number."""
    from course_utils.training.layers import RANDOM

    ours = RANDOM[layer](0.1)
    ours.place = 0
    with noise.drawing_from(noise.Stream(tf.constant(1, tf.uint32), tf.constant(0), tf.constant([strength]))):
        drawn = ours(tf.ones((300, 100)), training=True).numpy()
    keras_ = np.asarray(layer(strength, seed=1)(tf.ones((300, 100)), training=True))
    assert drawn.mean() == pytest.approx(keras_.mean(), abs=5 * keras_.std() / np.sqrt(keras_.size))
    assert drawn.std() == pytest.approx(keras_.std(), rel=0.03)
    build = network(lambda: layer(0.2))
    own = fit_many(build, small, {"learning_rate": 0.0}, epochs=1)
    same, more = (fit_many(build, small, {"learning_rate": 0.0, knob: value}, epochs=1) for value in (0.2, strength))
    assert own.loss == same.loss != more.loss
    assert own.val_loss == more.val_loss


class OwnDropout(layers.Dropout):
    """Monte-Carlo dropout, as a learner might write it."""

    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


class Block(layers.Layer):
    """A layer with a dropout layer inside."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dropout = layers.Dropout(0.5)

    def call(self, inputs, training=False):
        return self.dropout(inputs, training=training)


def test_the_dropout_of_a_block_of_layers_obeys_the_grid_too(small):
    runs = fit_many(network(lambda: Block()), small, {"learning_rate": 0.0, "dropout": [0.0, 0.9]}, epochs=1)
    assert runs.loss.sel(dropout=0.0) != runs.loss.sel(dropout=0.9)


@pytest.mark.parametrize(("build", "grid", "message"), [
    (network(), {"dropout": 0.5}, "has none"),
    (lambda dropout=0.1: network(lambda: layers.Dropout(dropout / 2))(), {"dropout": [0.1, 0.2]},
     "makes .* of dropout=0.5"),
    (DROPOUT, {"dropout": 1.0}, "a rate from 0 to less than 1"),
    (DROPOUT, {"dropout": [None, 0.5]}, "a rate from 0 to less than 1"),
    (network(lambda: layers.AlphaDropout(0.5)), {"dropout": 0.5}, r"cannot reach .* \(AlphaDropout\)"),
    (network(lambda: OwnDropout(0.5)), {"dropout": 0.5}, r"cannot reach .* \(OwnDropout\)"),
    (DROPOUT, {"gaussian_noise": 0.5}, "GaussianNoise layers, but .* has none"),
    (DROPOUT, {"gaussian_noise": -1.0}, "a number from 0 up"),
    (lambda: keras.Sequential([keras.Input((6,)), layers.Dense(3)]), {}, "are no probabilities"),
    (lambda: None, {}, "NoneType of unknown shape"),
])
def test_a_model_that_is_not_what_was_asked_for_is_one_sentence(small, build, grid, message):
    with refused((ValueError, TypeError), match=message):
        fit_many(build, small, grid, epochs=1)


def test_diagnostics_see_what_keras_sees(small):
    build = network(lambda: layers.Dense(4, activation="relu"), layers.BatchNormalization, lambda: layers.Dense(5))
    runs = fit_many(build, small, {"seed": [6], "learning_rate": 0.0}, epochs=1, diagnostics=True,
                    dtype="float64").isel(seed=0, epoch=0)
    with initial_weights.seeded(6, "float64"):
        model = build()
    last = next_batches(small, 6)[-1]
    inside = keras.Model(model.inputs[0], [layer.output for layer in model.layers])
    outputs = inside(small.x_train[last].astype("float64"), training=True)
    assert list(runs.layer.values) == ["dense", "batch_normalization", "dense_1", "dense_2"]
    np.testing.assert_allclose(runs.activation_mean, [np.mean(output) for output in outputs], atol=1e-10)
    np.testing.assert_allclose(runs.activation_variance, [np.var(output) for output in outputs], atol=1e-10)
    assert runs.weight.values[0] == "dense/kernel"
    np.testing.assert_allclose(runs.weight_norm, [np.linalg.norm(v) for v in model.trainable_variables], atol=1e-10)

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(
            small.y_train[last], model(small.x_train[last].astype("float64"), training=True)))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    np.testing.assert_allclose(runs.gradient_norm, [np.linalg.norm(g) for g in gradients], atol=1e-8)


def next_batches(split, seed, count=4):
    from itertools import islice

    from course_utils.training import batches

    return list(islice(batches.indices(len(split.x_train), seed, batch_size=32), count))


def test_diagnostics_of_unlike_networks_share_their_axes(small):
    grid = {"batch_norm": [False, True], "depth": 1, "width": 4}
    runs = fit_many(models.mlp, small, grid, epochs=2, diagnostics=True)
    assert "batch_normalization" in runs.layer.values
    assert runs.activation_mean.sel(layer="batch_normalization", batch_norm=False).isnull().all()
    assert runs.activation_mean.sel(layer="batch_normalization", batch_norm=True).notnull().all()
    without = fit_many(models.mlp, small, grid, epochs=2)
    np.testing.assert_allclose(runs.loss, without.loss, rtol=1e-5)
    assert "layer" not in without.dims


def test_a_layer_called_twice(small):
    def build(input_shape=(6,), classes=3):
        inputs = keras.Input(input_shape)
        twice = layers.Dense(6, activation="relu")
        return keras.Model(inputs, layers.Dense(classes, activation="softmax")(twice(twice(inputs))))

    runs = fit_many(build, small, {"seed": [0, 1]}, epochs=2, dtype="float64", diagnostics=True)
    expect_equal(runs.sel(seed=1), train(build, small, seed=1, epochs=2), 1e-8)
    assert list(runs.layer.values) == ["dense", "dense_1"]


class Subclassed(keras.Model):
    """A model without symbolic inputs."""


@pytest.mark.parametrize("build", [Subclassed, lambda: keras.Sequential([layers.Dense(3)])], ids=["own", "no input"])
def test_a_model_of_unknown_shape_is_one_sentence(small, build):
    with refused(TypeError, match="of unknown shape; expected a keras.Sequential that begins with keras.Input"):
        fit_many(build, small, {}, epochs=1)
