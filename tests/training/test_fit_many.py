"""The proof of fit_many: it is model.fit, many times at once."""

import keras
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import fit_many, models
from course_utils.training import batches, initial_weights, program, programs
from tests.helpers.by_keras import expect_equal, train
from tests.helpers.sentences import refused


def by_keras(split, *, batch_norm=False, learning_rate=0.1, **options):
    """Train one MLP with model.fit on the batches of a fit_many run; its history."""
    def build():
        return models.mlp(input_shape=split.x_train.shape[1:], classes=split.classes, batch_norm=batch_norm)

    return train(build, split, learning_rate=learning_rate, **options)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_it_reproduces_model_fit_in_float64_over_five_epochs(digits, batch_norm):
    runs = fit_many(models.mlp, digits, {"batch_norm": batch_norm, "learning_rate": [0.05, 0.4], "seed": [0, 3]},
                    epochs=5, dtype="float64")
    for learning_rate in (0.05, 0.4):
        for seed in (0, 3):
            history = by_keras(digits, batch_norm=batch_norm, learning_rate=learning_rate, seed=seed)
            expect_equal(runs.sel(learning_rate=learning_rate, seed=seed), history, 1e-8)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_it_reproduces_the_first_steps_of_model_fit_in_float32(digits, batch_norm):
    runs = fit_many(models.mlp, digits, {"batch_norm": batch_norm, "learning_rate": [0.1], "seed": [0]}, epochs=1,
                    evaluate_every=1)
    history = by_keras(digits, batch_norm=batch_norm, epochs=10, steps=1, dtype="float32")
    first = runs.isel(learning_rate=0, seed=0, step=slice(10))
    expect_equal(first, history, 1e-5)


@pytest.mark.parametrize("numbers", [{"initial_scale": 0.3}, {"label_noise": 0.4}, {"train_size": 50},
                                     {"shuffle": False}], ids=str)
def test_every_numeric_knob_reproduces_model_fit(small, numbers):
    runs = fit_many(models.mlp, small, {"learning_rate": 0.1, "seed": [5], **numbers}, epochs=2, dtype="float64")
    expect_equal(runs.isel(seed=0), by_keras(small, seed=5, epochs=2, **numbers), 1e-8)


@pytest.mark.audit   # test_stress.py asks more with fewer programs
@settings(max_examples=8)
@given(st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=3, unique=True),
       st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True), st.data())
def test_a_run_in_a_crowd_equals_the_same_run_alone(small, rates, seeds, data):
    rate, seed = data.draw(st.sampled_from(rates)), data.draw(st.sampled_from(seeds))
    crowd = fit_many(models.mlp, small, {"learning_rate": rates, "batch_norm": [True, False], "seed": seeds},
                     epochs=2, dtype="float64")
    alone = fit_many(models.mlp, small, {"learning_rate": rate, "batch_norm": True, "seed": seed},
                     epochs=2, dtype="float64")
    xr.testing.assert_allclose(crowd.sel(learning_rate=rate, batch_norm=True, seed=seed), alone,
                               rtol=0, atol=1e-12)


def test_a_diverging_run_is_recorded_and_changes_no_other(small):
    calm = fit_many(models.mlp, small, {"learning_rate": [0.1], "seed": [0]}, epochs=3, dtype="float64")
    crowd = fit_many(models.mlp, small, {"learning_rate": [0.1, 1e200], "seed": [0]}, epochs=3, dtype="float64")
    xr.testing.assert_allclose(crowd.sel(learning_rate=[0.1]), calm, rtol=0, atol=1e-12)
    assert crowd.diverged.sel(learning_rate=1e200).all()
    assert not crowd.diverged.sel(learning_rate=0.1).any()
    assert crowd.val_accuracy.sel(learning_rate=1e200).notnull().all()


def test_the_same_call_gives_the_same_result(small):
    once, again = (fit_many(models.mlp, small, {"seed": [1, 2], "label_noise": 0.2}, epochs=2) for _ in range(2))
    xr.testing.assert_identical(once, again)


def test_a_seed_starts_a_model_as_set_random_seed_does():
    keras.utils.set_random_seed(7)
    expected = models.mlp(batch_norm=True).get_weights()
    with initial_weights.seeded(7):
        weights = models.mlp(batch_norm=True).get_weights()
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("labels", "outputs"), [((), (6,)), ((1,), (6,)), ((2,), (2, 3))],
                         ids=["numbers", "a column", "one for each step"])
