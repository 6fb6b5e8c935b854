"""Callbacks do to each run what they do in model.fit."""

import keras
import numpy as np
import pytest
import xarray as xr

from course_utils import fit_many
from course_utils.training import program
from tests.helpers.by_keras import expect_equal, fit
from tests.helpers.sentences import refused

Stopping, Plateau, Scheduler = (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau,
                                keras.callbacks.LearningRateScheduler)
EPOCHS = 8
GRID = {"learning_rate": [0.05, 3.0], "seed": [2]}


def build():
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="tanh"),
                             keras.layers.Dense(3, activation="softmax")])


def train(small, callbacks, epochs=EPOCHS, **options):
    return fit_many(build, small, GRID, epochs=epochs, dtype="float64", callbacks=callbacks, **options).isel(seed=0)


# Epochs after which the two runs stop, and the callbacks.
CASES = {
    "patience": ([8, 3], lambda: [Stopping(patience=1)]),
    "restored": ([8, 4], lambda: [Stopping(patience=2, restore_best_weights=True)]),
    "restored, not stopped": ([8, 8], lambda: [Stopping(patience=8, restore_best_weights=True)]),
    "min_delta": ([6, 3], lambda: [Stopping(min_delta=0.045, patience=1, restore_best_weights=True)]),
    "the higher the better": ([5, 5], lambda: [Stopping("val_accuracy", patience=2, restore_best_weights=True)]),
    "mode": ([2, 2], lambda: [Stopping("val_accuracy", mode="min", patience=1)]),
    "start_from_epoch": ([8, 6], lambda: [Stopping(start_from_epoch=4, restore_best_weights=True)]),
    "baseline": ([8, 3], lambda: [Stopping(baseline=0.5, patience=3)]),
    "plateau": ([8, 8], lambda: [Plateau(factor=0.3, patience=1, min_delta=0.02, cooldown=1, min_lr=0.01)]),
    "schedule": ([8, 8], lambda: [Scheduler(lambda epoch, rate: rate * 0.8 if epoch % 3 else rate + 0.01)]),
    "all three": ([8, 5], lambda: [Scheduler(lambda epoch, rate: rate * 0.9), Plateau(
        factor=0.5, patience=0, min_delta=0.05), Stopping(patience=3, restore_best_weights=True)]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_run_does_what_it_does_in_model_fit(small, case):
    lengths, callbacks = CASES[case]
    runs = train(small, callbacks(), weights=True)
    for rate, length in zip(GRID["learning_rate"], lengths, strict=True):
        run = runs.sel(learning_rate=rate)
        model, history = fit(build, small, learning_rate=rate, seed=2, epochs=EPOCHS, callbacks=callbacks())
        assert len(history["loss"]) == length
        expect_equal(run.isel(epoch=slice(length)), history, 1e-8)
        for ours, theirs in zip(run.weights.item(), model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_a_run_that_has_stopped_has_no_scores_and_has_not_diverged(small):
    runs = train(small, [Stopping(patience=1)], predict=small.x_val[:2]).sel(learning_rate=3.0)
    for name in ("loss", "val_loss", "val_accuracy", "probability"):
        assert runs[name][:3].notnull().all()
        assert runs[name][3:].isnull().all()
    assert not runs.diverged.any()


def test_nothing_is_calculated_once_all_have_stopped(small, monkeypatch):
    train(small, [])   # compiled and verified
    calls, call = [], program.Program.__call__
    monkeypatch.setattr(program.Program, "__call__", lambda *given: (calls.append(given), call(*given))[1])
    runs = train(small, CASES["mode"][1](), epochs=20)
    assert len(calls) == 2
    assert runs.sizes["epoch"] == 20


def test_callbacks_do_not_see_the_scores_before_the_first_step(small):
    halved = [Scheduler(lambda epoch, rate: rate / 2)]
    first = train(small, halved, validate_first=True)
    xr.testing.assert_allclose(first.isel(epoch=slice(1, None)), train(small, halved))


def test_each_run_has_callbacks_of_its_own(small):
    given = Stopping(patience=1)
    once, again = train(small, [given]), train(small, [given])
    xr.testing.assert_identical(once, again)
    assert given.model is None


def top(y_true, y_pred):
    return keras.ops.max(y_pred, -1)


SCHEDULED = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))


@pytest.mark.parametrize(("callbacks", "options", "error", "message"), [
    ([keras.callbacks.ModelCheckpoint("best.keras")], {}, ValueError, "callbacks holds ModelCheckpoint"),
    ([keras.callbacks.LambdaCallback()], {}, ValueError, "callbacks holds LambdaCallback"),
    (Stopping(), {}, TypeError, r"callbacks is a EarlyStopping; expected a list"),
    ([Plateau()], {"optimizer": SCHEDULED}, ValueError, "ReduceLROnPlateau changes the learning rate, which follows"),
    ([Scheduler(lambda epoch: 0.1)], {"optimizer": SCHEDULED}, ValueError, "leave out one of them"),
    ([Stopping("val_f1")], {}, ValueError, "monitors 'val_f1'; expected one of loss, accuracy, val_loss"),
    ([Plateau("val_mae")], {}, ValueError, "ReduceLROnPlateau monitors 'val_mae'; expected one of"),
    ([Stopping("val_top")], {"metrics": [top]}, ValueError,
     "unknown; give mode='max' or mode='min'"),
])
def test_mistakes_are_one_sentence(small, callbacks, options, error, message):
    with refused(error, match=message):
        fit_many(build, small, {}, epochs=1, callbacks=callbacks, **options)
