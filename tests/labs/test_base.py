"""What all labs share, without a browser: controls, the threads behind them, the sentence."""

import subprocess
import sys
import threading
import time
import types

import ipywidgets as widgets
import numpy as np
import pytest

from course_utils import labs
from course_utils.labs import base, controls
from tests.helpers.lab_states import PNG, closed
from tests.helpers.sentences import refused
from tests.labs.test_batch_norm import results

# `labs.batch_norm` is the lab itself, so its module has to be asked for.
batch_norm = sys.modules[labs.batch_norm.__module__]


@pytest.fixture
def without_training(monkeypatch):
    """The batch-norm lab, its training replaced by a moment's wait per epoch."""
    calls = []

    def compute(self, state, report):
        calls.append(state)
        for epoch in range(1, batch_norm.EPOCHS + 1):
            partial = results(state).isel(epoch=slice(epoch))
            time.sleep(0.003)
            if report(partial):
                return partial
        return partial

    monkeypatch.setattr(batch_norm.BatchNormLab, "compute", compute)
    return calls


def test_twenty_quick_changes_train_the_last_state_and_skip_most_others(without_training):
    lab = labs.batch_norm()
    lab.wait(10)
    del without_training[:]
    for rate in np.logspace(-3, 1, 20):
        lab._widgets["learning_rate"].value = float(f"{rate:.4g}")
    assert lab.wait(10)
    assert without_training[-1]["learning_rate"] == 10.0
    assert len(without_training) < 20
    assert lab.state == without_training[-1]


def test_stop_keeps_the_picture_and_says_so(monkeypatch):
    begun = threading.Event()

    def endless(self, state, report):
        partial = results(state).isel(epoch=slice(2))
        while not report(partial):
            begun.set()
            time.sleep(0.01)
        return partial

    monkeypatch.setattr(batch_norm.BatchNormLab, "compute", endless)
    lab = labs.batch_norm()
    assert begun.wait(10)
    assert not lab.wait(0.1)
    lab._stop.click()
    assert lab.wait(10)
    assert lab._text.startswith("Stopped early. Validation accuracy after 2 epochs")
    assert bytes(lab._image.value).startswith(PNG)


def test_the_sentence_is_what_the_picture_is_called_here_and_where_it_is_stored(monkeypatch, without_training):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda what, **given: shown.append((what, given)))
    lab = labs.batch_norm()
    lab._ipython_display_()
    assert lab._image.tooltip == lab._text != ""
    assert lab._image.get_state()["description"] == ""   # else JupyterLab would not take the tooltip
    stored, given = shown[-1]
    assert stored["text/plain"] == f"{lab.call()}\n{lab._text}"
    assert given["metadata"] == {"image/png": {"alt": lab._text}}


def test_a_failing_computation_is_a_sentence_and_the_lab_lives_on(monkeypatch, without_training):
    lab = labs.batch_norm()
    lab.wait(10)
    working = batch_norm.BatchNormLab.compute
    monkeypatch.setattr(batch_norm.BatchNormLab, "compute", lambda *_: 1 / 0)
    lab._widgets["learning_rate"].value = 1.0
    assert lab.wait(10)
    assert lab._text == "This state could not be computed: ZeroDivisionError: division by zero"
    monkeypatch.setattr(batch_norm.BatchNormLab, "compute", working)
    lab._widgets["learning_rate"].value = 0.5
    assert lab.wait(10)
    assert lab._text.startswith("Validation accuracy")


def test_a_new_structure_says_that_it_compiles(monkeypatch, without_training):
    said = []
    monkeypatch.setattr(base.Lab, "_say", lambda self, text: said.append(text))
    lab = labs.batch_norm()
    lab.wait(10)
    lab._widgets["learning_rate"].value = 1.0
    lab.wait(10)
    lab._widgets["depth"].value = 2
    lab.wait(10)
    assert [text.split()[0] for text in said[::2]] == ["Compiling", "Training", "Compiling"]


def test_old_curves_are_gray_while_a_new_structure_compiles(monkeypatch, without_training):
    faded = []

    def picture(self, state, runs, *, fade=False, picture=base.Lab._picture):
        faded.append((state["depth"], fade))
        return picture(self, state, runs, fade=fade)

    monkeypatch.setattr(base.Lab, "_picture", picture)
    lab = labs.batch_norm()
    lab.wait(10)
    assert not any(fade for _, fade in faded)   # there were no old curves
    for depth, expected in ((2, [(3, True)]), (3, [])):   # a structure is compiled once
        del faded[:]
        lab._widgets["depth"].value = depth
        lab.wait(10)
        assert [call for call in faded if call[1]] == expected


