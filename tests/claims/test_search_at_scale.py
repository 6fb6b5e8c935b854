"""What the trials of lecture 13 spend and compare, and the sign of their effects."""

import numpy as np
import pytest
import xarray as xr

from course_utils import datasets
from course_utils.claims import search_at_scale as claims
from course_utils.experiments import tabular


@pytest.fixture
def planted(monkeypatch):
    """Curves in which the winner is last at the early epoch; every training is worth what it ends with."""
    def sample(seed, count, task):
        curves = np.random.default_rng(seed).random((count, tabular.EPOCHS)) / 2
        curves[0, claims.EARLY - 1], curves[0, -1] = -1, 1
        return curves, curves[:, -1], None

    monkeypatch.setattr(tabular, "sample", sample)


def test_a_leader_is_worth_what_it_becomes(planted):
    races = claims.leaders(datasets.digits, range(3))
    assert races.again.dims == ("epoch", "seed")
    np.testing.assert_array_equal(races.again.isel(epoch=-1), 1)
    assert (claims.kept_early(races) < -0.5).all()
    np.testing.assert_allclose(races["rank"].isel(epoch=-1), 1)


@pytest.mark.parametrize("rule", claims.RULES)
@pytest.mark.parametrize("budget", [4, 16])
def test_no_rule_spends_more_than_its_budget_and_none_leaves_a_training_unspent(rule, budget):
    searched = claims.pruned(datasets.digits, range(3), rules=[rule], budgets=[budget])
    for seed in range(3):
        one = searched.sel(rule=rule, budget=budget, seed=seed)
        curves, again, _ = tabular.sample(seed, budget * 8)
        size = int(one.tried)
        pruned = claims.RULES[rule](curves[:size])
        assert budget * tabular.EPOCHS - 2 * tabular.EPOCHS < pruned.spent <= budget * tabular.EPOCHS
        assert one.again == again[pruned.chosen]


def test_random_search_trains_as_many_as_the_budget_names_and_halving_looks_at_more():
    tried = claims.pruned(datasets.digits, range(2)).tried.sel(budget=claims.BUDGET)
    assert (tried.sel(rule="random") == claims.BUDGET).all()
    assert (tried.sel(rule="successive halving") > 2 * claims.BUDGET).all()


def test_the_gain_of_halving_is_halving_minus_random():
    again = xr.DataArray([[[0.5, 0.6]], [[0.7, 0.9]]], dims=("rule", "budget", "seed"),
                         coords={"rule": ["random", "successive halving"], "budget": [claims.BUDGET]})
    np.testing.assert_allclose(claims.gained_by_halving(xr.Dataset({"again": again})), [0.2, 0.3])


def test_every_arm_of_the_ablation_differs_from_its_company_in_one_technique():
    for name, knobs in claims.TECHNIQUES.items():
        for arm, company in ((f"+ {name}", "none"), (f"− {name}", "all")):
            changed = {knob for knob in claims.NONE if claims.ARMS[arm][knob] != claims.ARMS[company][knob]}
            assert changed == set(knobs)


def test_all_techniques_are_compared_with_what_the_tuning_seeds_found_best():
    arms = list(claims.ARMS)
    accuracy = xr.DataArray(np.linspace(0, 1, len(arms))[:, None] * [1, 1], dims=("arm", "seed"), coords={"arm": arms})
    tuned = xr.DataArray([1.0 if arm == "all" else 0.9 if arm == "+ L2" else 0.0 for arm in arms], dims="arm")
    runs = xr.Dataset({"val_accuracy": accuracy, "tuned": tuned})
    expected = float(accuracy.sel(arm="all")[0] - accuracy.sel(arm="+ L2")[0])
    np.testing.assert_allclose(claims.gained_by_all(runs), [expected] * 2)


def test_the_ablation_measures_other_seeds_than_it_tunes_on(monkeypatch):
    asked = []

    def trained(data, configurations, seeds):
        asked.append((configurations, list(seeds)))
        rates = [configuration["learning_rate"] for configuration in configurations]
        return xr.DataArray(np.multiply.outer(rates, np.ones(len(seeds))), dims=("configuration", "seed"))

    monkeypatch.setattr(claims, "trained", trained)
    study = claims.ablation(datasets.canvas_digits, range(4))
    (tuning, tuning_seeds), (measured, seeds) = asked
    assert not set(tuning_seeds) & set(seeds)
    assert len(tuning) == len(claims.ARMS) * len(claims.LEARNING_RATES)
    assert [one["learning_rate"] for one in measured] == [max(claims.LEARNING_RATES)] * len(claims.ARMS)
    assert study.val_accuracy.dims == ("arm", "seed")


def test_few_images_keep_validation_and_test_as_they_are():
    full, few = datasets.canvas_digits(0), claims.few_images(datasets.canvas_digits)
    assert len(few.x_train) == len(few.y_train) == claims.IMAGES
    np.testing.assert_array_equal(few.x_train, full.x_train[:claims.IMAGES])
    np.testing.assert_array_equal(few.x_val, full.x_val)


def test_the_capstone_network_is_trained_with_its_techniques():
    data = claims.few_images(datasets.canvas_digits)
    scores = claims.trained(data, [claims.ARMS[arm] | {"learning_rate": 0.3} for arm in ("none", "− dropout")], [0, 1])
    assert scores.dims == ("configuration", "seed")
    assert (scores[1] > scores[0] + 0.1).all()
