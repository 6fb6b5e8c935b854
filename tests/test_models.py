"""Ordinary Keras models, every technique an argument."""

import numpy as np
import pytest

from course_utils import models
from tests.helpers.sentences import refused


def kinds(**arguments):
    return [type(layer).__name__ for layer in models.mlp(depth=1, **arguments).layers]


@pytest.mark.parametrize(("arguments", "expected"), [
    ({}, ["Dense", "Activation", "Dense"]),
    ({"batch_norm": True}, ["Dense", "BatchNormalization", "Activation", "Dense"]),
    ({"batch_norm": True, "norm_position": "after"}, ["Dense", "Activation", "BatchNormalization", "Dense"]),
    ({"dropout": 0.5}, ["Dense", "Activation", "Dropout", "Dense"]),
    ({"input_shape": (8, 8)}, ["Flatten", "Dense", "Activation", "Dense"]),
], ids=str)
def test_arguments_add_their_layers(arguments, expected):
    assert kinds(**arguments) == expected


def test_sizes_and_outputs():
    model = models.mlp(input_shape=(5,), classes=3, width=7, depth=4)
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [7, 7, 7, 7, 3]
    outputs = model.predict(np.ones((2, 5)), verbose=0)
    np.testing.assert_allclose(outputs.sum(1), 1, rtol=1e-6)


def test_a_normalized_layer_has_no_bias_and_a_plain_one_has():
    assert models.mlp(batch_norm=True).layers[0].bias is None
    assert models.mlp(batch_norm=False).layers[0].bias is not None


def test_l2_and_momentum_reach_their_layers():
    model = models.mlp(batch_norm=True, momentum=0.7, l2=0.25, dropout=0.3)
    assert model.layers[0].kernel_regularizer.l2 == pytest.approx(0.25)
    assert model.layers[1].momentum == 0.7
    assert model.layers[3].rate == 0.3


def test_a_wrong_position_is_one_sentence():
    with refused(ValueError, match="norm_position is 'behind'; write 'before' or 'after'"):
        models.mlp(norm_position="behind")


@pytest.mark.parametrize(("arguments", "expected"), [
    ({}, ["Conv2D", "Activation", "MaxPooling2D", "Flatten", "Dense"]),
    ({"filters": [4, 6]}, ["Conv2D", "Activation", "MaxPooling2D"] * 2 + ["Flatten", "Dense"]),
    ({"batch_norm": True}, ["Conv2D", "BatchNormalization", "Activation", "MaxPooling2D", "Flatten", "Dense"]),
    ({"dropout": 0.5}, ["Conv2D", "Activation", "MaxPooling2D", "Flatten", "Dropout", "Dense"]),
    ({"input_shape": (64,)}, ["Reshape", "Conv2D", "Activation", "MaxPooling2D", "Flatten", "Dense"]),
    ({"input_shape": (6, 8)}, ["Reshape", "Conv2D", "Activation", "MaxPooling2D", "Flatten", "Dense"]),
], ids=str)
def test_arguments_of_a_cnn_add_their_layers(arguments, expected):
    model = models.cnn(**{"filters": (4,)} | arguments)
    assert [type(layer).__name__ for layer in model.layers] == expected


def test_a_cnn_keeps_the_image_in_its_convolutions_and_halves_it_in_its_poolings():
    model = models.cnn(input_shape=(9, 12, 3), classes=4, filters=[5, 6], kernel_size=4)
    assert [layer.output.shape[1:] for layer in model.layers if "conv" in layer.name or "pool" in layer.name] == [
        (9, 12, 5), (4, 6, 5), (4, 6, 6), (2, 3, 6)]
    assert [layer.kernel.shape for layer in model.layers if hasattr(layer, "kernel")] == [
        (4, 4, 3, 5), (4, 4, 5, 6), (36, 4)]
    outputs = model.predict(np.ones((2, 9, 12, 3)), verbose=0)
    np.testing.assert_allclose(outputs.sum(1), 1, rtol=1e-6)


def test_a_gray_image_may_leave_out_its_channels():
    assert models.cnn(input_shape=(6, 8)).layers[0].output.shape[1:] == (6, 8, 1)


def test_a_cnn_takes_digits_as_images_and_as_vectors(digits):
    flat, image = models.cnn(input_shape=(64,)), models.cnn()
    image.set_weights(flat.get_weights())
    np.testing.assert_array_equal(flat(digits.x_val[:5]), image(digits.x_val[:5].reshape(-1, 8, 8, 1)))


def test_l2_momentum_dropout_and_activation_of_a_cnn_reach_their_layers():
    model = models.cnn(filters=(4,), batch_norm=True, momentum=0.7, l2=0.25, dropout=0.3, activation="tanh")
    convolution, normalization, activation, _, _, dropout, softmax = model.layers
    assert convolution.kernel_regularizer.l2 == softmax.kernel_regularizer.l2 == pytest.approx(0.25)
    assert (normalization.momentum, dropout.rate, activation.activation.__name__) == (0.7, 0.3, "tanh")


def test_a_normalized_convolution_has_no_bias_and_a_plain_one_has():
    assert models.cnn(batch_norm=True).layers[0].bias is None
    assert models.cnn(batch_norm=False).layers[0].bias is not None


@pytest.mark.parametrize(("arguments", "message"), [
    ({"input_shape": (63,)}, r"input_shape is \(63,\); expected .height, width, channels., or a vector"),
    ({"input_shape": (2, 8, 8, 1)}, r"input_shape is \(2, 8, 8, 1\); expected"),
    ({"filters": ()}, r"filters is \(\); write one number for each convolution"),
    ({"filters": 8}, "filters is 8; write one number for each convolution"),
    ({"filters": (4, 4, 4, 4)}, "at most 3: each pooling halves an image of 8×8 pixels"),
], ids=str)
def test_a_cnn_that_cannot_be_is_one_sentence(arguments, message):
    with refused(ValueError, match=message):
        models.cnn(**arguments)


def small(weights):
    """Like a function of `keras.applications`: a file of weights, or a download."""
    import keras

    model = models.mlp(depth=1, width=3)
    if weights == "imagenet":
        keras.utils.get_file("course_test.h5", "http://127.0.0.1:9/none.h5")   # nobody listens there
    elif weights is not None:
        model.load_weights(weights)
    return model


def test_pretrained_loads_a_file_of_weights(digits, tmp_path):
    model = models.pretrained(small, weights=None)
    model.save_weights(tmp_path / "small.weights.h5")
    again = models.pretrained(small, weights=tmp_path / "small.weights.h5")
    np.testing.assert_array_equal(again(digits.x_val), model(digits.x_val))


def test_weights_that_cannot_be_downloaded_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with refused(ConnectionError, match="The weights of small could not be downloaded: .* or weights=None"):
        models.pretrained(small)


def test_other_errors_of_a_network_stay_what_they_are():
    with pytest.raises(OSError, match="nowhere"):
        models.pretrained(small, weights="nowhere.weights.h5")
