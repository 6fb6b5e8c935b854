"""Weights go into fit_many and come out of it as they do with model.set_weights and model.get_weights."""

import keras
import numpy as np
import pytest

from course_utils import fit_many, models
from course_utils.training.fit import trained_model
from tests.helpers.by_keras import expect_equal, fit
from tests.helpers.sentences import refused

TRAINING = {"dtype": "float64", "weights": True}
GRID = {"learning_rate": [0.1, 0.5], "seed": [0, 3], "batch_norm": True, "width": 4, "depth": 1}


def build():
    return models.mlp(input_shape=(6,), classes=3, batch_norm=True, width=4, depth=1)


def expect_same(ours, theirs, tolerance=1e-8):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def runs(small):
    return fit_many(models.mlp, small, GRID, epochs=2, predict=small.x_val[:5], **TRAINING)


def test_weights_are_those_of_model_fit(small, runs):
    model, _ = fit(build, small, learning_rate=0.5, seed=3, epochs=2)
    expect_same(runs.weights.sel(learning_rate=0.5, seed=3).item(), model.get_weights())


def test_a_callback_gets_the_weights_so_far(small):
    seen = []
    fit_many(models.mlp, small, {"seed": [0, 1]}, epochs=3, weights=True,
             callback=lambda partial: seen.append(partial.weights.values))
    for epochs, weights in enumerate(seen, 1):
        shorter = fit_many(models.mlp, small, {"seed": [0, 1]}, epochs=epochs, weights=True)
        for ours, theirs in zip(weights, shorter.weights.values, strict=True):
            expect_same(ours, theirs)
    assert len(seen) == 3


def test_a_trained_model_predicts_what_fit_many_predicted(small, runs):
    run = runs.sel(learning_rate=0.5, seed=3)
    model = trained_model(models.mlp, run)
    np.testing.assert_allclose(model.predict(small.x_val[:5], verbose=0), run.probability.isel(epoch=-1), atol=1e-6)
    with refused(ValueError, match=r"not one run with its weights; expected runs.sel\(…\)"):
        trained_model(models.mlp, runs)
    with refused(ValueError, match="not one run with its weights"):
        trained_model(models.mlp, run.drop_vars("weights"))


def test_a_trained_model_has_the_classes_that_the_training_had(small):
    def sigmoid(input_shape, classes):
        return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(classes - 1, activation="sigmoid")])

    split = small.replace(y_train=small.y_train % 2, y_val=small.y_val % 2)
    runs = fit_many(sigmoid, split, {}, epochs=1, loss="binary_crossentropy", weights=True)
    expect_same(trained_model(sigmoid, runs).get_weights(), runs.weights.item())


def test_a_training_goes_on_from_the_weights_of_another(small, runs):
    more = fit_many(models.mlp, small, GRID, epochs=3, start=runs.weights, **TRAINING)
    for rate, seed in ((0.1, 3), (0.5, 0)):
        start = runs.weights.sel(learning_rate=rate, seed=seed).item()

        def continued(start=start):
            model = build()
            model.set_weights(start)
            return model

        model, history = fit(continued, small, learning_rate=rate, seed=seed, epochs=3)
        run = more.sel(learning_rate=rate, seed=seed)
        expect_equal(run, history, 1e-8)
        expect_same(run.weights.item(), model.get_weights())


def test_the_weights_to_start_with_can_be_the_same_for_all_or_one_list_for_each(small, runs):
    lists = list(runs.weights.values.ravel())
    same, each = (fit_many(models.mlp, small, GRID, epochs=1, start=start, **TRAINING, validate_first=True)
                  for start in (lists[2], lists))
    first = same.isel(epoch=0)
    np.testing.assert_allclose(first.val_loss, runs.val_loss.isel(epoch=-1, learning_rate=1, seed=0).item(), atol=1e-9)
    np.testing.assert_allclose(each.val_loss.isel(epoch=0), runs.val_loss.isel(epoch=-1), atol=1e-9)
    np.testing.assert_allclose(each.val_loss[1, 0], same.val_loss[1, 0], atol=1e-12)


def test_the_first_validation_is_that_of_the_initial_weights(small, runs):
    first = fit_many(models.mlp, small, GRID, epochs=2, validate_first=True, dtype="float64")
    assert first.epoch.values.tolist() == [0, 1, 2]
    assert first.loss[..., 0].isnull().all()
    assert not first.diverged.any()
    np.testing.assert_allclose(first.val_loss[..., 1:], runs.val_loss, atol=1e-12)
    np.testing.assert_allclose(first.loss[..., 1:], runs.loss, atol=1e-12)
    still = fit_many(models.mlp, small, GRID | {"batch_norm": False, "learning_rate": [0.0]}, epochs=1,
                     validate_first=True, dtype="float64")
    np.testing.assert_allclose(still.val_loss[..., 0], still.val_loss[..., 1], atol=1e-12)


def test_steps_are_epochs_counted_otherwise(small, runs):
    whole = fit_many(models.mlp, small, GRID, steps=8, **TRAINING)
    assert whole.step.values.tolist() == [8]
    np.testing.assert_allclose(whole.val_loss[..., 0], runs.val_loss[..., -1], atol=1e-12)
    np.testing.assert_allclose(whole.loss[..., 0], runs.loss.mean("epoch"), atol=1e-12)
    expect_same(whole.weights[1, 1].item(), runs.weights[1, 1].item(), 1e-12)
    parts = fit_many(models.mlp, small, GRID, steps=8, evaluate_every=4, **TRAINING)
    assert parts.step.values.tolist() == [4, 8]
    np.testing.assert_allclose(parts.val_loss, runs.val_loss, atol=1e-12)


RIGHT = [np.zeros((6, 3)), np.zeros(3)]


@pytest.mark.parametrize(("options", "message"), [
    ({"start": [RIGHT] * 3}, "start holds the weights of 3 networks, but the grid has 2 runs"),
    ({"start": [np.zeros((5, 3)), np.zeros(3)]}, r"start holds arrays of shapes \[\(5, 3\), \(3,\)\], but the weights"),
    ({"start": RIGHT[:1]}, "start holds arrays of shapes"),
    ({"start": [RIGHT, RIGHT[::-1]]}, "start holds arrays of shapes"),
    ({"start": 3}, "start is of type int; expected"),
    ({"start": "best"}, "start is of type str; expected"),
    ({"start": [RIGHT, [np.full((6, 3), np.nan), np.zeros(3)]]}, "start holds numbers that are not finite"),
    ({"steps": 0}, "steps is 0"),
    ({"steps": 10, "evaluate_every": 4}, "evaluate_every is 4; expected a divisor of steps, 10"),
    ({"steps": 1.5}, "steps is 1.5; expected a whole number"),
])
def test_mistakes_are_one_sentence(small, options, message):
    def linear():
        return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])

    with refused((ValueError, TypeError), match=message):
        fit_many(linear, small, {"seed": [0, 1]}, **{"epochs": None if "steps" in options else 1} | options)
