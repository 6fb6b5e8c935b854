"""What the searches of lecture 12 spend, where they look, and the sign of their effects."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import datasets
from course_utils.claims import hyperparameter_search as claims
from course_utils.experiments import tabular


class Recorder:
    """An objective that likes one configuration and remembers what it was asked."""

    def __init__(self, likes):
        self.likes, self.asked, self.scores = likes, [], []

    def __call__(self, params):
        self.asked.append(params)
        self.scores.append(-sum(abs(np.log(params[knob] / value)) for knob, value in self.likes.items()))
        return self.scores[-1]


SEARCHES = {"even grid": claims.grid(claims.EVEN), "knowing grid": claims.grid(claims.KNOWING),
            "random": claims.optuna("random"), "qmc": claims.optuna("qmc"), "tpe": claims.optuna("tpe"),
            "one by one": claims.one_by_one(*tabular.SPACE), "rate": claims.one_by_one("learning_rate"),
            "plain": claims.at_random(claims.BUDGET)}


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_spends_the_same_budget_within_the_space(name):
    objective = Recorder({"learning_rate": 0.1})
    SEARCHES[name](objective, 0)
    assert len(objective.asked) == claims.BUDGET
    for knob, values in tabular.SPACE.items():
        asked = [params[knob] for params in objective.asked]
        assert min(values) <= min(asked) + 1e-12
        assert max(asked) <= max(values) + 1e-12


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_a_grid_is_regular_wherever_it_lies(seed):
    objective = Recorder({"learning_rate": 0.1})
    claims.grid(claims.EVEN)(objective, seed)
    for knob, count in claims.EVEN.items():
        values = sorted({params[knob] for params in objective.asked})
        assert len(values) == count
        if knob != "width":
            steps = np.diff(np.log(values) if knob in tabular.LOG else values)
            np.testing.assert_allclose(steps, steps[0], rtol=1e-6)


def test_one_by_one_turns_one_knob_at_a_time_and_keeps_the_best():
    objective = Recorder({"learning_rate": 0.1, "l2": 1e-3, "width": 32})
    claims.one_by_one(*tabular.SPACE)(objective, 1)
    each = claims.BUDGET // len(tabular.SPACE)
    turned = []
    for first in range(0, claims.BUDGET, each):
        of_knob = objective.asked[first:first + each]
        moved = [knob for knob in tabular.SPACE if len({params[knob] for params in of_knob}) > 1]
        assert len(moved) == 1
        turned += moved
        if first:
            best = objective.asked[int(np.argmax(objective.scores[:first]))]
            assert all(of_knob[0][knob] == best[knob] for knob in tabular.SPACE if knob != moved[0])
    assert set(turned) == set(tabular.SPACE)


def test_arms_share_their_images_and_repetitions_do_not():
    seen = []

    def spend(objective, seed):
        objective(tabular.config_at(dict.fromkeys(tabular.SPACE, 0.5)))
        seen.append(tuple(objective.test))

    runs = claims.searched(datasets.digits, [5, 6], {"one": spend, "other": spend})
    assert seen[0] == seen[2] != seen[1] == seen[3]
    xr.testing.assert_equal(runs.sel(arm="one", drop=True), runs.sel(arm="other", drop=True))


def test_winners_score_higher_with_more_trials_by_the_images_that_choose():
    runs = claims.winners(datasets.digits, range(3))
    assert bool((runs.validation.diff("trials") >= 0).all())
    assert runs.sizes == {"images": len(claims.SIZES), "seed": 3, "trials": len(claims.TRIALS)}


def test_effects_have_the_sign_that_their_words_say():
    arms = {"grid": 0.80, "random": 0.85, "TPE": 0.88, "one after the other": 0.70, "all at once": 0.71}
    runs = xr.Dataset({"again": (("arm", "seed"), [[value] * 2 for value in arms.values()])},
                      {"arm": list(arms), "seed": [0, 1]})
    np.testing.assert_allclose(claims.gained_by_random(runs), 0.05)
    np.testing.assert_allclose(claims.gained_by_tpe(runs), 0.03)
    np.testing.assert_allclose(claims.gained_at_once(runs), 0.01)
    coords = {"images": [50, claims.VALIDATION], "trials": [1, claims.BUDGET], "seed": [0, 1]}
    scores = xr.DataArray(np.zeros((2, 2, 2)), coords, ("images", "trials", "seed"))
    high = scores.copy()
    high.loc[{"images": claims.VALIDATION, "trials": claims.BUDGET}] = 0.04
    np.testing.assert_allclose(claims.kept(xr.Dataset({"validation": high, "test": scores})), -0.04)
