"""Keras's augmentation layers in fit_many: what they do to an image, and that a run draws its own."""

import itertools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import xarray as xr
from keras import layers

from course_utils import datasets, fit_many
from course_utils.training import initial_weights, noise
from course_utils.training.image_layers import REPLACEMENTS

FILLS = list(itertools.product(["constant", "nearest", "reflect", "wrap"], ["bilinear", "nearest"]))
LAYERS = {
    **{f"flip {mode}": (layers.RandomFlip, {"mode": mode})
       for mode in ("horizontal", "vertical", "horizontal_and_vertical")},
    **{f"translation {fill} {how}": (layers.RandomTranslation, {
        "height_factor": 0.9, "width_factor": (-1, 0.4), "fill_mode": fill, "fill_value": 0.3, "interpolation": how})
       for fill, how in FILLS},
    "translation by halves of pixels": (layers.RandomTranslation, {
        "height_factor": (0.375, 0.375), "width_factor": (0.5, 0.5), "fill_mode": "constant",
        "interpolation": "nearest"}),
    **{f"rotation {fill} {how}": (layers.RandomRotation, {
        "factor": (-0.2, 0.4), "fill_mode": fill, "fill_value": 0.3, "interpolation": how}) for fill, how in FILLS},
    "rotation": (layers.RandomRotation, {"factor": 0.1}),
    "zoom, both axes alike": (layers.RandomZoom, {"height_factor": 0.5}),
    "zoom, axes of their own": (layers.RandomZoom, {"height_factor": (0.2, 0.9), "width_factor": 0.7,
                                                    "fill_mode": "constant", "fill_value": -2.0}),
    "contrast": (layers.RandomContrast, {"factor": 0.6, "value_range": (0.1, 0.9)}),
    "contrast, two bounds": (layers.RandomContrast, {"factor": (0.3, 0.9), "value_range": (0, 1)}),
    "brightness": (layers.RandomBrightness, {"factor": 0.4, "value_range": (-1, 1)}),
    "brightness, two bounds": (layers.RandomBrightness, {"factor": (-0.1, 0.8), "value_range": (0, 1)}),
}
ONE_OF_EACH = [name for place, name in enumerate(LAYERS)
               if LAYERS[name][0] not in [LAYERS[before][0] for before in list(LAYERS)[:place]]]


@pytest.fixture(scope="module")
def photos():
    """66 images of 4×5 pixels and two channels in three classes."""
    rng = np.random.default_rng(0)
    return datasets.stratified("photos", rng.uniform(size=(66, 4, 5, 2)).astype("float32"), np.arange(66) % 3, 0)


def ours(name, images, training=True):
    """The images as the replacement of a layer changes them."""
    kind, arguments = LAYERS[name]
    with noise.drawing_from(noise.Stream(tf.constant(7, tf.uint32), tf.constant(0), None)):
        return REPLACEMENTS[kind](**arguments)(images, training=training).numpy()


@pytest.mark.parametrize("name", LAYERS)
def test_with_the_same_draws_an_image_becomes_what_keras_makes_of_it(name, monkeypatch):
    kind, arguments = LAYERS[name]
    layer = kind(**arguments)
    rng = np.random.default_rng(0)
    images, draws = rng.uniform(size=(200, 4, 5, 2)).astype("float32"), rng.uniform(0.001, 0.999, (2, 200))
    drawn = iter(draws)
    monkeypatch.setattr(layer.backend.random, "uniform", lambda shape, minval=0, maxval=1, **_: tf.constant(
        np.reshape(minval + (maxval - minval) * next(drawn), shape), "float32"))
    expected = layer(images, training=True).numpy()
    drawn = iter(draws)
    monkeypatch.setattr(noise.Stream, "uniform", lambda self, shape, dtype: tf.constant(
        np.reshape(next(drawn), shape), dtype))
    np.testing.assert_allclose(ours(name, images), expected, rtol=0, atol=1e-5)
    assert np.abs(expected - images).max() > 0.1


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_draws_are_those_of_keras_in_distribution(name):
    """Many equal images: each pixel has the same mean and the same spread."""
    images = np.repeat(np.random.default_rng(1).uniform(size=(1, 4, 5, 2)), 4000, 0).astype("float32")
    kind, arguments = LAYERS[name]
    found, expected = ours(name, images), kind(seed=0, **arguments)(images, training=True).numpy()
    error = np.sqrt((found.var(0) + expected.var(0)) / len(images))
    assert (np.abs(found.mean(0) - expected.mean(0)) <= 5 * error + 1e-6).all()
    np.testing.assert_allclose(found.std(0), expected.std(0), rtol=0.15, atol=1e-3)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_in_inference_images_do_not_change(name):
    images = np.random.default_rng(2).uniform(-1, 2, (5, 4, 5, 2)).astype("float32")
    np.testing.assert_array_equal(ours(name, images, training=False), images)


