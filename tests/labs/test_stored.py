"""A lab that opens in a state of a lecture shows a stored figure at once, and the figure is that of this state."""

import threading

import pytest

from course_utils import labs
from course_utils.labs import stored
from tests.helpers.lab_states import PNG, closed
from tests.labs.test_stories import TRAINED

STATES = stored.opened()
CALLS = [closed(cls).call(state) for cls, state in STATES]


def test_every_state_in_which_a_lecture_opens_a_lab_is_stored_and_no_other():
    assert {cls.name for cls, _ in STATES} == set(labs.__all__)
    assert len(STATES) > len(labs.__all__)   # some lectures open a lab in another state
    assert {stored.path(call) for call in CALLS} == set(stored.FOLDER.glob("*.png"))


@pytest.mark.parametrize(("cls", "state"), [
    pytest.param(*shown, marks=pytest.mark.slow if shown[0].name in TRAINED else [], id=call)
    for shown, call in zip(STATES, CALLS, strict=True)])
def test_a_stored_figure_is_that_of_its_state(cls, state):
    lab = closed(cls)
    picture, result, sentence = stored.read(lab.call(state))
    runs = lab.compute(state, lambda partial: False)
    assert picture.startswith(PNG)
    assert (result, sentence) == (lab.result(state, runs), lab._picture(state, runs)[1]), "run `make lab-pictures`"


def test_it_is_shown_and_marked_until_networks_are_trained(monkeypatch):
    go_on = threading.Event()
    compute = labs.batch_norm_steps.compute
    monkeypatch.setattr(labs.batch_norm_steps, "compute", lambda self, *given: go_on.wait(10) and compute(self, *given))
    lab = labs.batch_norm_steps()
    picture, result, sentence = stored.read(lab.call())
    assert (lab._image.value, lab._image.tooltip) == (picture, sentence)
    assert lab._result.value == f"{result} (stored)"
    go_on.set()
    assert lab.wait(10)
    assert lab._result.value == result
    assert lab._image.value != picture


def test_another_state_shows_none():
    assert stored.read("labs.batch_norm_steps(gamma=0.5)") is None
