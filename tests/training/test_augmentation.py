"""Augmentation inside the compiled program: what it does to images, and that nothing else sees it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage, stats

from course_utils import augment, datasets, fit_many, models
from course_utils.training import augmentation, batches, initial_weights, noise
from course_utils.training.knobs import AUGMENTATION

NOTHING = AUGMENTATION
SOME = {"horizontal_flip": 0.5, "vertical_flip": 0.25, "rotation": 30.0, "zoom": 0.25, "placement": 0.5, "shift": 1,
        "cutout": 3, "pixel_noise": 0.125, "mixup": 0.5, "augment_probability": 0.75}
IMAGES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=3, max_dims=4, max_side=6),
                    elements=st.floats(0, 1, width=32, allow_subnormal=False))   # TensorFlow makes these 0


@pytest.fixture(scope="module")
def spots():
    """Many equal images of 6×5 pixels with one spot, so that a picture says where it was moved."""
    images = np.zeros((3000, 6, 5), "float32")
    images[:, 2, 3] = 1
    return images


@pytest.fixture(scope="module")
def small():
    """100 gray images of 3×4 pixels in three classes."""
    rng = np.random.default_rng(0)
    return datasets.stratified("small", rng.uniform(size=(100, 3, 4)).astype("float32"), np.arange(100) % 3, 0)


def places(images):
    """Row and column of the spot in each image, and how much is left of it."""
    return np.column_stack([*np.unravel_index(images.reshape(len(images), -1).argmax(1), images.shape[1:3]),
                            images.sum((1, 2))])


def expect_even(counts):
    """Nothing contradicts that all are equally likely."""
    assert stats.chisquare(counts).pvalue > 1e-4, counts


@settings(max_examples=15)
@given(IMAGES, st.integers(0, 5))
def test_without_strength_an_image_stays_what_it_is_to_the_last_bit(images, step):
    np.testing.assert_array_equal(augment(images, step=step, **NOTHING), images)
    np.testing.assert_array_equal(augment(images, step=step, **SOME | {"augment_probability": 0.0}), images)


def test_vectors_and_images_with_and_without_channels_are_changed_alike():
    vectors = datasets.digits().x_train[:20]
    changed = augment(vectors, **SOME)
    assert changed.shape == vectors.shape
    assert changed.dtype == vectors.dtype
    for shape in ((8, 8), (8, 8, 1)):
        np.testing.assert_array_equal(augment(vectors.reshape(20, *shape), **SOME).reshape(20, 64), changed)
    colors = augment(np.stack([vectors.reshape(20, 8, 8)] * 3, -1), shift=2, rotation=20)
    np.testing.assert_array_equal(colors[..., 0], colors[..., 2])


def test_shifts_reach_every_whole_number_of_pixels_alike(spots):
    row, column, left = places(augment(spots, shift=1)).T
    assert (left == 1).all()
    expect_even(np.unique((row - 1) * 3 + column - 2, return_counts=True)[1])
    assert set(row) == {1, 2, 3}
    assert set(column) == {2, 3, 4}
    assert not augment(spots[:, 2:3, 3:4], shift=1).reshape(len(spots)).all()   # what leaves does not come back


def test_placement_reaches_every_place_and_loses_nothing(spots):
    row, column, left = places(augment(spots, placement=1)).T
    assert (left == 1).all()
    assert len(np.unique(row * 5 + column)) == 30
    expect_even(np.unique(row * 5 + column, return_counts=True)[1])
    row, column, _ = places(augment(spots, placement=0.5)).T   # of room for 2 and 3 rows, 3 and 1 columns
    assert (set(row), set(column)) == ({1, 2, 3, 4}, {1, 2, 3})   # 1.5 and 0.5 are rounded to even


@settings(max_examples=15)
@given(IMAGES, st.sampled_from([{"placement": 1.0}, {"horizontal_flip": 1.0}, {"vertical_flip": 0.5}]))
def test_placing_and_flipping_only_move_pixels(images, knobs):
    def sort(images):
        return np.sort(images.reshape(len(images), -1), 1)

    np.testing.assert_array_equal(sort(augment(images, **knobs)), sort(images))


def test_flips_mirror_as_often_as_they_are_asked_to():
    images = np.random.default_rng(0).uniform(size=(2000, 2, 3)).astype("float32")
    np.testing.assert_array_equal(augment(images, horizontal_flip=1.0), images[:, :, ::-1])
    np.testing.assert_array_equal(augment(images, vertical_flip=1.0), images[:, ::-1])
    mirrored = (augment(images, horizontal_flip=0.25) != images).any((1, 2))
    assert stats.binomtest(int(mirrored.sum()), 2000, 0.25).pvalue > 1e-4


class Drawn:
    """A stream in which every number is known."""

    def __init__(self, number):
        self.number = number

    def uniform(self, shape, dtype):
        return tf.fill(shape, tf.constant(self.number, dtype))


@settings(max_examples=25)
@given(IMAGES, st.floats(0, 180), st.floats(0, 0.75), st.floats(0, 1, exclude_max=True))
def test_turning_and_magnifying_are_what_scipy_does(images, rotation, zoom, number):
    images = (images if images.ndim == 4 else images[..., None]).astype("float64")
    strengths = {"rotation": tf.constant(rotation, tf.float64), "zoom": tf.constant(zoom, tf.float64)}
    ours = augmentation.augment_batch(tf.constant(images), None, strengths, lambda knob: Drawn(number),
                                   classes=1)[0].numpy()
    angle, magnified = np.deg2rad(rotation * (2 * number - 1)), 1 + zoom * (2 * number - 1)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / magnified
    center = (np.array(images.shape[1:3]) - 1) / 2
    for ours_now, image in zip(ours, images, strict=True):
        for channel in range(images.shape[-1]):
            theirs = ndimage.affine_transform(image[..., channel], matrix, center - matrix @ center, order=1,
                                              mode="grid-constant")
            np.testing.assert_allclose(ours_now[..., channel], theirs, atol=1e-6)


def test_angles_are_spread_evenly():
    images = np.zeros((2000, 1, 41), "float64")
    images[:, 0, 40] = 1   # 20 pixels right of the center: at angle a, cos(a) of the row is left
    weight = augment(np.repeat(images, 41, 1) * (np.arange(41) == 20)[:, None], rotation=60.0)
    row = (weight.sum(2) * np.arange(41)).sum(1) / weight.sum((1, 2)) - 20
    assert stats.kstest(np.rad2deg(np.arcsin(row / 20)), stats.uniform(-60, 120).cdf).pvalue > 1e-4


def test_a_cutout_is_a_square_of_zeros_anywhere():
    cut = augment(np.ones((4000, 7, 6), "float32"), cutout=3) == 0
    assert (cut == (cut.any(2, keepdims=True) & cut.any(1, keepdims=True))).all()   # rows × columns
    rows, columns = cut.any(2).sum(1), cut.any(1).sum(1)
    assert (set(rows), set(columns)) == ({2, 3}, {2, 3})   # an edge cuts it
    centers = cut[(rows == 3) & (columns == 3)].mean((1, 2))
    np.testing.assert_allclose(centers, 9 / 42, rtol=1e-6)
    assert stats.binomtest(int((rows == 2).sum()), 4000, 2 / 7).pvalue > 1e-4


def test_noise_has_its_standard_deviation():
    noises = augment(np.zeros((300, 8, 8)), pixel_noise=0.3)
    assert stats.kstest(noises.ravel(), stats.norm(0, 0.3).cdf).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_mixes_images_and_labels_alike(alpha):
    images, y = tf.constant(np.eye(500)[:, :, None, None]), tf.range(500)
    strengths = {"mixup": tf.constant(augmentation.strengths_of([{"mixup": alpha}], ["mixup"])["mixup"][0])}
    shares = []
    for step in range(8):
        mixed, labels = augmentation.augment_batch(
            images, y, strengths, augmentation.stream(tf.constant(noise.run_key(1)), tf.constant(step)), classes=500)
        np.testing.assert_array_equal(mixed[:, :, 0, 0], labels)   # image and class number i is the i-th unit vector
        labels = labels.numpy()
        np.testing.assert_allclose(labels.sum(1), 1)
        assert ((labels > 0).sum(1) <= 2).all()
        partners = np.where(np.eye(500), 0, labels).argmax(1)[np.diag(labels) < 1]
        assert len(np.unique(partners)) == len(partners)   # everybody is a partner once
        shares.append(np.diag(labels))
    assert stats.kstest(np.concatenate(shares), stats.beta(alpha, alpha).cdf).pvalue > 1e-4


def test_another_seed_or_step_changes_images_otherwise_and_the_same_ones_alike():
    images = datasets.digits().x_train[:50]
    one = augment(images, seed=1, step=2, shift=2)
    np.testing.assert_array_equal(augment(images, seed=1, step=2, shift=2), one)
    np.testing.assert_array_equal(augment(images, seed=1, step=2, shift=2, **{
        knob: NOTHING[knob] for knob in ("rotation", "mixup", "horizontal_flip")}), one)
    for other in ({"seed": 2, "step": 2}, {"seed": 1, "step": 3}):
        assert (augment(images, shift=2, **other) != one).any(1).mean() > 0.8


def by_hand(build_model, split, seed, steps, knobs, *, learning_rate=0.1, batch_size=32):
    """Validation loss and mean training loss of plain Keras on the same augmented batches, with SGD."""
    with initial_weights.seeded(seed, "float64"):
        model = build_model()
    order = batches.indices(len(split.x_train), seed, batch_size=batch_size)
    strengths = {knob: tf.constant(values[0], tf.float64)
                 for knob, values in augmentation.strengths_of([knobs], knobs).items()}
    losses = []
    for step in range(steps):
        batch = next(order)
        stream = augmentation.stream(tf.constant(noise.run_key(seed)), tf.constant(step))
        x, y = augmentation.augment_batch(tf.constant(split.x_train[batch].astype("float64")),
                                       tf.constant(split.y_train[batch], tf.int32), strengths, stream, classes=3)
        y = y if "mixup" in knobs else tf.one_hot(y, 3)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(y, model(x, training=True)))
        losses.append(loss)
        for variable, gradient in zip(model.trainable_variables,
                                      tape.gradient(loss, model.trainable_variables), strict=True):
            variable.assign_sub(learning_rate * gradient)
    outputs = model(split.x_val.astype("float64"), training=False)
    return (float(tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(split.y_val, outputs))),
            float(np.mean(losses)))


def network(input_shape=(3, 4), classes=3):
    return models.mlp(input_shape=input_shape, classes=classes, width=5, depth=1)


@pytest.mark.parametrize("knobs", [{"shift": 1}, {k: v for k, v in SOME.items() if k != "mixup"}, SOME])
def test_training_is_what_keras_does_with_the_augmented_batches(small, knobs):
    runs = fit_many(network, small, knobs | {"seed": [3, 4], "learning_rate": [0.1, 0.2]}, epochs=6, dtype="float64",
                    evaluate_every=6)
    val_loss, loss = by_hand(network, small, 4, 6, knobs)
    run = runs.sel(seed=4, learning_rate=0.1).squeeze()
    np.testing.assert_allclose([run.val_loss, run.loss], [val_loss, loss], atol=1e-9)


def test_each_run_has_its_own_strength_and_draws_the_same_alone_and_in_a_crowd(small):
    grid = {"shift": [0, 1], "mixup": [0.0, 0.5], "augment_probability": [0.5, 1.0], "learning_rate": 0.5}
    crowd = fit_many(network, small, grid | {"seed": range(3)}, epochs=2, dtype="float64")
    alone = fit_many(network, small, {"shift": 1, "mixup": 0.5, "augment_probability": 0.5, "learning_rate": 0.5,
                                      "seed": 2}, epochs=2, dtype="float64")
    np.testing.assert_allclose(crowd.loss.sel(shift=1, mixup=0.5, augment_probability=0.5, seed=2), alone.loss,
                               atol=1e-12)
    plain = fit_many(network, small, {"learning_rate": 0.5, "seed": range(3)}, epochs=2, dtype="float64")
    np.testing.assert_allclose(crowd.loss.sel(shift=0, mixup=0.0, augment_probability=1.0), plain.loss, atol=1e-9)
    assert len(np.unique(crowd.loss.isel(epoch=-1, seed=0))) == 7   # unshifted and unmixed, no probability matters


def test_validation_and_predictions_see_the_images_as_they_are(small):
    grid = {"learning_rate": 0.0, "shift": [0, 1], "pixel_noise": [0.0, 1.0], "mixup": [0.0, 1.0]}
    runs = fit_many(network, small, grid, epochs=2, predict=small.x_val[:3], batch_statistics=True)
    for name in ("val_loss", "val_accuracy", "batch_val_loss", "probability"):
        assert (runs[name] == runs[name].isel(shift=0, pixel_noise=0, mixup=0, epoch=0)).all(), name
    assert len(np.unique(runs.loss.isel(epoch=0))) == 8


def test_diagnostics_look_at_the_augmented_batch(small):
    runs = fit_many(network, small, {"learning_rate": 0.0, "pixel_noise": [0.0, 3.0]}, epochs=1, diagnostics=True)
    assert runs.activation_variance.isel(layer=0).diff("pixel_noise").item() > 5


@pytest.mark.parametrize(("knob", "value"), [
    ("shift", 0.5), ("shift", -1), ("cutout", 1.5), ("placement", 1.1), ("horizontal_flip", True),
    ("vertical_flip", -0.1), ("rotation", 181), ("zoom", 1.0), ("pixel_noise", np.inf), ("mixup", -1.0),
    ("augment_probability", 2)])
def test_a_strength_out_of_range_is_refused(small, knob, value):
    with pytest.raises(ValueError, match=rf"^{knob} is {value!r}; expected "):
        augment(small.x_train, **{knob: value})
    with pytest.raises(ValueError, match=rf"^grid\['{knob}'\] holds {value!r}; expected "):
        fit_many(network, small, {"shift": 1} | {knob: value}, epochs=1)


def test_what_cannot_be_augmented_is_refused(small):
    vectors = small.replace(x_train=small.x_train.reshape(-1, 12), x_val=small.x_val.reshape(-1, 12))
    with pytest.raises(ValueError, match=r"grid\['shift'\] changes images, but a sample has shape \(12,\)"):
        fit_many(network, vectors, {"shift": 1}, epochs=1)
    with pytest.raises(ValueError, match="give an augmentation such as shift=1 too"):
        fit_many(network, small, {"augment_probability": 0.5}, epochs=1)
    with pytest.raises(ValueError, match="'shfit' is no augmentation; expected some of horizontal_flip"):
        augment(small.x_train, shfit=1)
