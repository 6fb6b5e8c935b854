"""The experiments on dropout: where the layer stands, what is chosen on which seeds."""

import numpy as np
import pytest
import xarray as xr

from course_utils.claims import dropout


@pytest.mark.parametrize(("place", "order"), [
    ("between", "DBADDBAD"), ("behind", "DBADBADD")])
def test_there_is_one_dropout_layer_at_its_place(place, order):
    layers = [type(layer).__name__ for layer in dropout.normalized(place).layers]
    assert "".join(name[0] for name in layers) == order
    dropped, norms = layers.index("Dropout"), [n for n, name in enumerate(layers) if name == "BatchNormalization"]
    assert (dropped < max(norms)) == (place == "between")
    assert dropped > min(norms)


def some_runs():
    """Accuracies of two seeds in two conditions; on the tuning seeds another rate is the best in each."""
    scores = xr.DataArray(np.zeros((2, 3, 2)), {"condition": ["a", "b"], "dropout": dropout.RATES, "seed": [0, 1]})
    scores[:, 1], scores[:, 2] = 0.3, 0.5
    tuned = xr.DataArray([[0.9, 0.6, 0.5], [0.1, 0.2, 0.3]], {"condition": ["a", "b"], "dropout": dropout.RATES})
    return xr.Dataset({"val_accuracy": scores, "tuned": tuned})


def test_the_rate_is_chosen_on_the_tuning_seeds():
    runs = some_runs()
    gained = dropout.gained(runs)
    np.testing.assert_allclose(gained.sel(condition="a"), 0.3)   # 0.2, though 0.5 is better on the others
    np.testing.assert_allclose(gained.sel(condition="b"), 0.5)
    half = dropout.gained_by_a_half(runs)
    np.testing.assert_allclose(half.sel(condition="a"), 0.5)     # against no dropout
    np.testing.assert_allclose(half.sel(condition="b"), 0.2)     # against 0.2


def test_the_learning_rate_is_chosen_for_each_arm():
    seeds = [*dropout.TUNING_SEEDS, 0, 1]
    scores = xr.DataArray(np.zeros((2, 2, len(seeds))), {
        "dropout": [0.0, 0.5], "learning_rate": [0.1, 1.0], "seed": seeds})
    tuning = list(dropout.TUNING_SEEDS)
    scores.loc[{"dropout": 0.0, "learning_rate": 0.1, "seed": tuning}] = 0.7
    scores.loc[{"dropout": 0.5, "learning_rate": 1.0, "seed": tuning}] = 0.8
    scores.loc[{"learning_rate": 0.1, "seed": [0, 1]}] = 0.4
    found = dropout.scores_at_best_rate(scores, dropout.TUNING_SEEDS)
    assert found.seed.values.tolist() == [0, 1]
    np.testing.assert_allclose(found.val_accuracy, [[0.4, 0.4], [0.0, 0.0]])
    np.testing.assert_allclose(found.tuned, [0.7, 0.8])


def test_effects_have_the_sign_that_their_words_say():
    labels = some_runs().assign_coords(condition=["right labels", "30 % wrong labels"])
    np.testing.assert_allclose(dropout.gained_with_wrong_labels(labels), 0.5)
    np.testing.assert_allclose(dropout.gained_by_a_half_on_average(labels), 0.35)
    steps = xr.Dataset({"steps": (("dropout", "seed"), [[20, 30], [60, 60]])},
                       {"dropout": [0.0, 0.5], "seed": [0, 1], "learning_rate": ("dropout", [0.3, 0.1])})
    np.testing.assert_allclose(dropout.times_as_many_steps(steps), [3, 2])
    accuracy = np.full((2, 2, 2, 2), 0.5)   # place, dropout, wrong labels, seed
    accuracy[0, :, 0] = [[0.9, 0.9], [0.8, 0.7]]
    beside = xr.Dataset({"val_accuracy": (("place", "dropout", "label_noise", "seed"), accuracy)}, {
        "place": ["between", "behind"], "dropout": [0.0, 0.5], "label_noise": [0.0, 0.3], "seed": [0, 1]})
    np.testing.assert_allclose(dropout.lost_between(beside), [0.1, 0.2])
