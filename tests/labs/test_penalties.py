"""The lab of the brakes without a browser: pure functions of its state."""

import sys

import keras
import numpy as np
import pytest
import xarray as xr

from course_utils import labs
from tests.helpers.lab_states import PNG, closed, pairs

LAB = labs.penalties
module = sys.modules[LAB.__module__]


def results(steps=module.STEPS):
    """Runs as `train` returns them: the brake halves the norm, zeroes one weight in four and gains ten points."""
    step, shape = np.arange(20, steps + 1, 20), (2, module.SEEDS)
    scores = {name: (("step", "arm", "seed"), np.broadcast_to(np.array(values)[:, None], (len(step), *shape)).copy())
              for name, values in {"accuracy": [0.9, 0.6], "val_accuracy": [0.7, 0.8], "norm": [8.0, 4.0]}.items()}
    weights = np.tile([-0.5, -0.1, 0.2, 0.4], (2, module.SEEDS, 1))
    weights[1, :, 1] = 0
    return xr.Dataset(scores | {"weights": (("arm", "seed", "weight"), weights)},
                      {"step": step, "arm": module.ARMS, "seed": range(module.SEEDS)}, {"steps": module.STEPS})


def test_all_pairs_of_controls_can_be_drawn_and_told():
    for state in pairs(LAB):
        picture, sentence = closed(LAB)._picture(state, results())
        assert picture.startswith(PNG)
        assert sentence.startswith(module.called(state["kind"], state["strength"]))
        assert "without it 70.0% [70.0%, 70.0%], with it 80.0% [80.0%, 80.0%]" in sentence
        assert "the gain is +10.0 [+10.0, +10.0] points." in sentence
        assert "25% are within 0.001 of zero with regularization, 0% without" in sentence


def test_a_partial_result_can_be_drawn():
    partial = results(steps=200)
    picture, sentence = closed(LAB)._picture(LAB.checked({}), partial)
    assert picture.startswith(PNG)
    assert "after 200 steps" in sentence
    assert LAB.done(partial) == pytest.approx(200 / module.STEPS)


@pytest.mark.parametrize("kind", list(module.UNITS))
def test_a_step_is_that_of_keras(digits, kind):
    """Weights of the first network with the brake, and without, after three steps by Keras."""
    strong = 1.0 if kind == "max-norm" else 0.3
    value, net = module.amount(kind, strong), module.start(digits)
    rows = np.random.default_rng(0).integers(len(digits.x_train), size=(3, module.SEEDS, 32))
    one_hot = np.eye(10, dtype="float32")[digits.y_train]
    models = {arm: by_keras(kind if arm == "with" else None, value) for arm in module.ARMS}
    names = ["first", "first_bias", "last", "last_bias"]
    for arm, model in models.items():
        model.set_weights([net[name][module.ARMS.index(arm), 0].reshape(weight.shape).copy()
                           for name, weight in zip(names, model.weights, strict=True)])
    for step in rows:
        module.update(net, digits.x_train[step], one_hot[step], kind, value)
        for model in models.values():
            model.train_on_batch(digits.x_train[step[0]], one_hot[step[0]])
    for arm, model in models.items():
        for name, weight in zip(names, model.get_weights(), strict=True):
            np.testing.assert_allclose(net[name][module.ARMS.index(arm), 0].reshape(weight.shape), weight, atol=2e-5)
    assert np.abs(models["with"].get_weights()[0] - models["without"].get_weights()[0]).max() > 1e-3


def by_keras(kind, value):
    """The lab's network as one would write it in Keras."""
    from keras import layers

    penalty = {"L2": keras.regularizers.L2, "L1": keras.regularizers.L1}
    how = {"kernel_regularizer": penalty[kind](value) if kind in penalty else None,
           "kernel_constraint": keras.constraints.MaxNorm(value) if kind == "max-norm" else None}
    model = keras.Sequential([keras.Input((64,)), layers.Dense(module.WIDTH, activation="relu", **how),
                              layers.Dense(10, activation="softmax", **how)])
    sgd = keras.optimizers.SGD(module.LEARNING_RATE, weight_decay=value if kind == "weight decay" else None)
    sgd.exclude_from_weight_decay(var_names=["bias"])
    model.compile(sgd, keras.losses.CategoricalCrossentropy(
        label_smoothing=value if kind == "label smoothing" else 0.0))
    return model


def test_l2_and_weight_decay_of_twice_its_strength_are_the_same_under_sgd(digits):
    l2, decay = (module.train(digits, kind=kind, strength=0.1, label_noise=0.0, images=100,
                              report=lambda partial: True) for kind in ("L2", "weight decay"))
    assert module.amount("weight decay", 0.1) == 2 * module.amount("L2", 0.1)
    np.testing.assert_allclose(l2.weights, decay.weights, atol=1e-4)


def test_the_arm_without_the_brake_does_not_depend_on_it(digits):
    plain = [module.train(digits, kind=kind, strength=1.0, label_noise=0.4, images=100,
                          report=lambda partial: True).sel(arm="without") for kind in module.UNITS]
    for other in plain[1:]:
        xr.testing.assert_equal(plain[0], other)


def test_seeds_take_other_images_and_arms_the_same(digits):
    runs = module.train(digits, kind="L2", strength=0.001, label_noise=0.0, images=50, report=lambda partial: True)
    first = runs.val_accuracy.isel(step=0)
    assert len(np.unique(first.sel(arm="without"))) > 3
    assert abs(first.sel(arm="with") - first.sel(arm="without")).max() < 0.03


@pytest.mark.parametrize("kind", list(module.UNITS))
@pytest.mark.parametrize("strength", [1e-3, 1.0])
def test_the_ends_stay_finite(kind, strength):
    picture, sentence = closed(LAB).render(LAB.checked({"kind": kind, "strength": strength, "images": 50}))
    assert picture.startswith(PNG)
    assert "nan" not in sentence


def test_a_brake_pays_with_wrong_labels_and_l1_makes_small_weights(digits):
    l2, l1 = (module.train(digits, kind=kind, strength=0.1, label_noise=0.4, images=200) for kind in ("L2", "L1"))
    gain = (l2.val_accuracy.sel(arm="with") - l2.val_accuracy.sel(arm="without")).isel(step=-1)
    assert gain.mean() > 0.05
    assert (abs(l1.weights.sel(arm="with")) < 1e-3).mean() > (abs(l2.weights.sel(arm="with")) < 1e-3).mean() + 0.1
    assert l2.norm.isel(step=-1).sel(arm="with").max() < l2.norm.isel(step=-1).sel(arm="without").min()


def test_it_stops_when_told(digits):
    runs = module.train(digits, kind="L1", strength=0.1, label_noise=0.0, images=100,
                        report=lambda partial: partial.step[-1] >= 60)
    assert runs.step[-1] == 60