def test_reset_moves_all_controls_back(without_training):
    lab = labs.batch_norm(learning_rate=1.0, depth=2)
    lab.wait(10)
    lab._reset.click()
    assert lab.wait(10)
    assert lab.state == lab.checked({})


def test_compare_keeps_the_curves_in_gray_until_it_is_turned_off(without_training):
    lab = labs.batch_norm()
    lab.wait(10)
    kept, plain = results(lab.state), lab.render(lab.state | {"learning_rate": 1.0})[0]
    lab._compare.value = True
    lab._widgets["learning_rate"].value = 1.0
    assert lab.wait(10)
    assert lab._image.value != plain
    figure, _ = lab.figure(lab.state, results(lab.state), lab._kept)
    gray = [line.get_ydata() for line in figure.axes[1].lines if line.get_color() == "0.8"]
    for old, arm in zip(gray, kept.batch_norm, strict=True):
        np.testing.assert_allclose(old, kept.val_accuracy.sel(batch_norm=arm).mean("seed"))
    assert len(figure.axes[1].texts) == 2   # the labels of the new curves
    lab._compare.value = False
    assert lab._image.value == plain


@pytest.mark.parametrize("name", labs.__all__)
def test_curves_that_are_kept_change_nothing_about_the_new_ones(name):
    lab = closed(getattr(labs, name))
    state = lab.checked({})
    runs = lab.compute(state, lambda partial: True)   # as far as it is trained at first
    figures = [lab.figure(state, runs, kept)[0] for kept in (None, (state, runs))]
    for alone, compared in zip(*(figure.axes for figure in figures), strict=True):
        assert alone.get_legend_handles_labels()[1] == compared.get_legend_handles_labels()[1]
        assert [text.get_text() for text in alone.texts] == [text.get_text() for text in compared.texts]
        np.testing.assert_allclose(compared.get_ylim(), alone.get_ylim(), rtol=0.1)
        assert len(compared.lines) == 2 * len(alone.lines)


def test_comparing_ends_during_training_without_a_stale_picture(monkeypatch):
    shown, go_on = threading.Event(), threading.Event()

    def compute(self, state, report):
        report(results(state).isel(epoch=slice(3)))
        shown.set()
        go_on.wait(10)
        return results(state)

    monkeypatch.setattr(batch_norm.BatchNormLab, "compute", compute)
    lab = labs.batch_norm()
    assert shown.wait(10)
    lab._compare.value = True
    toggling = threading.Thread(target=lambda: setattr(lab._compare, "value", False))
    toggling.start()
    go_on.set()
    toggling.join(10)
    assert lab.wait(10)
    assert lab._image.value == lab.render(lab.state)[0]
    assert lab._image.tooltip == lab._text


def test_the_call_is_shown_when_asked_for(without_training):
    lab = labs.batch_norm(depth=2)
    lab.wait(10)
    assert lab._call.layout.display == "none"
    lab._reveal.value = True
    assert lab._call.layout.display != "none"
    assert lab._call.value == "labs.batch_norm(depth=2)"