def test_class_numbers_have_the_shapes_that_keras_takes(small, labels, outputs):
    def build():
        return keras.Sequential([keras.Input((6,)), keras.layers.Reshape(outputs),
                                 keras.layers.Dense(3, activation="softmax")])

    y = np.random.default_rng(0).integers(3, size=(170, *labels))
    split = small.replace(y_train=y[:130], y_val=y[130:])
    runs = fit_many(build, split, {"seed": [1, 2]}, epochs=1, dtype="float64")
    expect_equal(runs.sel(seed=2), train(build, split, seed=2, epochs=1), 1e-8)


@pytest.mark.parametrize("layer", [
    keras.layers.SimpleRNN, keras.layers.LSTM,
    lambda units: keras.layers.SimpleRNN(units, recurrent_initializer=keras.initializers.Orthogonal(seed=1))])
def test_a_recurrent_kernel_of_one_unit_has_the_sign_that_its_seed_gives(layer):
    def build():
        return keras.Sequential([keras.Input((3, 2)), layer(1)])

    for seed in range(6):
        with initial_weights.seeded(seed):
            expected = build().get_weights()
        for ours, theirs in zip(initial_weights.weights(build, (), seed, "float32")[0], expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_training_leaves_the_callers_random_state_alone(small):
    import random

    random.seed(3)
    expected = random.random()
    random.seed(3)
    fit_many(models.mlp, small, {"seed": [11]}, epochs=1)
    assert random.random() == expected


def test_a_split_per_seed(small):
    def split(seed):
        order = np.random.default_rng(seed).permutation(len(small.x_train))
        return small.replace(x_train=small.x_train[order], y_train=small.y_train[order])

    together = fit_many(models.mlp, split, {"seed": [4, 8], "learning_rate": [0.1]}, epochs=2, dtype="float64")
    for seed in (4, 8):
        alone = fit_many(models.mlp, split(seed), {"seed": [seed], "learning_rate": [0.1]}, epochs=2,
                         dtype="float64")
        xr.testing.assert_allclose(together.sel(seed=[seed]), alone, rtol=0, atol=1e-12)


def test_numeric_knobs_never_recompile_and_structures_compile_once(small, compilations):
    def grid(rates, noise, scale):
        return {"learning_rate": rates, "label_noise": noise, "initial_scale": scale, "seed": range(10),
                "train_size": 64 if noise else None, "batch_norm": [False, True], "width": 9}

    fit_many(models.mlp, small, grid([0.1], 0.0, 1.0), epochs=1)
    assert len(compilations) == 2
    fit_many(models.mlp, small, grid([0.3, 0.5], 0.2, 3.0), epochs=3, evaluate_every=2)
    assert len(compilations) == 2


def test_a_callback_sees_partial_results_and_cancels(small):
    seen = []

    def watch(partial):
        seen.append(int(partial.val_loss.notnull().all("learning_rate").sum()))
        return len(seen) == 3

    runs = fit_many(models.mlp, small, {"learning_rate": [0.1, 0.2]}, epochs=10, callback=watch)
    assert seen == [1, 2, 3]
    whole = fit_many(models.mlp, small, {"learning_rate": [0.1, 0.2]}, epochs=10)
    xr.testing.assert_identical(runs, whole.isel(epoch=slice(3)))


def test_it_predicts_samples_as_keras_does(small):
    points = small.x_val[:7].astype("float64")
    for data in (small, lambda seed: small):
        runs = fit_many(models.mlp, data, {"seed": [3, 4], "batch_norm": [False, True], "width": 4}, epochs=2,
                        predict=points, dtype="float64")
        assert runs.probability.dims == ("seed", "batch_norm", "epoch", "point", "class")
        whole = fit_many(models.mlp, data, {"seed": [3, 4], "batch_norm": [False, True], "width": 4}, epochs=2,
                         predict=small.x_val, dtype="float64")
        np.testing.assert_allclose(whole.probability.isel(point=slice(7)), runs.probability, atol=1e-12)
        hits = whole.probability.argmax("class") == xr.DataArray(small.y_val, dims="point")
        np.testing.assert_allclose(hits.mean("point"), whole.val_accuracy, atol=1e-12)
        chosen = whole.probability.isel({"class": xr.DataArray(small.y_val, dims="point")})
        np.testing.assert_allclose(-np.log(chosen).mean("point"), whole.val_loss, atol=1e-6)


@pytest.mark.parametrize("points", [np.zeros((3, 7)), np.zeros((0, 6)), np.zeros(6), np.full((2, 6), np.nan),
                                    [["a"] * 6]], ids=str)
def test_samples_that_cannot_be_predicted_are_one_sentence(small, points):
    with refused(ValueError, match="predict"):
        fit_many(models.mlp, small, {"learning_rate": 0.1}, epochs=1, predict=points)


def test_small_subsets_are_nested():
    small, large = (batches.indices(100, 3, batch_size=5, train_size=size) for size in (20, 50))
    inner = {int(i) for _ in range(4) for i in next(small)}
    outer = {int(i) for _ in range(10) for i in next(large)}
    assert len(inner) == 20
    assert inner < outer


def test_batch_statistics_are_warm_while_running_averages_are_cold(digits):
    grid = {"learning_rate": 0.1, "batch_norm": True, "seed": [0]}
    runs = fit_many(models.mlp, digits, grid, epochs=1, batch_statistics=True)
    assert (runs.batch_val_loss < runs.val_loss).all()
    without = fit_many(models.mlp, digits, grid, epochs=1)
    np.testing.assert_allclose(runs.val_loss, without.val_loss, rtol=1e-4)
    assert "batch_val_loss" not in without


def test_batch_statistics_are_those_of_keras_in_training_mode(small):
    runs = fit_many(models.mlp, small, {"learning_rate": 0.0, "batch_norm": True, "seed": [2]}, epochs=1,
                    batch_statistics=True, dtype="float64")
    with initial_weights.seeded(2, "float64"):
        model = models.mlp(input_shape=(6,), classes=3, batch_norm=True)
    outputs = model(small.x_val.astype("float64"), training=True)
    expected = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(small.y_val, outputs))
    np.testing.assert_allclose(runs.batch_val_loss.item(), expected, atol=1e-6)


