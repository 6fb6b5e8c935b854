"""Values arrive as they were sent, and nothing else is received."""

import base64
import fractions
import io
import json
import zipfile

import numpy as np
import pytest
import xarray as xr

from course_utils.datasets import Split
from course_utils.remote.codec import Codec, NotLoaded, Unknown, identity


def sent(value):
    """The value as it arrives in another process."""
    return Codec().decode(json.loads(json.dumps(Codec().encode(value))))


@pytest.mark.parametrize("value", [
    None, True, 3, 2.5, float("inf"), "text", ..., [1, [2]], (1, (2,)), {1, 2}, {frozenset({1}), "x"},
    {"a": 1, (2, 3): [4], 5: None}, np.float32(1.5), np.int64(7), np.bool_(True)],
    ids=lambda value: type(value).__name__)
def test_what_python_has_arrives(value):
    assert sent(value) == value
    assert type(sent(value)) is type(value)


@pytest.mark.parametrize("value", [
    np.arange(6.0).reshape(2, 3), np.array(3), np.zeros((0, 2), "float32"), np.array(["a", "bc"]),
    np.array([True, False])], ids=lambda value: str(value.dtype))
def test_arrays_arrive(value):
    assert np.array_equal(sent(value), value)
    assert (sent(value).dtype, sent(value).shape) == (value.dtype, value.shape)


def test_an_array_of_objects_keeps_its_parts():
    value = np.empty(2, object)
    value[:] = [(1, 2), (3, 4)]
    assert sent(value).tolist() == [(1, 2), (3, 4)]


def test_other_numbers_become_floats():
    import tensorflow as tf

    assert sent(fractions.Fraction(1, 4)) == sent(tf.constant(0.25, tf.bfloat16).numpy()) == 0.25


def test_data_with_names_arrive():
    data = xr.Dataset({"score": (("rate", "seed"), np.ones((2, 3)))}, {"rate": ["low", "high"], "seed": [4, 5, 6]})
    assert sent(data).identical(data)
    assert sent(data.score.sel(rate="low")).identical(data.score.sel(rate="low"))
    split = Split("mine", *map(np.arange, (1, 2, 3, 4)))
    assert sent(split).x_val.tolist() == [0, 1, 2]


def test_a_generator_goes_on_where_it_was():
    generator = np.random.default_rng(0)
    generator.random(3)
    assert sent(generator).random() == generator.random()


def test_what_cannot_be_sent_is_named():
    assert isinstance(sent(object()), Unknown)
    assert sent(object()).kind == "object"


@pytest.mark.parametrize("content", [
    {"objects": [[10_000_000_000], [0]]}, {"lent": 0}, {"generator": {"dict": [["bit_generator", "os"]]}},
    {"array": base64.b64encode(b"PK\x03\x04").decode()}, {"function": "os.system"}, {"scalar": ""}], ids=str)
def test_what_nobody_sends_is_not_received(content):
    with pytest.raises((ValueError, TypeError, KeyError)):
        Codec().decode(content)


def small(*layers):
    import keras

    return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2)])


def test_models_arrive_with_their_weights_and_what_they_share():
    model = small()
    other = sent(model)
    assert np.allclose(other(np.ones((1, 3))), model(np.ones((1, 3))))
    assert list(map(identity, other.weights)) == list(map(identity, model.weights))
    assert list(map(identity, small().weights)) != list(map(identity, model.weights))


def test_a_model_that_holds_code_is_not_loaded():
    import keras

    for layer in (keras.layers.Lambda(lambda x: 2 * x), type("Own", (keras.layers.Layer,), {})()):
        with pytest.raises(NotLoaded):
            sent(small(layer))


@pytest.mark.parametrize("config", [
    {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp/model"}},
    {"module": "os", "class_name": "system", "config": {}},
    {"module": "keras", "class_name": "Sequential", "config": {"layers": [{"module": "keras.layers",
                                                                          "class_name": "Lambda"}]}}], ids=str)
def test_a_file_that_holds_code_is_not_written(config):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("config.json", json.dumps(config))
    with pytest.raises(NotLoaded):
        Codec().decode({"file": base64.b64encode(file.getvalue()).decode()})