def test_stop_and_the_progress_line_are_there_only_while_training(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def compute(self, state, report):
        begun.set()
        go_on.wait(10)
        return results(state)

    monkeypatch.setattr(batch_norm.BatchNormLab, "compute", compute)
    lab = labs.batch_norm()
    assert begun.wait(10)
    assert (lab._stop.disabled, lab._progress.layout.visibility) == (False, "visible")
    go_on.set()
    assert lab.wait(10)
    assert (lab._stop.disabled, lab._progress.layout.visibility) == (True, "hidden")


@pytest.mark.parametrize("name", labs.__all__)
def test_every_lab_suggests_three_things_to_try(name):
    lab = getattr(labs, name)
    assert len(lab.try_this) == 3
    assert all(text[-1] in ".?" and 30 < len(text) < 130 for text in lab.try_this)


@pytest.mark.parametrize("name", labs.__all__)
def test_only_labs_that_compile_nothing_do_not_speak_of_it(name, monkeypatch):
    said, compiled = [], []
    monkeypatch.setattr(base.Lab, "_say", lambda self, text: said.append(text))
    monkeypatch.setattr(base.Lab, "_picture", lambda self, state, runs: (b"", ""))
    monkeypatch.setattr("course_utils.training.programs._programs", {})   # what fails here is not remembered
    monkeypatch.setattr("course_utils.training.program.Program", lambda *_: compiled.append(1) or 1 / 0)
    getattr(labs, name)().wait(60)
    assert said[0].endswith("…")
    assert said[0].startswith("Compiling") or not compiled


@pytest.mark.parametrize(("state", "message"), [
    ({"learning_rat": 1}, "has no control 'learning_rat'; it has learning_rate, "),
    ({"learning_rate": 100}, "learning_rate is 100; expected a number from 0.001 to 10"),
    ({"learning_rate": "fast"}, "expected a number"), ({"batch_norm": "yes"}, "expected True or False"),
    ({"depth": 5}, r"depth is 5; expected one of 1, 2, 3, 4, 6"), ({"label_noise": -0.1}, "expected a number from 0")])
def test_a_wrong_state_is_one_sentence(state, message):
    with refused(ValueError, match=message):
        labs.batch_norm(**state)


@pytest.mark.parametrize("lab", [getattr(labs, name) for name in labs.__all__], ids=labs.__all__)
def test_every_control_has_a_label_and_waits_for_the_release(lab, monkeypatch):
    monkeypatch.setattr(lab, "compute", lambda *_: 1 / 0)   # the controls are there all the same
    opened = lab()
    assert opened.name in labs.__all__
    opened.wait(10)
    for name, control in lab.controls.items():
        widget = opened._widgets[name]
        assert widget.description == control.label
        assert not getattr(widget, "continuous_update", False)
        assert control.check(control.default) is None
        assert all(control.check(example) is None for example in control.examples)
    assert len({control.label for control in lab.controls.values()}) == len(lab.controls)


@pytest.mark.parametrize(("value", "problem"), [
    (6, None), (7, "expected a whole number from 1 to 6"), (1.5, "expected a whole number from 1 to 6")])
def test_an_integer_is_a_whole_number_within_its_range(value, problem):
    assert controls.integer("epochs", 1, low=1, high=6).check(value) == problem


def test_a_log_slider_spans_what_it_says():
    slider = controls.log_uniform("rate", 0.1, low=1e-3, high=10.0).make(0.1)
    assert isinstance(slider, widgets.FloatLogSlider)
    assert (slider.base**slider.min, slider.base**slider.max) == pytest.approx((1e-3, 10.0))


CHANGES = """
import sys, threading
import psutil
from course_utils import labs

sys.modules[labs.batch_norm.__module__].EPOCHS = 1
lab = labs.batch_norm()
lab.wait(120)
sizes = []
for change in range(500):
    lab._widgets["learning_rate"].value = [0.01, 0.1, 1.0][change % 3]
    assert lab.wait(60)
    if change in (99, 499):
        sizes += [psutil.Process().memory_info().rss, threading.active_count()]
print(*sizes)
"""


@pytest.mark.audit
def test_500_changes_grow_neither_memory_nor_threads():
    # In a process of its own: what a thousand other tests left behind moves by more than a lab may.
    done = subprocess.run([sys.executable, "-c", CHANGES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    early, threads, late, threads_late = map(int, done.stdout.split())
    assert threads_late <= threads
    assert late - early < 20e6   # bytes; 400 leaked pictures alone would be more


def test_where_drawing_is_slow_fewer_partial_pictures_are_drawn(monkeypatch):
    now, pictures = [0.0], []

    def compute(self, state, report):
        for epoch in range(1, batch_norm.EPOCHS):
            now[0] += 3.0   # a chunk takes three seconds, a picture two
            report(results(state).isel(epoch=slice(epoch)))
        return results(state)

    def picture(self, state, runs):
        now[0] += 2.0
        pictures.append(runs)
        return PNG, "A sentence."

    monkeypatch.setattr(base, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(batch_norm.BatchNormLab, "compute", compute)
    monkeypatch.setattr(batch_norm.BatchNormLab, "_picture", picture)
    assert labs.batch_norm().wait(10)
    *partial, _ = pictures
    assert len(partial) >= 2
    assert 2.0 * len(partial) < 0.25 * now[0]
