"""The labs' stories: every state can be shown, and shows what its sentence says."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from course_utils import labs
from course_utils.labs import base, story
from tests.helpers.lab_states import closed

STEPS = [(name, step["button"]) for name, steps in story.all_stories().items() for step in steps]
TRAINED = {"augmentation", "batch_norm", "batch_norm_modes", "domain_shift", "dropout", "emoji", "learning_curve",
           "playground", "seeds"}   # take seconds for each state
# Of what the lab says in each state: `n("plain")` is the first number after "plain", `n("plain", 1)` the next one.
TRUE = {
    "learning_curve": {
        "256 images": lambda n, said: "inside" in said,
        "Only 128 images": lambda n, said: "inside" in said and n("fitted to", 3) - n("fitted to", 2) > 4,
        "Label noise": lambda n, said: "outside" in said and n("error is") < n("fitted to", 2),
        "Four units": lambda n, said: n("error is") > 20,
    },
    "playground": {
        "A good run": lambda n, said: n("training loss") < 0.15 and n("validation loss") < 0.15,
        "A rate too high": lambda n, said: n("training loss") > 0.65 and n("validation loss") > 0.6,
        "A rate too low": lambda n, said: n("training loss") > 0.25 and 80 < n("interval:") < 92,
        "Too small": lambda n, said: n("training loss") > 0.5 and n("validation loss") > 0.45,
        "Too much freedom": lambda n, said: n("validation loss", 1) > n("training loss", 2),
    },
    "seeds": {
        "Five seeds each": lambda n, said: n("find it,") > 50,
        "Twenty seeds each": lambda n, said: n("20 seeds:") > 50,
        "Ten pairs": lambda n, said: n("10 seeds:") > 64.3,   # what twenty seeds each find
        "No difference": lambda n, said: 3 < n("20 seeds:") < 8,
        "… and peeking": lambda n, said: n("50 seeds:") > 15,
    },
    "scaling": {
        "A round valley": lambda n, said: n("value in") < 10,
        "Stretched": lambda n, said: n("value in") > 100,
        "A higher rate": lambda n, said: "diverges" in said,
        "Standardized": lambda n, said: n("value in") < 10,
        "… and turned": lambda n, said: n("Condition number") == 100,
    },
    "batch_norm_steps": {
        "Mean and variance": lambda n, said: n("normalized", 1) > 0.99 and n("shape, is") == n("shape, is", 1),
        "γ and β": lambda n, said: n("γ and β") == -2 and abs(n("γ and β", 1) - 1.5**2) < 0.01,
        "γ below zero": lambda n, said: n("shape, is") == -n("shape, is", 1),
        "A tiny spread": lambda n, said: n("normalized", 1) < 0.2,
        "A batch of one": lambda n, said: n("γ and β") == 1 and n("γ and β", 1) == 0,
    },
    "batch_norm_modes": {
        "Cold averages": lambda n, said: n("training mode", 1) > n("inference mode", 2),
        "400 steps later": lambda n, said: abs(n("training mode") - n("inference mode")) < 1,
        "A faster average": lambda n, said: n("inference mode") > n("training mode") - 2,
        # Where the noisy average ends is chance; tests/labs/test_batch_norm_modes.py looks at its way.
        "Batches of two": lambda n, said: n("inference mode") < 60,
        "… and patience": lambda n, said: n("inference mode", 1) > n("training mode", 2) and n("inference mode") < 60,
    },
    "batch_norm": {
        "A moderate rate": lambda n, said: 0 < n("with batch norm") - n("without") < 3,
        "Ten times the rate": lambda n, said: n("with batch norm") > 90 and n("without") < 20,
        "Small initial weights": lambda n, said: n("with batch norm") > 90 and n("without") < 12,
        "Six sigmoid layers": lambda n, said: n("with batch norm") > 90 and n("without") < 12,
        "Label noise": lambda n, said: n("with batch norm", 2) < n("without", 1),
    },
    "domain_shift": {
        "A faint camera": lambda n, said: n("as it is") < 50 and n("no labels") > 90,
        "Eight images": lambda n, said: n("as it is") < 50 and n("no labels") > 75,
        "A noisy camera": lambda n, said: (
            abs(n("no labels") - n("as it is")) < 3 and n("fine-tuned", 1) > n("as it is", 2)),
        "Batches of two": lambda n, said: max(n("; fine-tuned", 2), n("frozen", 2)) < n("as it is", 1),
    },
    "dropout": {
        "Label noise": lambda n, said: n("0.2 gains", 1) > 0,
        "Clean labels": lambda n, said: n("0.2 gains", 1) < 0 < n("0.2 gains", 2),
        "Eight units": lambda n, said: n("0.2 gains", 2) < -4,
        "A lower learning rate": lambda n, said: n("0.2 gains", 1) < 0 and n("without dropout") > 90.5,
        "Far too much": lambda n, said: n(", with dropout") < 40,
    },
    "penalties": {
        "A good strength": lambda n, said: n("gain is", 1) > 0,
        "Too weak": lambda n, said: n("gain is", 1) < 0 < n("gain is", 2),
        "Too strong": lambda n, said: n(", with it") < 12 and n("first layer,") > 95,
        "L1": lambda n, said: n("gain is", 1) > 0 and n("first layer,") > 40,
        "Clean labels, more data": lambda n, said: n("gain is", 2) < 0,
    },
    "augmentation": {
        "Shifts": lambda n, said: n("clean", 3) < 0 < n("shifted", 3) and n("shifted", 1) > 70,
        "Larger shifts": lambda n, said: n("shifted", 1) < 70,
        "Five times the images": lambda n, said: n("shifted") < 25,
        "Half of them flipped": lambda n, said: n("flipped", 1) > 88 and -4 < n("clean", 4) < 0,
        "All of them flipped": lambda n, said: n("flipped", 1) > 88 and n("clean", 1) < 50,
    },
    "search": {
        "A search": lambda n, said: "closed" in said,
        "Open the test set": lambda n, said: n("gap of") > 0 and n(", gap", 1) > 0,
        "Fewer images, more trials": lambda n, said: n("accuracy of") > 92.0 and n(", gap", 1) > 0,
        "Many images": lambda n, said: n(", gap", 1) < 0 < n(", gap", 2),
        "A linear axis": lambda n, said: n("learning rates,") < 10,
    },
    "halving": {
        "No pruner": lambda n, said: n("the end:") == 64,
        "Successive halving": lambda n, said: (
            n("spent:") < 0.22 * 768 and n("epochs, and", 1) < 0 < n("epochs, and", 2)),
        "A later first rung": lambda n, said: (
            n("and 95% interval):", 1) < 0 < n("and 95% interval):", 2) and n("opportunity in") == 0),
        "A slow starter": lambda n, said: (
            "would have reached" in said and n("epochs, and", 1) < 0 < n("epochs, and", 2)),
        "The median rule": lambda n, said: n("spent:") > 154 and n("epochs, and", 1) < 0 < n("epochs, and", 2),
    },
    "emoji": {
        "Two artists": lambda n, said: n("interval:") > 88 and n("learned from,") < 80,
        "Five images per class": lambda n, said: n("interval:") < 80 and n("learned from,") < 65,
        "Noisy labels": lambda n, said: n("interval:") < 65,
        "Noise and dropout": lambda n, said: n("interval:", 1) > 65,
    },
}


def test_every_lab_has_a_story_of_three_to_five_steps():
    assert sorted(story.all_stories()) == sorted(labs.__all__)
    for name, steps in story.all_stories().items():
        lab = getattr(labs, name)
        assert 3 <= len(steps) <= 5
        assert len({step["button"] for step in steps}) == len(steps)
        states = [lab.checked(step["state"]) for step in steps]
        assert all(first != second for first in states for second in states if first is not second)
        for step in steps:
            assert len(step["button"]) <= 25
            assert 40 < len(step["say"]) < 190
            assert re.fullmatch(r"[^.?!]+(\d\.\d[^.?!]*)*\.", step["say"]), f"one sentence: {step['say']}"


def test_every_step_has_a_truth():
    assert [(name, button) for name, truths in TRUE.items() for button in truths] == STEPS


@pytest.mark.parametrize(("name", "button"), [
    pytest.param(*step, marks=pytest.mark.slow if step[0] in TRAINED else []) for step in STEPS])
def test_a_state_shows_what_its_sentence_says(name, button):
    lab = getattr(labs, name)
    (state,) = [step["state"] for step in story.all_stories()[name] if step["button"] == button]
    _, said = closed(lab).render(lab.checked(state))

    def n(phrase, later=0):
        found = re.findall(r"−?\d+(?:\.\d+)?", said.partition(phrase)[2])
        return float(found[later].replace("−", "-"))

    assert TRUE[name][button](n, said), said


@pytest.fixture
def opened(monkeypatch):
    """A story of a lab that computes nothing, and the states it was asked for."""
    asked = []

    def compute(self, state, report):
        asked.append(state)

    monkeypatch.setattr(labs.batch_norm, "compute", compute)
    monkeypatch.setattr(labs.batch_norm, "_picture", lambda self, state, runs, **_: (b"", "said"))
    monkeypatch.setattr(labs.batch_norm, "result", lambda self, state, runs: "")
    monkeypatch.setattr(labs.batch_norm, "done", staticmethod(lambda runs: 1.0))
    shown = labs.batch_norm.story()
    assert shown.lab.wait(30)
    return shown, asked


def test_a_click_moves_all_controls_at_once(opened):
    shown, asked = opened
    assert asked == [labs.batch_norm.checked(shown.steps[0]["state"])]
    for number, step in list(enumerate(shown.steps))[::-1]:
        before = len(asked)
        shown._buttons[number].click()
        assert shown.lab.wait(30)
        assert asked[before:] == [labs.batch_norm.checked(step["state"])], "no state on the way was computed"
        assert shown.step() == number
        assert step["say"] in shown._say.value.replace("&#x27;", "'")


def test_the_step_on_show_is_marked_by_a_sign_and_a_word(opened):
    shown, _ = opened
    shown._buttons[2].click()
    assert [button.description[0] for button in shown._buttons] == ["1", "2", "▶", "4", "5"]
    assert [button.tooltip == "shown now" for button in shown._buttons] == [False, False, True, False, False]
    shown.lab._widgets["learning_rate"].value = 0.5
    assert shown.step() is None
    assert [button.description[0] for button in shown._buttons] == ["1", "2", "3", "4", "5"]
    assert "A state of your own." in shown._say.value


def test_show_takes_what_a_lab_takes(opened):
    shown, asked = opened
    shown.lab.show(learning_rate=0.3, depth=1)
    assert shown.lab.wait(30)
    assert asked[-1] == labs.batch_norm.checked({"learning_rate": 0.3, "depth": 1})
    with pytest.raises(ValueError, match="no control 'rate'"):
        shown.lab.show(rate=1)
    assert np.isclose(shown.lab._widgets["learning_rate"].value, 0.3)


def test_a_wall_gets_a_sharp_picture():
    lab = labs.batch_norm_steps.story().lab
    assert lab.wait(30)
    with Image.open(io.BytesIO(lab._image.value)) as picture:
        assert picture.width == 2 * round(base._PANEL * lab.panels * base.Lab.dpi)