def test_without_xla_it_says_so_and_gives_the_same(small, monkeypatch):
    fast = fit_many(models.mlp, small, {"seed": [0]}, epochs=2, dtype="float64")
    monkeypatch.setattr(program, "xla_works", lambda: False)
    programs.forget_programs()
    try:
        slow = fit_many(models.mlp, small, {"seed": [0]}, epochs=2, dtype="float64")
    finally:
        programs.forget_programs()
    xr.testing.assert_allclose(fast, slow, rtol=0, atol=1e-10)


def test_missing_xla_is_one_warning(monkeypatch):
    import tensorflow as tf

    def refuse(*args, **kwargs):
        raise ValueError("XLA is not available")

    monkeypatch.setattr(tf, "function", refuse)
    with pytest.warns(UserWarning, match="no XLA compiler"):
        assert program.xla_works.__wrapped__() is False


def wide(width=3):
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(width, activation="softmax")])


@pytest.mark.parametrize(("build", "grid", "message"), [
    (models.mlp, {"widht": [3]}, "'widht' is not a knob: mlp takes input_shape"),
    (models.mlp, {"learning_rate": []}, r"grid\['learning_rate'\] is empty"),
    (models.mlp, {"learning_rate": [0.1, 0.1]}, "holds 0.1 twice"),
    (models.mlp, {"learning_rate": [float("nan")]}, "expected a number from 0 up"),
    (models.mlp, {"label_noise": 1.5}, "a share between 0 and 1"),
    (models.mlp, {"seed": [-1]}, "a whole number from 0 up"),
    (models.mlp, {"seed": [0.5]}, "a whole number from 0 up"),
    (models.mlp, {"batch_size": 0}, "a whole number from 1 up"),
    (models.mlp, {"train_size": 1000}, "there are 130 training samples"),
    (models.mlp, {"train_size": 10}, "10 training samples do not fill one batch of 32"),
    (wide, {"width": 5}, "data have 3 classes; give its last layer 3 units"),
])
def test_mistakes_in_the_grid_are_one_sentence(small, build, grid, message):
    with refused(ValueError, match=message):
        fit_many(build, small, grid, epochs=1)


def test_a_grid_that_is_no_dict(small):
    with pytest.raises(TypeError, match="grid is a list; expected a dict"):
        fit_many(models.mlp, small, [0.1], epochs=1)


