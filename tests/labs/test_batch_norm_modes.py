"""The lab of both modes without a browser: pure functions of its state."""

import sys

import numpy as np
import pytest
import xarray as xr

from course_utils import labs
from tests.helpers.lab_states import PNG, closed, pairs

LAB = labs.batch_norm_modes
module = sys.modules[LAB.__module__]


def results(steps, *, taken=None):
    """Runs as `train` returns them: a running mean on its way to 2, inference ten points behind."""
    taken = taken or steps
    step = np.arange(1, taken + 1)
    accuracy = np.full((2, taken, module.SEEDS), np.nan)
    accuracy[0, ::5], accuracy[1, ::5] = 0.8, 0.9
    accuracy[:, -1] = [[0.8], [0.9]]
    return xr.Dataset(
        {"batch_mean": ("step", np.full(taken, 2.1)), "true_mean": ("step", np.full(taken, 2.0)),
         "running_mean": ("step", 2 - 2 * 0.99**step), "val_accuracy": (("mode", "step", "seed"), accuracy)},
        {"step": step, "mode": list(module.MODES), "seed": range(module.SEEDS)}, {"steps": steps})


def test_all_pairs_of_controls_can_be_drawn_and_told():
    for state in pairs(LAB):
        picture, sentence = closed(LAB)._picture(state, results(state["steps"]))
        assert picture.startswith(PNG)
        assert sentence.startswith(f"After {state['steps']} steps with batches of {state['batch_size']}, ")
        assert "its mean over all training images is 2.00" in sentence
        first, second = ("inference", "training") if state["mode"] == "inference" else ("training", "inference")
        assert sentence.index(f"{first} mode") < sentence.index(f"{second} mode")


def test_the_chosen_mode_is_told_first_and_drawn_strong():
    (strong, told), (pale, _) = (closed(LAB)._picture(LAB.checked({"mode": mode}), results(100))
                                 for mode in module.MODES)
    assert "inference mode 80.0% [80.0%, 80.0%], training mode 90.0%" in told
    assert strong != pale


def test_a_partial_result_can_be_drawn():
    partial = results(100, taken=30)
    picture, sentence = closed(LAB)._picture(LAB.checked({}), partial)
    assert picture.startswith(PNG)
    assert sentence.startswith("After 30 steps")
    assert LAB.done(partial) == pytest.approx(0.3)


def test_a_step_is_that_of_keras(digits):
    """Kernels and running statistics of the first network, after three steps by Keras."""
    import keras
    from keras import layers

    kernels, running = module.start(digits)
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(module.LAYERS):
        model.add(layers.Dense(module.WIDTH, use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.8, center=False, scale=False))
        model.add(layers.Activation("relu"))
    model.add(layers.Dense(10, activation="softmax", use_bias=False))

    def weights():
        hidden = [values for kernel, averages in zip(kernels, running, strict=False)
                  for values in (kernel[0, 0], *averages[:, 0, 0, 0])]
        return [values.copy() for values in (*hidden, kernels[-1][0, 0])]

    model.set_weights(weights())
    model.compile(keras.optimizers.SGD(0.2), "sparse_categorical_crossentropy")
    for rows in np.random.default_rng(0).integers(len(digits.x_train), size=(3, module.SEEDS, 1, 16)):
        module.update(kernels, running, digits.x_train[rows], digits.y_train[rows], 0.8, 0.2)
        model.train_on_batch(digits.x_train[rows[0, 0]], digits.y_train[rows[0, 0]])
    for ours, theirs in zip(weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    ours = module.validate(kernels, running, digits, "inference", 16)[0]
    whole = len(digits.x_val) // 16 * 16
    theirs = (model.predict(digits.x_val[:whole], verbose=0).argmax(1) == digits.y_val[:whole]).mean()
    assert ours == pytest.approx(theirs, abs=0.003)


def test_only_in_training_mode_does_the_batch_matter(digits):
    kernels, running = module.start(digits)
    x = digits.x_val[:64]
    for mode, differs in (("inference", False), ("training", True)):
        together, halves, alone = (module.forward(kernels, running, part, mode)[0] for part in (
            x.reshape(1, 1, 64, 64), x.reshape(1, 2, 32, 64), x[32:].reshape(1, 1, 32, 64)))
        np.testing.assert_allclose(halves[:, 1:], alone, atol=1e-4)
        assert np.allclose(together[:, :, 32:], alone, atol=1e-4) != differs


@pytest.mark.parametrize("momentum", [0.0, 0.999])
def test_it_trains_for_real(digits, momentum):
    seen = []
    runs = module.train(digits, momentum=momentum, batch_size=32, steps=50, learning_rate=0.1,
                        report=lambda partial: seen.append(partial.sizes["step"]))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (1, 50)
    last = runs.val_accuracy.isel(step=-1).mean("seed")
    assert last.sel(mode="training") > 0.75
    if momentum:   # cold
        assert last.sel(mode="inference") < last.sel(mode="training") - 0.1
        assert abs(runs.running_mean[-1]) < 0.2 * abs(runs.true_mean[-1])
    else:          # the last batch, and nothing else
        np.testing.assert_allclose(runs.running_mean, runs.batch_mean, rtol=1e-4)


def test_a_fast_average_of_tiny_batches_chases_noise(digits):
    def strays(batch_size):
        """How far the running mean is from the truth in the last 100 of 200 steps."""
        runs = module.train(digits, momentum=0.5, batch_size=batch_size, steps=200, learning_rate=0.1)
        return float(((runs.running_mean - runs.true_mean)[100:] ** 2).mean() ** 0.5)

    assert strays(2) > 2 * strays(32)   # four times as far, were batches the only difference


def test_the_training_itself_does_not_depend_on_momentum(digits):
    low, high = (module.train(digits, momentum=momentum, batch_size=8, steps=10, learning_rate=0.1)
                 for momentum in (0.5, 0.99))
    np.testing.assert_array_equal(low.true_mean, high.true_mean)
    np.testing.assert_array_equal(low.val_accuracy.sel(mode="training"), high.val_accuracy.sel(mode="training"))


@pytest.mark.parametrize("state", [{"learning_rate": 1.0, "batch_size": 2, "steps": 50},
                                   {"batch_size": 128, "steps": 20}])
def test_the_ends_stay_finite(state):
    picture, sentence = closed(LAB).render(LAB.checked(state))
    assert picture.startswith(PNG)
    assert "nan" not in sentence


def test_it_stops_when_told(digits):
    runs = module.train(digits, momentum=0.9, batch_size=32, steps=100, learning_rate=0.1,
                        report=lambda partial: partial.sizes["step"] > 10)
    assert 10 < runs.sizes["step"] < 30
