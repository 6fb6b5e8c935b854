"""Training stacked networks on is what `model.fit` does to each of them."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import models
from course_utils.training import batches
from course_utils.training.fine_tune import _a_twentieth, each, fine_tune, stack
from tests.helpers.sentences import refused


def networks(seeds, **arguments):
    made = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        made.append(models.mlp(depth=1, width=8, **arguments))
    return made


def freeze(model):
    for layer in model.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    return model


@pytest.mark.parametrize("prepare", [lambda model: model, freeze])
def test_steps_are_those_of_keras(digits, prepare):
    models_ = [prepare(model) for model in networks([3, 4], batch_norm=True, momentum=0.8)]
    weights = stack(models_)
    runs, after = fine_tune(models_[0], weights, digits, learning_rate=[0.1, 0.3], steps=4, batch_size=16,
                            evaluate_every=2, train_size=200, seeds=[3, 4])
    assert runs.sizes == {"learning_rate": 2, "seed": 2, "step": 3}
    for place, rate in enumerate([0.1, 0.3]):
        for network, model in enumerate(models_):
            model.set_weights([values[network] for values in weights])
            model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
            stream = batches.indices(len(digits.x_train), 3 + network, batch_size=16, train_size=200)
            for _ in range(4):
                rows = next(stream)
                model.train_on_batch(digits.x_train[rows], digits.y_train[rows])
            for ours, theirs in zip(after, model.get_weights(), strict=True):
                np.testing.assert_allclose(ours[place, network], theirs, atol=1e-5)
            scores = model.evaluate(digits.x_val, digits.y_val, verbose=0, return_dict=True)
            last = runs.isel(learning_rate=place, seed=network, step=-1)
            assert float(last.val_accuracy) == pytest.approx(scores["accuracy"], abs=0.003)
            assert float(last.val_loss) == pytest.approx(scores["loss"], abs=1e-4)


def test_frozen_norms_keep_all_four_numbers(digits):
    [model] = [freeze(model) for model in networks([0], batch_norm=True)]
    before = stack([model])
    _, after = fine_tune(model, before, digits, learning_rate=0.1, steps=2)
    same = [np.array_equal(ours, theirs) for ours, theirs in zip(before, after, strict=True)]
    assert same == ["batch_normalization" in variable.path for variable in model.weights]


def test_without_steps_the_networks_are_only_validated(digits):
    [model] = networks([0])
    runs, after = fine_tune(model, stack([model]), digits, learning_rate=0.1, steps=0)
    assert runs.step.values.tolist() == [0]
    for ours, theirs in zip(after, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours[0], theirs)


def test_stacking_and_taking_apart_again():
    made = networks([1, 2])
    weights = stack(made)
    for model, copy in zip(made, each(networks([0])[0], weights), strict=True):
        for ours, theirs in zip(copy.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"steps": 10, "evaluate_every": 3}, "evaluate_every is 3; expected a divisor of steps, 10"),
    ({"steps": 2, "train_size": 8}, "8 training samples do not fill one batch of 32")])
def test_wrong_arguments_are_one_sentence(digits, arguments, message):
    [model] = networks([0])
    with refused(ValueError, match=message):
        fine_tune(model, stack([model]), digits, learning_rate=0.1, **arguments)


@given(st.integers(0, 5000))
def test_the_default_between_two_validations_is_the_largest_that_is_accepted(steps):
    chosen, most = _a_twentieth(steps), min(64, max(1, steps // 20))
    assert 1 <= chosen <= most
    assert steps % chosen == 0
    assert all(steps % every for every in range(chosen + 1, most + 1))


def test_any_number_of_steps_has_a_default(digits):
    [model] = networks([0])
    runs, _ = fine_tune(model, stack([model]), digits, learning_rate=0.1, steps=45)
    assert runs.step.values.tolist() == list(range(46))