@pytest.mark.parametrize(("change", "message"), [
    ({"y_train": np.zeros(3, int)}, "x_train holds 130 samples and y_train 3 labels"),
    ({"y_val": np.full(40, 7)}, "y_val holds class 7"),
    ({"y_train": np.zeros(130)}, "not a vector of class numbers"),
    ({"x_train": np.full((130, 6), np.nan)}, "not finite"),
    ({"x_val": np.zeros((40, 5))}, "expected the same"),
    ({"x_val": np.zeros((0, 6)), "y_val": np.zeros(0, int)}, "at least one"),
])
def test_mistakes_in_the_data_are_one_sentence(small, change, message):
    with refused(ValueError, match=message):
        fit_many(models.mlp, small.replace(**change), {}, epochs=1)


def test_data_that_are_no_split():
    with pytest.raises(TypeError, match="expected a Split such as datasets.digits"):
        fit_many(models.mlp, (np.zeros(3), np.zeros(3)), {}, epochs=1)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"epochs": 0}, "epochs is 0; expected a whole number from 1 up"),
    ({"epochs": 1, "evaluate_every": 1000}, "more than all steps of the training"),
    ({}, "Either epochs or steps"),
    ({"epochs": 1, "steps": 3}, "Either epochs or steps"),
    ({"steps": 0}, "steps is 0; expected a whole number from 1 up"),
    ({"epochs": 1, "evaluate_every": 0}, "evaluate_every is 0; expected a whole number from 1 up"),
    ({"epochs": 1, "dtype": "float16"}, "dtype is 'float16'; expected 'float32' or 'float64'"),
])
def test_mistakes_in_the_budget_are_one_sentence(small, arguments, message):
    with refused(ValueError, match=message):
        fit_many(models.mlp, small, {}, **arguments)


def test_steps_of_different_batch_sizes_cannot_share_an_axis(small):
    with pytest.raises(ValueError, match="call fit_many once for each batch_size"):
        fit_many(models.mlp, small, {"batch_size": [16, 32]}, epochs=1, evaluate_every=1)


def test_a_model_for_other_data_is_one_sentence(digits):
    with refused(ValueError, match=r"pass input_shape=\(64,\)"):
        fit_many(wide, digits, {}, epochs=1)


def test_configurations_are_the_runs_of_a_grid(small):
    rows = [{"learning_rate": 0.3, "dropout": 0.0, "width": 8}, {"learning_rate": 0.1, "dropout": 0.5, "width": 4},
            {"learning_rate": 0.3, "dropout": 0.5, "width": 8}]
    training = {"epochs": 2, "dtype": "float64"}
    some = fit_many(models.mlp, small, {"seed": [0, 3], "configuration": rows, "depth": 1}, **training)
    every = fit_many(models.mlp, small, {"learning_rate": [0.1, 0.3], "dropout": [0.0, 0.5], "width": [4, 8],
                                         "seed": [0, 3], "depth": 1}, **training)
    assert some.loss.dims == ("seed", "configuration", "epoch")
    for number, row in enumerate(rows):
        one = some.sel(configuration=number)
        assert {knob: one[knob].item() for knob in row} == row
        np.testing.assert_allclose(one.val_loss, every.val_loss.sel(row), rtol=1e-9)


def test_the_same_configuration_twice_gives_the_same_twice(small):
    runs = fit_many(models.mlp, small, {"configuration": [{"learning_rate": 0.1}] * 2, "width": 4}, epochs=1)
    assert runs.val_loss[0] == runs.val_loss[1]


@pytest.mark.parametrize(("grid", "kind", "message"), [
    ({"configuration": {"learning_rate": 0.1}}, TypeError, "expected a list of dicts"),
    ({"configuration": []}, TypeError, "expected a list of dicts"),
    ({"configuration": [{}, {}]}, TypeError, "expected a list of dicts"),
    ({"configuration": [{"width": 4}, {"depth": 1}]}, ValueError, "the same knobs in all of them"),
    ({"configuration": [{"width": 4}], "width": [4, 8]}, ValueError, "in the grid and in its configurations"),
    ({"configuration": [{"wideness": 4}]}, ValueError, "'wideness' is not a knob"),
    ({"configuration": [{"dropout": 0.1}, {"dropout": 1.5}]}, ValueError, "holds 1.5; expected a rate"),
])
def test_mistakes_in_configurations_are_one_sentence(small, grid, kind, message):
    with refused(kind, match=message):
        fit_many(models.mlp, small, grid, epochs=1)
