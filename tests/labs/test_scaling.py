"""The scaling lab without a browser, and the exact descents behind it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import labs
from course_utils.experiments import descent
from tests.helpers.lab_states import PNG, closed, opens, pairs

LAB = labs.scaling

stretches, angles = st.floats(1, 100), st.floats(0, 90)


def condition(stretch, angle, method):
    state = LAB.checked({"stretch": stretch, "angle": angle, "method": method})
    return descent.condition_number(closed(LAB).compute(state, None)["x"])


def test_all_pairs_of_controls_can_be_drawn_and_called():
    lab = closed(LAB)
    for state in pairs(LAB):
        picture, sentence = lab.render(LAB.checked(state))
        assert picture.startswith(PNG)
        assert f"Condition number {condition(state['stretch'], state['angle'], state['method']):.3g}" in sentence
        assert opens(lab.call(LAB.checked(state))) == LAB.checked(state)


@given(stretches, angles)
def test_whitening_makes_every_bowl_round(stretch, angle):
    assert condition(stretch, angle, "whiten") == pytest.approx(1, rel=1e-6)


@given(stretches)
def test_standardizing_undoes_a_stretch(stretch):
    assert condition(stretch, 0.0, "standardize") == pytest.approx(1, rel=1e-6)
    assert condition(stretch, 0.0, "none") == pytest.approx(stretch**2, rel=1e-6)


@given(stretches)
def test_standardizing_does_nothing_for_a_stretch_along_the_diagonal(stretch):
    assert condition(stretch, 45.0, "standardize") == pytest.approx(stretch**2, rel=1e-5)


@given(stretches, angles)
def test_a_turn_alone_changes_no_condition_number(stretch, angle):
    assert condition(stretch, angle, "none") == pytest.approx(stretch**2, rel=1e-6)
    assert condition(1.0, angle, "standardize") == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("method", ["none", "standardize", "min-max", "whiten"])
def test_the_start_is_equally_far_from_the_goal_in_every_state(method):
    for stretch, angle in [(1, 0), (7, 20), (100, 90)]:
        runs = closed(LAB).compute(LAB.checked({"stretch": stretch, "angle": angle, "method": method}), None)
        assert descent.excess_loss(runs["x"], runs["y"])(np.zeros(2)) == pytest.approx(1)


def test_steps_grow_with_the_condition_number():
    needed = []
    stretches = np.array([5, 10, 30, 100])
    for stretch in stretches:
        x, y = descent.cloud(stretch, 30.0)
        needed.append(descent.steps_needed(x, y))
    ratio = needed / stretches**2
    assert (np.diff(needed) > 0).all()
    assert ratio == pytest.approx(1.15, abs=0.05)   # ln(1/share) / 4 = 1.15 in the limit


@pytest.mark.parametrize(("stretch", "rate"), [(1, 0.3), (3, 0.05), (5, 0.05), (5, 0.0769), (10, 0.0199)])
def test_the_formulas_are_what_a_loop_walks(stretch, rate):
    x, y = descent.cloud(stretch, 35.0)
    needed = descent.steps_needed(x, y, learning_rate=rate)
    path = descent.descend(x, y, learning_rate=rate, steps=needed)
    weights, losses = np.zeros(2), []
    for step in range(needed + 1):
        np.testing.assert_allclose(path[step], weights, atol=1e-9)
        losses.append(((x @ weights - y) ** 2).mean() / 2)
        weights = weights - rate * x.T @ (x @ weights - y) / len(x)
    np.testing.assert_allclose(descent.excess_loss(x, y)(path), losses, atol=1e-9)   # y has no noise
    assert losses[-1] <= 0.01 * losses[0] < losses[-2]


def test_a_descent_from_the_lowest_point_needs_no_step():
    x, y = descent.cloud(5, 35.0)
    assert descent.steps_needed(x, 0 * y, learning_rate=0.05) == 0


def test_beyond_the_limit_it_diverges():
    x, y = descent.cloud(5, 35.0)
    limit = 2 / descent.curvatures(x)[-1]
    assert descent.steps_needed(x, y, learning_rate=0.99 * limit) > 0
    assert descent.steps_needed(x, y, learning_rate=1.01 * limit) is None
    assert descent.steps_needed(x, y, learning_rate=1e-4, most=10) is None
    for rate, said in ((0.99 * limit, "falls to 1%"), (1.01 * limit, "diverges"), (100.0, "diverges")):
        picture, sentence = closed(LAB).render(LAB.checked({"angle": 35.0, "learning_rate": float(rate)}))
        assert picture.startswith(PNG)
        assert said in sentence