def network(*names, first=()):
    """A build_model whose network begins with some of LAYERS."""
    def build(input_shape=(4, 5, 2), classes=3):
        return keras.Sequential([
            keras.Input(input_shape), *[make() for make in first],
            *[LAYERS[name][0](**LAYERS[name][1]) for name in names],
            layers.Flatten(), layers.Dropout(0.2), layers.Dense(
                classes, "softmax", kernel_initializer=keras.initializers.GlorotUniform(seed=1))])

    return build


GRID = {"learning_rate": 0.0, "shuffle": False}


@pytest.fixture(scope="module")
def trained(photos):
    """Runs of a network with every layer, trained with warnings as errors; their weights and batches are the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return fit_many(network(*ONE_OF_EACH), photos, GRID | {"seed": range(3), "dropout": [0.0, 0.5]}, epochs=2,
                        batch_size=16, dtype="float64")


def test_a_network_with_every_layer_trains_for_all_runs_at_once_and_draws_anew(trained):
    """The fixture has met no warning; seeds and epochs differ in their draws, and rates of dropout in their masks."""
    assert np.unique(trained.loss).size == trained.loss.size


def test_validation_sees_unchanged_images(trained, photos):
    with initial_weights.seeded(0, "float64"):
        plain = network()()

    def loss(x, y):
        return np.mean(keras.losses.sparse_categorical_crossentropy(y, plain(x.astype("float64"))))

    np.testing.assert_allclose(trained.val_loss, loss(photos.x_val, photos.y_val), rtol=1e-12)
    assert np.abs(trained.loss - loss(photos.x_train, photos.y_train)).min() > 1e-4


def test_a_run_draws_the_same_alone_and_in_a_crowd(trained, photos):
    alone = fit_many(network(*ONE_OF_EACH), photos, GRID | {"seed": 2, "dropout": 0.5}, epochs=2, batch_size=16,
                     dtype="float64")
    xr.testing.assert_allclose(trained.sel(seed=2, dropout=0.5), alone, rtol=0, atol=1e-12)


def test_gradients_pass_through_a_layer(photos):
    """A convolution before the augmentation learns, in all runs at once."""
    build = network("rotation", "flip horizontal", first=[lambda: layers.Conv2D(2, 1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = fit_many(build, photos, {"seed": range(2)}, epochs=1, batch_size=16, weights=True)
    for weights in runs.weights.values:
        assert np.abs(weights[1]).min() > 0   # its bias, which began as 0


def test_channels_first_is_left_to_keras():
    images = tf.reshape(tf.range(600.0), (100, 2, 1, 3))
    layer = REPLACEMENTS[layers.RandomFlip](data_format="channels_first")
    mirrored = layer(images, training=True)   # there is no run to draw from
    for image, before in zip(mirrored.numpy(), images.numpy(), strict=True):
        assert (image == before).all() or (image == before[..., ::-1]).all()
    assert not np.array_equal(mirrored, images)
