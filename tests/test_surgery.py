"""Putting batch normalization into a trained Keras model, and taking it out: the answers stay."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from course_utils import batch_norm, models, surgery
from course_utils.training import initial_weights
from tests.helpers.sentences import refused

CLOSE = {"float32": 1e-5, "float64": 1e-12}


def built(build, dtype="float32", seed=0):
    """A model whose weights and running statistics are all away from where they start."""
    with initial_weights.seeded(seed, dtype):
        return shaken(build(), seed)


def shaken(model, seed=0):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.3, 2, weight.shape) if "variance" in weight.path or "gamma" in weight.path
                               else rng.normal(0, 0.5, weight.shape) for weight in layer.weights])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.3, layer.bias.shape))
    return model


def color_cnn(batch_norm=False):
    return models.cnn(input_shape=(8, 8, 3), batch_norm=batch_norm)


def functional(norm=False):
    """Two branches that meet, an operation that is no layer, and (with `norm`) three places for batch norm."""
    x = keras.Input((8, 8, 2), name="pixels")
    maybe = (lambda tensor, **arguments: layers.BatchNormalization(**arguments)(tensor)) if norm else (
        lambda tensor, **arguments: tensor)
    left = layers.ReLU()(maybe(layers.Conv2D(4, 3, padding="same", use_bias=not norm, name="left")(x), scale=False))
    right = layers.ReLU()(maybe(layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="right")(x)))
    both = layers.Flatten()(layers.Add()([left, right]) * 0.5)
    hidden = maybe(layers.Dense(6, activation="relu", name="hidden")(both), center=False)   # behind an activation
    return keras.Model(x, layers.Dense(3, activation="softmax", name="answer")(hidden))


def samples(model, count=32, seed=1):
    return np.random.default_rng(seed).normal(0.5, 1, (count, *model.inputs[0].shape[1:])).astype(model.inputs[0].dtype)


def norms(model):
    return [layer.name for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def assert_same_answers(one, other, x=None):
    x = samples(one) if x is None else x
    np.testing.assert_allclose(other(x), one(x), rtol=0, atol=CLOSE[one.compute_dtype])


# insert


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("build", [models.mlp, models.cnn, color_cnn, functional])
def test_a_calibrated_layer_changes_no_answer(build, dtype):
    model = built(build, dtype)
    before = model.get_weights()
    inserted = surgery.insert(model, samples(model))
    assert type(inserted) is type(model)
    assert len(norms(inserted)) == sum(isinstance(layer, layers.Dense | layers.Conv2D) for layer in model.layers) - 1
    assert norms(model) == []
    assert_same_answers(model, inserted, samples(model, seed=2))   # other samples than those it was calibrated on
    for old, kept in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, kept)


def test_its_statistics_are_those_of_its_input():
    model, x = built(models.mlp), samples(built(models.mlp))
    inserted = surgery.insert(model, x, epsilon=1e-4)
    seen = keras.Model(model.inputs[0], model.layers[0].output)(x)
    gamma, beta, mean, variance = inserted.get_layer(f"{model.layers[0].name}_norm").get_weights()
    for found, expected in zip((mean, variance), batch_norm.statistics(np.asarray(seen)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(gamma, np.sqrt(variance + 1e-4), rtol=1e-5)
    np.testing.assert_array_equal(beta, mean)


@settings(max_examples=15)
@given(st.integers(-4, 4), st.floats(-100, 100), st.booleans(), st.integers(0, 1000))
def test_whatever_the_scale_of_a_feature_and_even_if_it_is_constant(power, offset, constant, seed):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(2)])
    rng = np.random.default_rng(seed)
    model.layers[0].set_weights([10.0**power * rng.normal(size=(3, 4)) * [0 if constant else 1, 1, 1, 1],
                                 np.full(4, offset)])
    model.layers[1].set_weights([rng.normal(size=(4, 2)), rng.normal(size=2)])
    x = rng.normal(size=(16, 3)).astype("float32")
    inserted = surgery.insert(model, x)
    # Of numbers of this size float32 keeps no more.
    close = 1e-5 * max(1, np.abs(model.layers[0](x)).max())
    np.testing.assert_allclose(inserted(x), model(x), rtol=0, atol=close)
    assert all(np.isfinite(values).all() for values in inserted.get_weights())
    assert np.isfinite(inserted(x, training=True)).all()


def test_in_training_mode_it_normalizes_and_comes_back_close():
    model = built(models.mlp)
    x = samples(model, 512)
    inserted = surgery.insert(model, x)
    np.testing.assert_allclose(inserted(x, training=True), model(x), atol=1e-3)   # the batch it was calibrated on
    assert np.abs(inserted(2 * x, training=True) - model(2 * x)).max() > 0.01


def test_a_fresh_one_is_as_keras_makes_it():
    model = built(models.cnn)
    inserted = surgery.insert(model, after=[model.layers[0].name], momentum=0.7)
    [name] = norms(inserted)
    assert inserted.get_layer(name).momentum == 0.7
    for found, expected in zip(inserted.get_layer(name).get_weights(), (1, 0, 0, 1), strict=True):
        assert (found == expected).all()


def test_a_layer_can_be_named_and_stays_where_it_is():
    model = built(functional)
    inserted = surgery.insert(model, samples(model), after=["hidden"])
    assert norms(inserted) == ["hidden_norm"]
    assert inserted.get_layer("hidden_norm").input is inserted.get_layer("hidden").output
    assert_same_answers(model, inserted)


def test_a_model_inside_a_model_is_left_alone():
    inner = built(models.mlp)
    model = keras.Sequential([keras.Input((64,)), inner, layers.Dense(5), layers.Dense(3)])
    inserted = surgery.insert(model, samples(model))
    assert norms(inserted) == [f"{model.layers[1].name}_norm"]
    assert_same_answers(model, inserted)


@pytest.mark.parametrize("build", [lambda: models.mlp(batch_norm=True), lambda: functional(norm=True)])
def test_a_model_or_its_layers_may_be_parts_of_others(build):
    model = built(build)
    inputs = keras.Input(model.inputs[0].shape[1:])
    keras.Model(inputs, model(inputs))
    if isinstance(model, keras.Sequential):
        keras.Sequential([keras.Input((64,)), *model.layers[:-1]])
    folded = surgery.fold(model)
    assert len(norms(folded)) < len(norms(model))
    assert_same_answers(model, folded)
    assert_same_answers(model, surgery.insert(model, samples(model), after=[model.layers[-1].name]))


def test_a_layer_called_twice_cannot_be_chosen():
    x, shared = keras.Input((4,)), layers.Dense(4, name="shared")
    model = keras.Model(x, layers.Dense(2)(shared(shared(x))))
    with pytest.raises(ValueError, match="calls the layer 'shared' more than once, .*; leave it out of after="):
        surgery.insert(model, samples(model))
    assert_same_answers(model, surgery.fold(model))


@pytest.mark.parametrize("operation", [surgery.insert, surgery.fold])
def test_a_model_that_cannot_be_taken_apart_is_one_sentence(operation):
    class Own(keras.Model):
        def call(self, x):
            return x

    for model in (Own(), keras.Sequential([layers.Dense(3)])):
        with refused(ValueError, match="expected a functional model, or a Sequential one that begins with an In"):
            operation(model)


def test_an_unknown_name_is_one_sentence():
    with refused(ValueError, match="The model has no layer 'conv9'; it has .*left.*answer"):
        surgery.insert(built(functional), after=["conv9"])


# fold


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("build", [lambda: models.mlp(batch_norm=True), lambda: models.cnn(batch_norm=True),
                                   lambda: color_cnn(batch_norm=True)])
def test_a_folded_model_answers_as_before_without_batch_norm(build, dtype):
    model = built(build, dtype)
    before = model.get_weights()
    folded = surgery.fold(model)
    assert type(folded) is type(model)
    assert norms(folded) == []
    assert_same_answers(model, folded)
    hidden = [layer for layer in folded.layers if isinstance(layer, layers.Dense | layers.Conv2D)]
    assert all(layer.use_bias for layer in hidden)
    # Four numbers for each unit have become one, the bias.
    units = sum(layer.bias.shape[0] for layer in hidden[:-1])
    assert folded.count_params() == model.count_params() - 3 * units
    for old, kept in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, kept)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_a_functional_model_what_is_behind_an_activation_stays(dtype):
    model = built(lambda: functional(norm=True), dtype)
    folded = surgery.fold(model)
    assert len(norms(model)) == 3
    [left] = norms(folded)
    assert folded.get_layer(left).input is folded.get_layer("hidden").output
    assert_same_answers(model, folded)


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(1, 3), st.booleans(), st.booleans(), st.booleans(), st.integers(1, 2),
       st.integers(0, 1000))
def test_all_arguments_of_the_two_layers(filters, size, bias, center, scale, strides, seed):
    kind = [layers.Conv2D, layers.DepthwiseConv2D][seed % 2]
    first = ({"depth_multiplier": filters} if kind is layers.DepthwiseConv2D else {"filters": filters})
    model = shaken(keras.Sequential([
        keras.Input((6, 6, 2)), kind(kernel_size=size, strides=strides, use_bias=bias, padding="same", **first),
        layers.BatchNormalization(center=center, scale=scale, epsilon=1e-4)]), seed)
    folded = surgery.fold(model)
    assert [type(layer) for layer in folded.layers] == [kind]
    assert_same_answers(model, folded)


@pytest.mark.parametrize("tail", [
    lambda x: layers.BatchNormalization(axis=1)(layers.Dense(5)(layers.Reshape((5, 1))(x))),   # another axis
    lambda x: layers.Add()([layers.BatchNormalization()(y := layers.Dense(4)(x)), y]),   # the Dense is used twice
    lambda x: layers.BatchNormalization()(layers.Dense(4, activation="tanh")(x)),
    lambda x: layers.BatchNormalization()(layers.LayerNormalization()(x))])
def test_what_cannot_be_folded_stays(tail):
    x = keras.Input((5,))
    model = shaken(keras.Model(x, tail(x)))
    folded = surgery.fold(model)
    assert len(norms(folded)) == 1
    assert_same_answers(model, folded)


def test_a_layer_whose_output_is_also_the_models_is_not_folded():
    x = keras.Input((5,))
    dense = layers.Dense(4)(x)
    model = shaken(keras.Model(x, [dense, layers.BatchNormalization()(dense)]))
    folded = surgery.fold(model)
    assert len(norms(folded)) == 1
    for one, other in zip(model(samples(model)), folded(samples(model)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


# both


@pytest.mark.parametrize("build", [models.mlp, models.cnn])
def test_folding_undoes_an_insertion(build):
    model = built(build)
    again = surgery.fold(surgery.insert(model, samples(model)))
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("build", [lambda: models.cnn(batch_norm=True), lambda: functional(norm=True)])
def test_after_saving_and_loading_too(build, tmp_path):
    def loaded(model):
        model.save(tmp_path / "model.keras")
        return keras.models.load_model(tmp_path / "model.keras")

    model = built(build)
    assert_same_answers(model, surgery.fold(loaded(model)))
    assert_same_answers(model, loaded(surgery.fold(model)))
    folded = surgery.fold(model)
    assert_same_answers(model, loaded(surgery.insert(loaded(folded), samples(model))))


def test_a_network_of_keras_applications_loses_all_its_norms():
    model = shaken(models.pretrained(keras.applications.MobileNetV2, weights=None, input_shape=(32, 32, 3), alpha=0.35,
                                     classes=10, classifier_activation=None))
    folded = surgery.fold(model)
    assert len(norms(model)) == 52
    assert norms(folded) == []
    answers, x = model(samples(model, 4)), samples(model, 4)
    np.testing.assert_allclose(folded(x), answers, rtol=0, atol=1e-4 * np.abs(answers).max())
