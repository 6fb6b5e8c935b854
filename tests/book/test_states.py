"""The states of the labs in the book: which there are, that they are the lab's own, when they are computed again."""

import io
import itertools
import json
import re
import xml.etree.ElementTree as xml

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from book import states
from course_utils import labs
from tests.helpers.lab_states import closed

QUICK = {"shape": ["skewed", "two humps"], "gamma": [0.0, 1.5, 3.0]}   # of batch_norm_steps, which trains nothing


@pytest.mark.parametrize("name", labs.__all__)
def test_every_lab_has_a_few_controls_in_the_book_and_starts_as_its_lecture_does(name):
    lab, values = closed(getattr(labs, name)), states.TABLE[name]
    assert 1 <= len(values) <= 3
    start = lab.checked(states.opened(name))
    for control, choices in values.items():
        assert 2 <= len(choices) <= 6
        assert start[control] in choices
        for value in choices:
            lab.checked({control: value})
        if all(isinstance(value, int | float) for value in choices):
            assert choices == sorted(choices)   # it is a slider


def test_no_other_lab_is_in_the_table():
    assert set(states.TABLE) == set(labs.__all__)


def test_the_lecture_that_opens_a_lab_is_found():
    assert states.opened("batch_norm") == {"learning_rate": 0.3}
    assert states.opened("halving") == {}   # not that of the text, `labs.halving(factor=4, …)`
    with pytest.raises(ValueError, match="No lecture opens labs.nothing"):
        states.opened("nothing")


def test_a_state_is_the_picture_the_sentence_and_the_call_of_the_lab():
    lab, found = closed(labs.batch_norm_steps), states.export("batch_norm_steps", QUICK)
    start = lab.checked(states.opened("batch_norm_steps"))
    wanted = [start | dict(zip(QUICK, chosen, strict=True)) for chosen in itertools.product(*QUICK.values())]
    assert len(found["states"]) == len(wanted)
    for state, (sentence, call, *places) in zip(wanted, found["states"], strict=True):
        figure, said = lab.figure(state, lab.compute(state, lambda partial: False))
        assert sentence == said == lab.render(state)[1]
        assert call == lab.call(state)
        assert [found["pieces"][place] for place in places] == states.drawn(figure)
    assert [(knob["name"], knob["start"]) for knob in found["controls"]] == [("shape", 1), ("gamma", 1)]
    assert found["others"] == [lab.controls[name].label for name in ("spread", "batch_size", "epsilon", "beta")]
    assert len(set(found["pieces"])) == len(found["pieces"]) < 0.7 * sum(len(state) - 2 for state in found["states"])


def test_states_are_computed_again_only_where_something_has_changed(tmp_path, monkeypatch):
    assert states.update("batch_norm_steps", tmp_path, QUICK)
    first = (tmp_path / "batch_norm_steps.json").read_bytes()
    assert not states.update("batch_norm_steps", tmp_path, QUICK)
    assert states.update("batch_norm_steps", tmp_path, QUICK | {"gamma": [1.0, 1.5, 3.0]})
    assert states.update("batch_norm_steps", tmp_path, QUICK)
    assert (tmp_path / "batch_norm_steps.json").read_bytes() == first   # the same on every build
    changed = tmp_path / "course_utils" / "labs" / "changed.py"
    changed.parent.mkdir(parents=True)
    changed.write_text("1")
    start = states.opened("batch_norm_steps")
    monkeypatch.setattr(states, "opened", lambda name: start)
    monkeypatch.setattr(states, "ROOT", tmp_path)
    assert states.update("batch_norm_steps", tmp_path, QUICK)
    assert not states.update("batch_norm_steps", tmp_path, QUICK)
    changed.write_text("2")
    assert states.update("batch_norm_steps", tmp_path, QUICK)


def test_a_lab_that_is_too_heavy_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(states, "MOST", 10_000)
    with pytest.raises(ValueError, match=r"labs.batch_norm_steps take \d+ kB; expected at most 10. Give its controls"):
        states.update("batch_norm_steps", tmp_path, QUICK)
    assert list(tmp_path.iterdir()) == []


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", text)]


@settings(max_examples=15)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=20), st.sampled_from(["", "o", "x"]), st.booleans())
def test_the_pieces_are_the_elements_that_matplotlib_draws(values, marker, legend):
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot(values, marker=marker, label="<a & b>")
    axes.fill_between(range(len(values)), values, alpha=0.3)
    axes.set(title="A title")
    if legend:
        axes.legend(loc="upper left")
    file = io.StringIO()
    with matplotlib.rc_context(states.SVG):
        figure.savefig(file, format="svg", dpi=100)
    marks = {"path", "use", "text", "image", "clipPath"}
    original = [(element.tag.rpartition("}")[2], element) for element in xml.fromstring(file.getvalue()).iter()]
    original = [(tag, element) for tag, element in original if tag in marks]
    kept = [element for piece in states.drawn(figure) for element in xml.fromstring(piece).iter()
            if element.tag in marks]
    assert [tag for tag, _ in original] == [element.tag for element in kept]
    for (_, before), after in zip(original, kept, strict=True):
        assert (before.text or "").strip() == (after.text or "").strip()
        for name in ("d", "x", "y"):
            assert np.allclose(numbers(before.get(name, "")), numbers(after.get(name, "")), atol=0.0501, rtol=1e-4)


def test_a_line_of_many_dots_and_filled_regions_become_small_pictures():
    figure = Figure(figsize=(4, 3))
    left, right = figure.subplots(1, 2)
    left.plot(np.random.default_rng(0).random(5000), ".")
    right.contourf(np.random.default_rng(0).random((30, 30)))
    found = states.drawn(figure)
    assert sum("<image" in piece for piece in found) == 2
    assert len(json.dumps(found)) < 80_000
