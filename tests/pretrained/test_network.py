"""EfficientNet-Lite0: its weights are right, it is an ordinary Keras model, and the course's tools take it."""

import importlib.util

import keras
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from course_utils import datasets, pretrained, surgery
from course_utils.pretrained import network
from course_utils.tools import pretrained_weights
from course_utils.training.fine_tune import fine_tune, stack
from tests.helpers import numpy_efficientnet
from tests.helpers.needed import needed
from tests.helpers.sentences import refused

PALACE, DAISY = 698, 985   # classes of ImageNet
WEIGHTS = network.FILE


@pytest.fixture(scope="module")
def model():
    """For images of any size."""
    return pretrained.efficientnet_lite0((None, None, 3))


@pytest.fixture(scope="module")
def base():
    return pretrained.efficientnet_lite0((32, 32, 3), include_top=False)


def noise(*shape):
    return np.random.default_rng(0).random(shape).astype("float32")


def test_it_recognizes_a_palace_and_a_daisy(model):
    photographs = [keras.preprocessing.image.smart_resize(image, (224, 224)) / 255
                   for image in load_sample_images().images]
    probabilities = model.predict_on_batch(np.stack(photographs))
    assert probabilities.argmax(1).tolist() == [PALACE, DAISY]


def test_it_calculates_what_plain_numpy_does(model):
    """On an image with odd sides, where it matters on which side zeros are added."""
    needed(importlib.util.find_spec(pretrained_weights.PACKAGE), "The package of the weights", "make test installs it")
    tensors = {name: values.astype("float16") if values.ndim > 1 else values   # as they are shipped
               for name, values in pretrained_weights.read_tensors(pretrained_weights.find()).items()}
    image = noise(61, 46, 3)
    features, probabilities = numpy_efficientnet.forward(tensors, image)
    both = keras.Model(model.input, [model.get_layer("features").output, model.output])
    ours, ours_probabilities = both.predict_on_batch(image[None])
    assert features.std() > 0.1
    np.testing.assert_allclose(ours[0], features, atol=1e-4)
    np.testing.assert_allclose(ours_probabilities[0], probabilities, atol=1e-4)


def test_learners_find_its_layers_by_their_names(model):
    names = {layer.name: type(layer).__name__ for layer in model.layers}
    assert names.items() >= {
        "stem": "Conv2D", "stem_bn": "BatchNormalization", "block2_1_depthwise": "DepthwiseConv2D",
        "block2_1_depthwise_bn": "BatchNormalization", "block2_1_depthwise_relu": "ReLU", "block2_2_add": "Add",
        "block6_4_expand": "Conv2D", "block7_1_project": "Conv2D", "head_relu": "ReLU",
        "features": "GlobalAveragePooling2D", "predictions": "Dense"}.items()
    assert not {"block1_1_expand", "block2_1_add", "block7_1_add"} & names.keys()
    assert model.count_params() == 4_694_024


def test_without_the_top_it_ends_with_the_features(model, base):
    x = noise(2, 32, 32, 3)
    top = keras.Model(model.get_layer("dropout").output, model.output)
    assert base.output_shape == (None, 1280)
    np.testing.assert_allclose(top(base(x)), model(x), atol=1e-6)


def test_without_weights_it_is_as_keras_makes_it(monkeypatch):
    monkeypatch.setattr(network, "FILE", None)
    fresh = pretrained.efficientnet_lite0((32, 32, 3), include_top=False, weights=None)
    assert not fresh.get_layer("stem_bn").moving_mean.numpy().any()


@pytest.mark.parametrize("shape", [(224, 224), (224, 224, 1), (31, 64, 3), (3, 64, 64), ()])
def test_a_shape_that_no_color_image_has_is_refused(shape):
    with refused(ValueError, "input_shape"):
        pretrained.efficientnet_lite0(shape)


def test_weights_that_there_are_not_are_refused():
    with refused(ValueError, "noisy"):
        pretrained.efficientnet_lite0(weights="noisy")


@pytest.mark.parametrize("damage", [lambda content: content[:-100], lambda content: b"",
                                    lambda content: content[:5000] + b"?" + content[5001:]])
def test_a_damaged_file_of_weights_is_refused(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "FILE", tmp_path / "weights.npz")
    network.FILE.write_bytes(damage(WEIGHTS.read_bytes()))
    with refused(ValueError, "damaged"):
        pretrained.efficientnet_lite0((32, 32, 3))


def test_a_missing_file_of_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "FILE", tmp_path / "weights.npz")
    with refused(ValueError, "missing"):
        pretrained.efficientnet_lite0((32, 32, 3))


def test_its_batch_normalization_can_be_folded_away(base):
    folded = surgery.fold(base)
    assert not [layer for layer in folded.layers if isinstance(layer, keras.layers.BatchNormalization)]
    x = noise(3, 32, 32, 3)
    np.testing.assert_allclose(folded(x), base(x), atol=1e-3)


def test_batch_normalization_can_be_inserted(base):
    x = noise(8, 32, 32, 3)
    inserted = surgery.insert(base, x, after=["block2_2_project_bn", "head"])
    assert len(inserted.layers) == len(base.layers) + 2
    np.testing.assert_allclose(inserted(x), base(x), atol=1e-3)


@pytest.fixture(scope="module")
def color_task():
    rng = np.random.default_rng(0)
    x = rng.random((32, 32, 32, 3)).astype("float32")
    y = np.arange(32) % 2
    x[y == 1, ..., 0] *= 0.2   # less red
    return datasets.Split("colors", x[:24], y[:24], x[24:], y[24:])


@pytest.fixture(scope="module")
def classifier(base):
    """The first four blocks, which have layers of every kind; to compile all sixteen takes half a minute."""
    x = keras.layers.GlobalAveragePooling2D()(base.get_layer("block3_1_project_bn").output)
    return keras.Model(base.input, keras.layers.Dense(2, activation="softmax", name="dense")(x))


def test_fine_tuning_changes_the_layers_that_are_trainable(classifier, color_task):
    trainable = {"block3_1_project", "dense"}
    for layer in classifier.layers:
        layer.trainable = layer.name in trainable
    runs, after = fine_tune(classifier, stack([classifier]), color_task, learning_rate=0.01, steps=2, batch_size=8)
    moved = {variable.path.split("/")[0] for variable, old, new in zip(
        classifier.weights, stack([classifier]), after, strict=True) if not np.array_equal(old, new)}
    assert moved == trainable
    assert np.isfinite(runs.val_loss).all()
