"""Early stopping read off complete runs is what Keras's callback does."""

import keras
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from course_utils import early_stopping, fit_many
from tests.helpers.sentences import refused


class Scripted(keras.Model):
    """A model whose "training" is a list of scores, and whose only weight counts epochs."""

    def __init__(self):
        super().__init__()
        self.epochs = self.add_weight(shape=(), initializer="zeros")


def by_keras(scores, monitor, **options):
    """Best and last epoch of Keras's own callback, counted from 1."""
    model = Scripted()
    callback = keras.callbacks.EarlyStopping(monitor, mode="max" if "acc" in monitor else "min",
                                             restore_best_weights=True, **options)
    callback.set_model(model)
    model.stop_training = False
    callback.on_train_begin()
    for epoch, score in enumerate(scores):
        model.epochs.assign(epoch + 1)
        callback.on_epoch_end(epoch, {monitor: score})
        if model.stop_training:
            break
    callback.on_train_end()
    return int(model.epochs), epoch + 1


def curves(scores, monitor):
    return xr.Dataset({monitor: (("seed", "epoch"), [scores]), "other": (("seed", "epoch"), [np.arange(len(scores))])},
                      {"seed": [0], "epoch": np.arange(1, len(scores) + 1)})


@given(scores=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.5, np.nan]), min_size=1, max_size=9),
       monitor=st.sampled_from(["val_loss", "val_accuracy"]), patience=st.integers(0, 4),
       min_delta=st.sampled_from([0.0, 0.15]))
def test_it_keeps_the_weights_that_keras_keeps(scores, monitor, patience, min_delta):
    kept = early_stopping(curves(scores, monitor), patience=patience, monitor=monitor, min_delta=min_delta).isel(seed=0)
    assert (kept.epoch, kept.stopped_epoch) == by_keras(scores, monitor, patience=patience, min_delta=min_delta)
    assert kept.other == kept.epoch - 1


def test_each_run_stops_on_its_own(small):
    def build(input_shape=(6,), classes=3):
        return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(classes, activation="softmax")])

    runs = fit_many(build, small, {"learning_rate": [0.01, 3.0], "seed": range(4)}, epochs=20)
    kept = early_stopping(runs, patience=2)
    assert kept.val_loss.dims == ("learning_rate", "seed")
    assert (kept.val_loss >= runs.val_loss.min("epoch")).all()
    assert (kept.epoch.sel(learning_rate=0.01) == 20).all()   # still improving
    assert (kept.stopped_epoch.sel(learning_rate=3.0) < 20).any()
    by_step = fit_many(build, small, {"learning_rate": 3.0, "seed": range(4)}, epochs=20, evaluate_every=4)
    assert (early_stopping(by_step, patience=2).step == 4 * kept.epoch.sel(learning_rate=3.0)).all()


@pytest.mark.parametrize(("options", "message"), [
    ({"patience": 1, "monitor": "val_f1"}, "has no 'val_f1' by epoch or step"),
    ({"patience": -1}, "expected two numbers from 0 up"), ({"patience": 1, "min_delta": -0.1}, "from 0 up")])
def test_mistakes_are_one_sentence(options, message):
    with refused(ValueError, match=message):
        early_stopping(curves([0.1, 0.2], "val_loss"), **options)
