"""The table answers as live trainings would, and an objective divides images and luck as it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import search
from course_utils.experiments import tabular

places = st.tuples(*(st.integers(0, len(values) - 1) for values in tabular.SPACE.values()))
shares = st.fixed_dictionaries({knob: st.floats(0, 1, exclude_max=True) for knob in tabular.SPACE})


def configuration(place):
    return {knob: values[index] for (knob, values), index in zip(tabular.SPACE.items(), place, strict=True)}


@given(places)
def test_a_point_of_the_table_is_its_own_neighbor(place):
    assert tabular.nearest(configuration(place)) == place


@given(shares, st.sampled_from([knob for knob in tabular.SPACE if knob != "width"]))
def test_no_other_point_is_nearer(drawn, knob):
    params = tabular.config_at(drawn)
    values = np.array(tabular.SPACE[knob])
    scale = np.log if knob in tabular.LOG else np.asarray
    found = values[tabular.nearest(params)[list(tabular.SPACE).index(knob)]]
    gaps = np.abs(scale(values) - scale(params[knob]))
    assert np.abs(scale(found) - scale(params[knob])) == pytest.approx(gaps.min())


def test_a_configuration_without_a_knob_is_refused():
    with pytest.raises(ValueError, match="expected a value for each"):
        tabular.nearest({"width": 8, "learning_rate": 0.1})


@given(shares)
def test_shares_stay_within_the_space_of_a_search(drawn):
    params, space = tabular.config_at(drawn), tabular.space()
    assert set(space) == set(params)
    assert params["width"] in space["width"].choices
    for knob in set(space) - {"width"}:
        assert space[knob].low * (1 - 1e-9) <= params[knob] <= space[knob].high * (1 + 1e-9)


def test_random_shares_are_what_the_space_gives():
    rng = np.random.default_rng(0)
    drawn = [tabular.config_at(dict(zip(tabular.SPACE, row, strict=True))) for row in rng.random((2000, 4))]
    objective = tabular.Objective(0)
    search.run(objective, tabular.space(), n_trials=500, sampler="random", progress=False)
    for knob in tabular.SPACE:
        scale = np.log if knob in tabular.LOG else np.asarray
        ours, optunas = (scale([params[knob] for params in many]) for many in (drawn, objective.asked))
        assert abs(ours.mean() - optunas.mean()) < 4 * ours.std() / np.sqrt(500), knob


def test_what_is_looked_up_is_what_was_stored():
    answers = tabular.table()
    assert answers.sizes["image"] == len(tabular.held_out()[1]) == 720
    at_the_end = answers.accuracy.isel(epoch=-1)
    assert float(abs(answers.hits.mean("image") - at_the_end).max()) < 1e-12


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 700), st.lists(places, min_size=1, max_size=6))
def test_an_objective_scores_on_its_validation_images_and_never_on_the_others(seed, images, tries):
    objective = tabular.Objective(seed, validation=images)
    assert len(objective.validation) == images
    assert sorted([*objective.validation, *objective.test]) == list(range(720))
    hits = tabular.table().hits.values
    for place in tries:
        score = objective(configuration(place))
        found, of_seed = objective.tried[-1]
        assert found == place
        assert score == hits[place][of_seed, objective.validation].mean()
    best = int(np.argmax(objective.scores))
    place, of_seed = objective.tried[best]
    winner, others = objective.winner(), [other for other in range(6) if other != of_seed]
    assert winner["validation"] == max(objective.scores)
    assert winner["test"] == pytest.approx(hits[place][of_seed, objective.test].mean())
    assert winner["again"] == pytest.approx(hits[place][others][:, objective.test].mean())


def test_objectives_with_one_seed_share_images_and_luck_whatever_they_are_asked():
    one, other = tabular.Objective(3), tabular.Objective(3)
    for place in [(0, 5, 1, 1), (1, 6, 2, 0), (2, 7, 3, 2)]:
        one(configuration(place))
        other(configuration((3, 9, 0, 0)))
    np.testing.assert_array_equal(one.test, other.test)
    assert [seed for _, seed in one.tried] == [seed for _, seed in other.tried]
    assert not np.array_equal(one.test, tabular.Objective(4).test)


def test_the_winner_of_the_first_trials_is_none_of_the_later_ones():
    objective = tabular.Objective(0)
    for place in [(0, 0, 0, 0), (3, 9, 0, 3)]:   # a bad one, then a good one
        objective(configuration(place))
    assert objective.winner(trials=1)["validation"] == objective.scores[0] < objective.winner()["validation"]


@pytest.mark.parametrize("images", [0, 720])
def test_somebody_has_to_choose_and_somebody_to_test(images):
    with pytest.raises(ValueError, match="720 images"):
        tabular.Objective(0, validation=images)


def test_trained_again_the_networks_of_the_table_answer_as_stored():
    stored = tabular.table()
    grid = {"width": 16, "learning_rate": [tabular.SPACE["learning_rate"][at] for at in (4, 8)],
            "l2": [tabular.SPACE["l2"][at] for at in (0, 5)], "dropout": 0.2, "seed": [0, 1, 2]}
    _, hits = tabular.train(grid, epochs=2)
    wanted = stored.accuracy.sel(grid | {"epoch": [1, 2]}, method="nearest")
    found = hits.mean(-1)   # learning_rate, l2, seed, epoch
    assert found.shape == wanted.shape
    assert np.abs(found - wanted.values).max() <= 4 / 720   # rounding turns an answer here and there


@pytest.mark.audit
def test_between_its_points_the_table_is_close_to_live_trainings():
    rates, penalties, rates_of_dropout = [0.021, 0.05, 0.118, 0.28], [3e-5, 5e-4, 5e-3], [0.05, 0.26]
    _, hits = tabular.train({"width": 32, "learning_rate": rates, "l2": penalties, "dropout": rates_of_dropout,
                             "seed": range(6)})
    live = hits[..., -1, :].mean((-1, -2))   # mean over seeds and images
    accuracy = tabular.table().accuracy.isel(epoch=-1).mean("seed")
    looked_up = [[[accuracy.values[tabular.nearest({"width": 32, "learning_rate": rate, "l2": l2, "dropout": dropout})]
                   for dropout in rates_of_dropout] for l2 in penalties] for rate in rates]
    gaps = live - np.array(looked_up)
    assert abs(gaps.mean()) < 0.02
    assert np.abs(gaps).max() < 0.08


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 30), st.integers(0, 30))
def test_a_larger_draw_begins_with_a_smaller_one(seed, count, more):
    few, many = tabular.sample(seed, count), tabular.sample(seed, count + more)
    for part, whole in ((few[0], many[0]), (few[1], many[1]), *zip(few[2], many[2], strict=True)):
        np.testing.assert_array_equal(part, whole[:count])


def test_what_is_drawn_is_judged_by_all_other_seeds():
    accuracy = tabular.table().accuracy.values
    curves, again, place = tabular.sample(0, 50)
    for curve, worth, *at in zip(curves, again, *place, strict=True):
        seeds = accuracy[tuple(at)]
        own = [seed for seed in range(len(seeds)) if np.array_equal(seeds[seed], curve)]
        others = [np.delete(seeds[:, -1], seed).mean() for seed in own]
        assert any(other == pytest.approx(worth) for other in others)
