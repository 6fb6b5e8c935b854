"""Ordinary Keras models, every technique an argument."""

import numpy as np
import pytest

from course_utils import models


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
    with pytest.raises(ValueError, match="norm_position is 'behind'; write 'before' or 'after'"):
        models.mlp(norm_position="behind")
