"""Rules that stop trainings keep to their budget, look at nothing they have not paid for, and agree with Optuna."""

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from course_utils.search import pruning
from tests.helpers.sentences import refused

# Few different scores, so that there are ties; some are not finite.
some_curves = st.tuples(st.integers(1, 40), st.integers(1, 16)).flatmap(
    lambda shape: arrays.arrays(float, shape, elements=st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9, np.nan, np.inf])))
factors, firsts = st.integers(2, 5), st.integers(1, 18)
RULES = {
    "successive halving": pruning.successive_halving, "hyperband": pruning.hyperband,
    "median": lambda curves, *, factor, first: pruning.median_rule(curves, first=first, startup=factor),
    "to the end": lambda curves, *, factor, first: pruning.no_pruning(curves)}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def ranked(scores):
    return np.where(np.isfinite(scores), scores, -np.inf)


@every_rule
@given(some_curves, factors, firsts)
def test_the_best_of_those_trained_to_the_end_is_chosen_within_the_budget(rule, curves, factor, first):
    pruned = rule(curves, factor=factor, first=first)
    assert pruned.epochs.shape == curves.shape[:1]
    assert np.all((pruned.epochs >= min(first, curves.shape[1])) & (pruned.epochs <= curves.shape[1]))
    assert pruned.spent == pruned.epochs.sum() <= curves.size
    ended = pruned.epochs == curves.shape[1]
    assert ended[pruned.chosen]
    last = np.where(ended, ranked(curves[:, -1]), -np.inf)
    assert last[pruned.chosen] == last.max()
    assert not np.any(ended[:pruned.chosen] & (last[:pruned.chosen] == last.max()))   # the first of equals


@every_rule
@given(some_curves, factors, firsts, st.integers(0, 99))
def test_what_was_not_paid_for_changes_nothing(rule, curves, factor, first, seed):
    pruned = rule(curves, factor=factor, first=first)
    unseen = np.arange(curves.shape[1]) >= pruned.epochs[:, None]
    otherwise = np.where(unseen, np.random.default_rng(seed).random(curves.shape), curves)
    again = rule(otherwise, factor=factor, first=first)
    np.testing.assert_array_equal(again.epochs, pruned.epochs)
    assert again.chosen == pruned.chosen


@every_rule
@given(some_curves, factors)
def test_without_a_rung_before_the_end_it_is_plain_search(rule, curves, factor):
    pruned = rule(curves, factor=factor, first=curves.shape[1])
    assert pruned.spent == curves.size
    assert pruned.chosen == np.argmax(ranked(curves[:, -1]))


@given(some_curves, factors, firsts)
def test_each_rung_of_successive_halving_keeps_its_share_and_the_best(curves, factor, first):
    epochs = pruning.successive_halving(curves, factor=factor, first=first).epochs
    alive = len(curves)
    for rung in pruning.rungs(curves.shape[1], factor=factor, first=first):
        here, on = epochs >= rung, epochs > rung
        assert here.sum() == alive
        alive = max(1, alive // factor)
        assert on.sum() == alive
        scores = ranked(curves[:, rung - 1])
        bar = scores[on].min()
        assert np.all(scores[here & ~on] <= bar)
        equal = on[here & (scores == bar)]
        assert np.all(equal[:-1] >= equal[1:])   # the first of equals go on
    assert set(epochs) <= {*pruning.rungs(curves.shape[1], factor=factor, first=first), curves.shape[1]}


def test_rungs_grow_by_the_factor():
    assert pruning.rungs(27, factor=3, first=1) == [1, 3, 9]
    assert pruning.rungs(12, factor=2, first=3) == [3, 6]
    assert pruning.rungs(12, factor=4, first=12) == []


def test_nine_configurations_by_hand():
    curves = np.linspace(0.1, 0.9, 9)[:, None] + np.zeros(9)   # the later the better, at once
    curves[0, 1:] = 1.0                                        # a slow starter
    pruned = pruning.successive_halving(curves, factor=3, first=1)
    assert pruned.epochs.tolist() == [1, 1, 1, 1, 1, 1, 3, 3, 9]
    assert (pruned.chosen, pruned.spent) == (8, 6 + 2 * 3 + 9)
    assert pruning.successive_halving(curves, factor=3, first=2).chosen == 0


def test_hyperband_has_the_brackets_of_its_paper():
    """Algorithm 1 of Li et al. (2018), up to 81 epochs, factor 3: 81, 34, 15, 8 and 5 configurations."""
    curves = np.random.default_rng(0).random((81 + 34 + 15 + 8 + 5, 81))
    epochs = pruning.hyperband(curves, factor=3, first=1).epochs
    for part, start in zip(np.split(epochs, np.cumsum([81, 34, 15, 8])), [1, 3, 9, 27, 81], strict=True):
        assert part.min() == start
        assert np.sum(part == start) == len(part) - len(part) // 3 * (start < 81)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=15)
def test_the_median_rule_is_that_of_optuna(seed, first, startup):
    # Whole numbers: the two round a mean of two scores differently, and then take equals for unequal.
    curves = np.random.default_rng(seed).integers(0, 20, (25, 7)) + 2.0 * np.arange(7)
    pruned = pruning.median_rule(curves, first=first, startup=startup)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(
        n_startup_trials=startup, n_warmup_steps=first - 1))

    def objective(trial):
        for step, score in enumerate(curves[trial.number]):
            trial.report(score, step)
            if step + 1 < curves.shape[1] and trial.should_prune():
                raise optuna.TrialPruned
        return score

    study.optimize(objective, n_trials=len(curves))
    assert pruned.epochs.tolist() == [len(trial.intermediate_values) for trial in study.trials]
    assert pruned.chosen == study.best_trial.number


@pytest.mark.parametrize(("change", "message"), [
    ({"curves": np.zeros(3)}, r"curves has shape \(3,\); expected \(configurations, epochs\)"),
    ({"curves": np.zeros((0, 4))}, "at least one of each"), ({"factor": 1}, "factor is 1; expected a whole number"),
    ({"factor": 2.5}, "of at least 2"), ({"first": 0}, "first is 0; expected a whole number of at least 1")])
@pytest.mark.parametrize("rule", [pruning.successive_halving, pruning.hyperband])
def test_a_wrong_argument_is_one_sentence(rule, change, message):
    with refused(ValueError, match=message):
        rule(**{"curves": np.zeros((3, 4)), "factor": 3, "first": 1} | change)


def test_the_median_needs_something_to_compare_with():
    with pytest.raises(ValueError, match="startup is 0; expected at least 1"):
        pruning.median_rule(np.zeros((3, 4)), startup=0)
