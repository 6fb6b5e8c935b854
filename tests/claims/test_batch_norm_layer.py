"""The experiments of lecture 05: a network in NumPy learns as in Keras; effects of known runs."""

import keras
import numpy as np
import pytest
import xarray as xr
from keras import layers
from numpy.testing import assert_allclose

from course_utils import datasets
from course_utils.claims import batch_norm_layer as claims


def test_the_network_of_the_claims_learns_as_keras_would(monkeypatch, digits):
    x, y = digits.x_train[:claims.BATCH].astype("float64"), digits.y_train[:claims.BATCH]
    data = digits.replace(x_train=x, y_train=y)
    trained = claims.network(data, seed=3)
    epochs, wide = claims.EPOCHS, {"dtype": "float64"}
    monkeypatch.setattr(claims, "EPOCHS", 0)
    start = claims.network(data, seed=3)
    inside = [layer for _ in range(claims.LAYERS) for layer in (
        layers.Dense(claims.WIDTH, use_bias=False, **wide), layers.BatchNormalization(**wide), layers.ReLU(**wide))]
    model = keras.Sequential([keras.Input((64,), **wide), *inside, layers.Dense(10, activation="softmax", **wide)])
    for number in range(claims.LAYERS):
        model.layers[3 * number].set_weights([start["kernel"][number]])
    model.layers[-1].set_weights([start["last"], start["bias"]])
    model.compile(keras.optimizers.SGD(claims.RATE), keras.losses.SparseCategoricalCrossentropy(dtype="float64"))
    model.fit(x, y, batch_size=claims.BATCH, epochs=epochs, shuffle=False, verbose=0)
    for number in range(claims.LAYERS):
        dense, norm = model.layers[3 * number:3 * number + 2]
        assert_allclose(dense.get_weights()[0], trained["kernel"][number], atol=1e-5)
        assert_allclose(norm.get_weights()[:2], [trained["gamma"][number], trained["beta"][number]], atol=1e-5)
    assert np.abs(start["last"] - trained["last"]).max() > 0.01
    assert_allclose(model.layers[-1].get_weights()[0], trained["last"], atol=1e-5)


def test_one_pair_is_one_pair_in_every_layer(digits):
    net = claims.network(digits.replace(x_train=digits.x_train[:64], y_train=digits.y_train[:64]), 0, one_pair=True)
    for name, start in {"gamma": 1, "beta": 0}.items():
        for values in net[name]:
            assert np.ptp(values) == 0
            assert values[0] != start
    assert 0.1 < claims.accuracy(net, digits) < 1


def test_the_share_of_one_pair_is_all_where_units_agree_and_none_where_they_cancel():
    start = np.array([1.0, 0.0])[None, :, None, None]
    agree = start + np.full((1, 2, 2, 4), 0.3)
    cancel = start + 0.3 * np.array([1, -1, 1, -1]) * np.ones((1, 2, 2, 4))
    for learned, share in ((agree, 1), (cancel, 0), (np.stack([agree, cancel], 2).reshape(1, 2, 4, 4), 0.5)):
        runs = xr.Dataset({"learned": (("seed", "number", "layer", "unit"), learned)},
                          {"seed": [0], "number": ["gamma", "beta"]})
        assert claims.share_of_one_pair(runs).item() == pytest.approx(share, abs=1e-12)


def test_a_line_changes_no_verdict_of_the_gaussian_test(monkeypatch):
    monkeypatch.setattr(claims, "EPOCHS", 1)
    runs = claims.shapes_of_units(datasets.tones, [3, 4])
    passing = claims.pass_as_gaussian(runs)
    assert passing.sizes == {"values": 3, "seed": 2}
    np.testing.assert_array_equal(passing.sel(values="before"), passing.sel(values="after"))
    assert (passing.sel(values="true Gaussian") > 0.85).all()
    assert claims.pass_after(runs).sizes == {"seed": 2}
