"""What looks inside deep networks agrees with Keras, and effects of the claims of appendix A2 on known runs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import datasets, fit_many, models
from course_utils.claims import why_batch_norm_works as claims
from course_utils.experiments import covariate_shift, numpy_nets
from course_utils.training import noise
from tests.helpers.sentences import refused


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("normalized", [False, True])
def test_loss_and_gradients_are_those_of_keras(digits, normalized, activation):
    weights = numpy_nets.start(digits, [0, 1], depth=2, width=5, batch_norm=normalized)
    x, y = next(numpy_nets.batches(digits, [0, 1], 16))
    loss, slopes, _ = numpy_nets.gradients(weights, x, y, activation=activation)
    model = models.mlp(depth=2, width=5, activation=activation, batch_norm=normalized)
    names = {"bias": "shift", "beta": "shift"}
    for layer, variables in enumerate(_by_layer(model)):
        for variable in variables:
            variable.assign(weights[names.get(variable.name, variable.name)][layer][1].reshape(variable.shape))
    with tf.GradientTape() as tape:
        expected = keras.losses.sparse_categorical_crossentropy(y[1], model(x[1], training=True))
        expected = tf.reduce_mean(expected)
    np.testing.assert_allclose(loss[1], expected, rtol=1e-4)
    of = {id(variable): gradient for variable, gradient in
          zip(model.trainable_variables, tape.gradient(expected, model.trainable_variables), strict=True)}
    for layer, variables in enumerate(_by_layer(model)):
        for variable in variables:
            ours = slopes[names.get(variable.name, variable.name)][layer][1].reshape(variable.shape)
            np.testing.assert_allclose(ours, of[id(variable)], rtol=1e-2, atol=2e-5)


def _by_layer(model):
    """Trainable variables of each Dense layer and of the normalization behind it."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            found.append([])
        if layer.trainable_variables:
            found[-1] += layer.trainable_variables
    return found


@settings(max_examples=8)
@given(normalized=st.booleans(), activation=st.sampled_from(["relu", "sigmoid"]), seed=st.integers(0, 1000),
       scale=st.floats(0.5, 2))
def test_gradients_predict_a_small_change_of_the_loss(digits, normalized, activation, seed, scale):
    rng = np.random.default_rng(seed)
    weights = numpy_nets.start(digits, [seed], depth=2, width=4, initial_scale=scale, batch_norm=normalized)
    direction = {name: [rng.normal(size=array.shape) for array in arrays] for name, arrays in weights.items()}
    weights = numpy_nets.descend(weights, direction, 0.1)
    x, y = next(numpy_nets.batches(digits, [seed], 8))
    moved = [(rng.uniform(0.5, 1.5, (1, 8, 4)), rng.normal(size=(1, 1, 4))) for _ in range(2)]
    slopes = numpy_nets.gradients(weights, x, y, activation=activation, moved=moved)[1]
    there, back = (numpy_nets.gradients(numpy_nets.descend(weights, direction, rate), x, y, activation=activation,
                                     moved=moved)[0] for rate in (-1e-7, 1e-7))
    said = sum((slope * way).sum() for name in slopes for slope, way in zip(slopes[name], direction[name], strict=True))
    np.testing.assert_allclose((there - back) / 2e-7, said, rtol=1e-3, atol=1e-5)


def test_a_network_is_the_same_alone_and_beside_others(digits):
    alone = numpy_nets.gradient_norms(digits, [5], steps=[0, 3], depth=2, width=8, batch_norm=True)
    crowd = numpy_nets.gradient_norms(digits, [4, 5], steps=[0, 3], depth=2, width=8, batch_norm=True)
    np.testing.assert_allclose(alone.sel(seed=5), crowd.sel(seed=5))


def test_with_batch_norm_gradients_shrink_as_the_initial_scale_grows(digits):
    small, large = (numpy_nets.gradient_norms(digits, range(2), depth=2, width=8, batch_norm=True, initial_scale=scale)
                    for scale in (10.0, 100.0))
    np.testing.assert_allclose(small, 10 * large, rtol=0.02)


def test_a_walk_along_the_gradient_begins_where_training_stands(digits):
    found = numpy_nets.along_gradient(digits, range(2), steps=[0, 60], learning_rate=0.3, reach=[0.0, 1e-3], width=16)
    np.testing.assert_allclose(found.loss.sel(reach=0.0), found.here)
    np.testing.assert_allclose(found.turned.sel(reach=0.0), 0)
    lost = (found.here - found.loss.sel(reach=1e-3)) / 1e-3
    np.testing.assert_allclose(lost, found.norm**2, rtol=0.1)
    assert (found.here.sel(step=60) < 0.75 * found.here.sel(step=0)).all()


def test_inputs_drift_only_if_something_moves_them(digits):
    still = numpy_nets.drift(digits, range(2), steps=3, learning_rate=0.0, width=8)
    np.testing.assert_allclose(still, 0)
    once, twice = (numpy_nets.drift(digits, range(2), steps=3, learning_rate=0.0, width=8, batch_norm=True, shift=shift)
                   for shift in (0.5, 1.0))
    assert (once > 0.05).all()
    assert float(twice.mean() / once.mean()) == pytest.approx(2, rel=0.1)


