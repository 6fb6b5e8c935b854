"""Labs without a browser: the pure functions, and the threads behind the controls."""

import itertools
import subprocess
import sys
import threading
import time

import ipywidgets as widgets
import numpy as np
import pytest
import xarray as xr

from course_utils import labs
from course_utils.labs import base, controls
from tests.lab_states import pairs

# `labs.batch_norm` is the lab itself, so its module has to be asked for.
batch_norm = sys.modules[labs.batch_norm.__module__]
PNG = b"\x89PNG"


def results(lab, state, *, epochs=batch_norm.EPOCHS, diverged=0):
    """Runs as `compute` returns them, without training."""
    arms = [state["batch_norm"], not state["batch_norm"]] if state["compare"] else [state["batch_norm"]]
    shape = (len(arms), batch_norm.SEEDS, epochs)
    curves = np.random.default_rng(0).uniform(0.1, 0.9, shape)
    lost = np.zeros(shape, bool)
    lost[:, :diverged] = True
    scores = {name: (("batch_norm", "seed", "epoch"), np.where(lost & (name == "loss"), np.nan, curves))
              for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    coordinates = {"batch_norm": arms, "seed": range(batch_norm.SEEDS), "epoch": range(1, epochs + 1)}
    return xr.Dataset(scores | {"diverged": (("batch_norm", "seed", "epoch"), lost)}, coordinates, {"epochs": epochs})


@pytest.fixture
def without_training(monkeypatch):
    """The batch-norm lab, its training replaced by a moment's wait per epoch."""
    calls = []

    def compute(self, state, report):
        calls.append(state)
        for epoch in range(1, batch_norm.EPOCHS + 1):
            partial = results(self, state).isel(epoch=slice(epoch))
            time.sleep(0.003)
            if report(partial):
                return partial
        return partial

    monkeypatch.setattr(batch_norm.BatchNormLab, "compute", compute)
    return calls


def test_all_pairs_of_controls_can_be_drawn_and_called(without_training):
    lab = labs.batch_norm
    opened = lab()
    assert opened.wait(60)
    for diverged, state in zip(itertools.cycle([0, 3, batch_norm.SEEDS]), pairs(lab)):   # as many diverged runs
        picture, sentence = opened._picture(lab.checked(state), results(opened, state, diverged=diverged))
        assert picture.startswith(PNG)
        assert ("diverged" in sentence) == (diverged > 0)
        line = opened.call(lab.checked(state))
        assert eval(line.replace("labs.batch_norm", "dict")).items() <= state.items()


@pytest.mark.parametrize("change", [
    {}, {"learning_rate": 1e-3}, {"learning_rate": 10.0}, {"batch_norm": False}, {"compare": False},
    {"initial_scale": 0.01}, {"initial_scale": 10.0}, {"label_noise": 0.6}], ids=str)
def test_the_ends_and_the_middle_train_for_real(change, real_lab):
    state = labs.batch_norm.checked(change)
    seen = []
    runs = real_lab.compute(state, lambda partial: seen.append(partial.sizes["epoch"]))
    picture, sentence = real_lab._picture(state, runs)
    assert seen == list(range(1, batch_norm.EPOCHS + 1))
    assert picture.startswith(PNG)
    assert sentence.startswith(f"Validation accuracy after {batch_norm.EPOCHS} epochs")
    assert ("plain" in sentence) == (state["compare"] or not state["batch_norm"])
    assert (picture, sentence) == real_lab.render(state)   # a pure function of the state


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"activation": "sigmoid"}, {"depth": 1}, {"depth": 6}, {"batch_size": 8},
                                    {"batch_size": 128}], ids=str)
def test_the_ends_of_structural_controls_train_for_real(change, real_lab):
    runs = real_lab.compute(labs.batch_norm.checked(change), lambda partial: False)
    assert runs.val_accuracy.sizes == {"batch_norm": 2, "seed": batch_norm.SEEDS, "epoch": batch_norm.EPOCHS}


@pytest.fixture(scope="module")
def real_lab():
    lab = labs.batch_norm()
    assert lab.wait(120)
    return lab


def test_the_picture_ends_up_showing_the_controls(real_lab):
    for rate in (0.02, 0.5, 3.0, 0.05):   # faster than any of them can train
        real_lab._widgets["learning_rate"].value = rate
    real_lab._widgets["batch_norm"].value = False
    assert real_lab.wait(60)
    assert real_lab.state["learning_rate"] == 0.05
    assert (real_lab._image.value, real_lab._text) == real_lab.render(real_lab.state)
    real_lab._widgets["batch_norm"].value = True
    assert real_lab.wait(60)


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
        partial = results(self, state).isel(epoch=slice(2))
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


@pytest.mark.parametrize("name", labs.__all__)
def test_only_labs_that_compile_nothing_do_not_speak_of_it(name, monkeypatch):
    said, compiled = [], []
    monkeypatch.setattr(base.Lab, "_say", lambda self, text: said.append(text))
    monkeypatch.setattr(base.Lab, "_picture", lambda self, state, runs: (b"", ""))
    for program in ("engine.program.compile_program", "fine_tune._program"):
        monkeypatch.setattr(f"course_utils.{program}", lambda *_, **__: compiled.append(1) or 1 / 0)
    getattr(labs, name)().wait(60)
    assert said[0].endswith("…")
    assert said[0].startswith("Compiling") or not compiled


@pytest.mark.parametrize(("state", "message"), [
    ({"learning_rat": 1}, "has no control 'learning_rat'; it has learning_rate, "),
    ({"learning_rate": 100}, "learning_rate is 100; expected a number from 0.001 to 10"),
    ({"learning_rate": "fast"}, "expected a number"), ({"batch_norm": "yes"}, "expected True or False"),
    ({"depth": 5}, r"depth is 5; expected one of 1, 2, 3, 4, 6"), ({"label_noise": -0.1}, "expected a number from 0")])
def test_a_wrong_state_is_one_sentence(state, message):
    with pytest.raises(ValueError, match=message):
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


def test_a_log_slider_spans_what_it_says():
    slider = controls.log("rate", 0.1, low=1e-3, high=10.0).make(0.1)
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
for change in range(300):
    lab._widgets["learning_rate"].value = [0.01, 0.1, 1.0][change % 3]
    assert lab.wait(60)
    if change in (99, 299):
        sizes += [psutil.Process().memory_info().rss, threading.active_count()]
print(*sizes)
"""


@pytest.mark.slow
def test_300_changes_grow_neither_memory_nor_threads():
    # In a process of its own: what a thousand other tests left behind moves by more than a lab may.
    done = subprocess.run([sys.executable, "-c", CHANGES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    early, threads, late, threads_late = map(int, done.stdout.split())
    assert threads_late <= threads
    assert late - early < 20e6   # bytes; 200 leaked pictures alone would be more
