"""Every optimizer of fit_many is the one of Keras."""

import keras
import numpy as np
import pytest

from course_utils import fit_many
from course_utils.training import optimizers
from tests.helpers.by_keras import expect_equal, train
from tests.helpers.sentences import refused

ADAM, SGD, RMSPROP, ADAMW = (keras.optimizers.Adam, keras.optimizers.SGD, keras.optimizers.RMSprop,
                             keras.optimizers.AdamW)
SCHEDULES = keras.optimizers.schedules


def tiny(input_shape=(6,), classes=3):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(5, use_bias=False),
                             keras.layers.BatchNormalization(), keras.layers.Activation("relu"),
                             keras.layers.Dense(classes, activation="softmax")])


class OwnSchedule(SCHEDULES.LearningRateSchedule):
    """A schedule that Keras does not know."""

    def __call__(self, step):
        return keras.ops.minimum(0.2, 0.05 * keras.ops.cast(step + 1, keras.config.floatx()))


OPTIMIZERS = {
    "momentum": lambda: SGD(0.1, momentum=0.9),
    "Nesterov": lambda: SGD(0.1, momentum=0.8, nesterov=True),
    "SGD with decay": lambda: SGD(0.1, momentum=0.9, weight_decay=0.03),
    "RMSprop": lambda: RMSPROP(0.01),
    "centered RMSprop": lambda: RMSPROP(0.01, rho=0.8, momentum=0.5, centered=True),
    "Adam": lambda: ADAM(0.01),
    "AMSGrad": lambda: ADAM(0.02, beta_1=0.7, beta_2=0.9, epsilon=1e-3, amsgrad=True),
    "AdamW": lambda: ADAMW(0.01, weight_decay=0.1),
    "cosine": lambda: SGD(SCHEDULES.CosineDecay(0.3, 10, alpha=0.1), momentum=0.5),
    "warm-up": lambda: ADAM(SCHEDULES.CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=4)),
    "Nadam": lambda: keras.optimizers.Nadam(0.01),
    "Ftrl": lambda: keras.optimizers.Ftrl(0.05),
    "clipnorm": lambda: SGD(0.5, clipnorm=0.05),
    "global_clipnorm": lambda: ADAM(0.01, global_clipnorm=0.05),
    "clipvalue": lambda: SGD(0.5, clipvalue=0.01),
    "warm-up to a plateau": lambda: SGD(OwnSchedule()),
    "steps": lambda: SGD(SCHEDULES.PiecewiseConstantDecay([3, 7], [0.3, 0.1, 0.01])),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_reproduces_model_fit_in_float64(small, name):
    keras.config.set_floatx("float64")   # of the optimizer's own numbers
    optimizer = OPTIMIZERS[name]()
    keras.config.set_floatx("float32")
    runs = fit_many(tiny, small, {"seed": [3]}, epochs=3, optimizer=optimizer, dtype="float64")
    expect_equal(runs.isel(seed=0), train(tiny, small, optimizer=OPTIMIZERS[name], seed=3, epochs=3), 1e-8)


def test_each_run_has_its_own_rate_and_decay(small):
    grid = {"learning_rate": [0.003, 0.02], "weight_decay": [0.0, 0.2]}
    runs = fit_many(tiny, small, grid, epochs=2, optimizer="adamw", dtype="float64")
    for rate in grid["learning_rate"]:
        for decay in grid["weight_decay"]:
            history = train(tiny, small, optimizer=lambda decay=decay: ADAMW(weight_decay=decay), learning_rate=rate,
                            epochs=2)
            expect_equal(runs.sel(learning_rate=rate, weight_decay=decay), history, 1e-8)


def test_a_schedule_starts_from_the_rate_of_the_run(small):
    def decaying(rate):
        return SGD(SCHEDULES.ExponentialDecay(rate, decay_steps=2, decay_rate=0.5))

    runs = fit_many(tiny, small, {"learning_rate": [0.05, 0.4]}, epochs=2, optimizer=decaying(1.0), dtype="float64")
    for rate in (0.05, 0.4):
        expect_equal(runs.sel(learning_rate=rate),
                     train(tiny, small, optimizer=lambda rate=rate: decaying(rate), epochs=2), 1e-8)


def test_weights_can_be_excluded_from_decay(small):
    def spared():
        optimizer = SGD(0.1, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    runs = fit_many(tiny, small, {}, epochs=2, optimizer=spared(), dtype="float64")
    expect_equal(runs, train(tiny, small, optimizer=spared, learning_rate=0.1, epochs=2), 1e-8)
    all_decay = fit_many(tiny, small, {}, epochs=2, optimizer=SGD(0.1, weight_decay=0.5), dtype="float64")
    assert abs(runs.loss - all_decay.loss).max() > 1e-3


def test_optimizers_are_a_knob_by_name(small):
    runs = fit_many(tiny, small, {"optimizer": ["adam", SGD(0.2, momentum=0.9, name="momentum")]}, epochs=2,
                    dtype="float64")
    assert list(runs.optimizer.values) == ["adam", "momentum"]
    alone = fit_many(tiny, small, {}, epochs=2, optimizer="adam", dtype="float64")
    np.testing.assert_array_equal(runs.loss.sel(optimizer="adam"), alone.loss)
    assert alone.learning_rate == 0.001


def sparing():
    optimizer = SGD(weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_list=[keras.Variable(0.0)])
    return optimizer


@pytest.mark.parametrize(("optimizer", "grid", "error", "message"), [
    ("adamm", {}, ValueError, "'adamm' is no optimizer; expected a name such as 'sgd'"),
    (3, {}, ValueError, "3 is no optimizer"),
    (SGD(use_ema=True), {}, NotImplementedError, "cannot train with use_ema"),
    (SGD(gradient_accumulation_steps=2), {}, NotImplementedError, "cannot train with gradient_accumulation_steps"),
    (SGD(SCHEDULES.PiecewiseConstantDecay([3], [0.3, 0.1])), {"learning_rate": 0.1}, ValueError,
     "no meaning for the schedule PiecewiseConstantDecay"),
    ("sgd", {"optimizer": [SGD(momentum=0.5), SGD(momentum=0.9)]}, ValueError, "holds 'sgd' twice"),
    (sparing(), {}, NotImplementedError, r"var_list=….* give var_names"),
    ("sgd", {"weight_decay": -1.0}, ValueError, "expected a number from 0 up"),
])
def test_mistakes_are_one_sentence(small, optimizer, grid, error, message):
    with refused(error, match=message):
        fit_many(tiny, small, grid, epochs=1, optimizer=optimizer)


def test_a_program_depends_on_the_kind_of_optimizer_not_on_its_rate():
    assert optimizers.key(SGD(0.1)) == optimizers.key(SGD(0.3, name="other"))
    assert optimizers.key(SGD(0.1)) != optimizers.key(SGD(0.1, momentum=0.9))
    assert optimizers.key(SGD(SCHEDULES.CosineDecay(0.1, 5))) != optimizers.key(SGD(SCHEDULES.CosineDecay(0.1, 9)))