def test_the_matching_shift_moves_inputs_as_far_as_training_does(digits):
    shift = covariate_shift.matching_shift(digits, range(2), steps=20)
    training = {"steps": 20, "learning_rate": 0.2}
    plain = numpy_nets.drift(digits, range(2), **training).mean()
    less, enough = (numpy_nets.drift(digits, range(2), batch_norm=True, shift=at, stretch=covariate_shift.STRETCH,
                                  jitter=covariate_shift.JITTER, **training).mean() for at in (shift - 0.25, shift))
    assert less < plain <= enough


def test_moved_inputs_have_other_means_and_scales_at_every_step():
    layer = covariate_shift.MovingInputs(0.5)
    x = np.random.default_rng(0).normal(size=(2000, 300)).astype("float32")
    means, scales = [], []
    for step in range(2):
        with noise.drawing_from(noise.Stream(tf.constant(7, tf.uint32), step, None)):
            out = layer(x, training=True).numpy()
        means.append(out.mean(0))
        scales.append(out.std(0) / x.std(0))
    assert -0.6 < min(map(np.min, means)) < -0.4
    assert 0.4 < max(map(np.max, means)) < 0.6
    assert np.mean(scales) == pytest.approx(1.125, abs=0.02)
    assert abs(np.corrcoef(means)[0, 1]) < 0.3
    np.testing.assert_allclose(layer(x), 1.125 * x, rtol=1e-6)


def test_moved_inputs_outside_of_fit_many_are_one_sentence():
    with refused(RuntimeError, match="train the model with fit_many"):
        covariate_shift.MovingInputs(0.5).call(np.ones((2, 3), "float32"), training=True)   # Keras would add lines


def test_fit_many_trains_moved_inputs_and_pairs_them_with_the_others(digits):
    runs = fit_many(covariate_shift.network, digits, {
        "arm": ["batch norm", "moved", "moved twice as far"], "width": 4, "depth": 1, "learning_rate": 0.1,
        "seed": range(2)}, epochs=1, evaluate_every=33)
    losses = runs.loss.isel(step=0)
    assert np.isfinite(losses).all()
    assert (abs(losses.diff("arm")) > 1e-3).all()


def known(**arms):
    steps = xr.DataArray(np.array(list(arms.values()), float), {"arm": list(arms), "seed": [0, 1]}, ("arm", "seed"))
    return xr.Dataset({"steps": steps.assign_coords(learning_rate=("arm", np.ones(len(arms))))})


@pytest.mark.parametrize(("moved", "share"), [([10, 20], 0.0), ([20, 40], 0.5), ([40, 80], 1.0)])
def test_the_share_of_the_speed_up_that_is_lost(moved, share):
    runs = known(**{"plain": [40, 80], "batch norm": [10, 20], "moved": moved})
    np.testing.assert_allclose(claims.speed_up_lost(runs), share, atol=1e-12)


def test_gradients_are_compared_between_the_first_and_the_last_layer():
    norms = xr.DataArray(np.ones((2, 2, 2, 3)), {
        "setting": list(claims.SETTINGS), "batch_norm": [False, True], "layer": ["first", "last"],
        "seed": range(3)}, ("setting", "batch_norm", "layer", "seed"))
    norms.loc[{"setting": "8 sigmoid layers", "batch_norm": True, "layer": "first"}] = 0.2
    norms.loc[{"setting": "32 ReLU layers", "batch_norm": True, "layer": "first"}] = 50
    runs = norms.to_dataset(name="norm")
    np.testing.assert_allclose(claims.arriving(runs), 0.2)
    np.testing.assert_allclose(claims.not_exploding(runs), 0.02)


def test_the_trial_of_gradients_sees_both_effects_on_another_task():
    runs = claims.gradient_norms(datasets.tones, range(2))
    ratio = (runs.norm.sel(layer="first") / runs.norm.sel(layer="last")).mean("seed")
    assert ratio.sel(setting="8 sigmoid layers", batch_norm=False) < 0.01 < 0.3 < ratio.sel(
        setting="8 sigmoid layers", batch_norm=True)
    assert ratio.sel(setting="32 ReLU layers", batch_norm=False) < 10 < 100 < ratio.sel(
        setting="32 ReLU layers", batch_norm=True)


def test_accuracy_is_compared_at_the_best_rate_of_each_arm():
    dims = ("network", "batch_norm", "learning_rate", "seed", "epoch")
    scores = xr.DataArray(np.zeros((2, 2, 2, 4, 1)), {
        "network": ["mlp", "cnn"], "batch_norm": [False, True], "learning_rate": [0.1, 1.0], "seed": [90, 91, 0, 1],
        "epoch": [1]}, dims)
    scores.loc[{"batch_norm": False, "learning_rate": 0.1}] = 0.9
    scores.loc[{"batch_norm": True, "learning_rate": 1.0}] = 0.95
    scores.loc[{"network": "cnn", "batch_norm": True, "learning_rate": 1.0}] = 0.97
    np.testing.assert_allclose(claims.better_at_best(scores.to_dataset(name="val_accuracy")), 0.06)
