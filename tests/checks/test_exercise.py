"""Hints, progress, and a fresh start: what an exercise offers beside its checks."""

import json
import threading
import time

import nbformat
import pytest

from course_utils import checks
from course_utils.checks import exercise, hints, progress
from course_utils.checks import learning_curves as lc
from course_utils.tools import build, cli, judging, reset
from tests.helpers.sentences import is_one_sentence


@pytest.fixture
def at_work(tmp_path, monkeypatch):
    """A learner's kernel, its notebook and its own file of progress."""
    notebook = tmp_path / "ex01_learning_curves.ipynb"
    notebook.write_bytes((checks.PRISTINE / notebook.name).read_bytes())
    monkeypatch.setenv(progress.SESSION, str(notebook))
    monkeypatch.setattr(hints, "_revealed", type(hints._revealed)())
    monkeypatch.setattr(hints, "_failures", {})
    monkeypatch.setattr(progress, "_watchers", [])
    return notebook


# Hints


def test_every_question_has_three_hints_and_the_last_names_a_section_that_is_there():
    sections = {twin.stem[:2]: [line.lstrip("# ") for cell in build.read(twin).cells if cell.cell_type == "markdown"
                                for line in cell.source.splitlines() if line.startswith("##")]
                for twin in build.twins()}
    questions = [number for numbers in exercise.titles().values() for number in numbers]
    assert list(hints.hints()) == questions
    for number, texts in hints.hints().items():
        assert len(texts) == 3
        assert len(set(texts)) == 3
        lecture, section = texts[-1].rsplit("(Lecture ", 1)[1].removesuffix("”.)").split(", “", 1)
        assert section in sections[lecture], (number, lecture, section)


def test_hints_are_revealed_one_by_one(capsys, at_work, monkeypatch):
    monkeypatch.delenv(progress.SESSION)   # nobody can press a button
    said = []
    for _ in range(4):
        exercise.hint("1.3")
        said.append(capsys.readouterr().out.splitlines())
    assert [len(lines) for lines in said] == [1, 2, 3, 3]
    assert said[2][:2] == said[1]
    assert said[2][2].startswith("Hint 3 of 3: ")
    exercise.hint("1.4")
    assert capsys.readouterr().out.startswith("Hint 1 of 3: You decide which effect matters")


def pressing(number, times, monkeypatch):
    """What is shown after each press of a button, which is displayed instead of hints."""
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    exercise.hint(number)
    button, texts = shown[0].children
    return [(button.click(), texts.value, button.disabled)[1:] for _ in range(times)]


def test_a_button_reveals_hints_one_by_one_and_then_the_way_to_the_solution(capsys, at_work, monkeypatch):
    (first, _), (second, more), (third, done) = pressing("1.3", 3, monkeypatch)
    assert capsys.readouterr().out == ""
    assert first.startswith("Hint 1 of 3: ")
    assert second.startswith(f"{first}<br>Hint 2 of 3: ")
    assert third.startswith(f"{second}<br>Hint 3 of 3: ")
    assert (more, done) == (False, True)
    assert "Ask your instructor" in third
    monkeypatch.setattr(hints, "_revealed", type(hints._revealed)())
    solution = at_work.parents[1] / "solutions" / at_work.name
    solution.parent.mkdir()
    solution.touch()
    assert "<a href='../solutions/ex01_learning_curves.ipynb'>" in pressing("1.3", 3, monkeypatch)[-1][0]


def failing(*answers, capsys):
    """Whether a check mentions the hints, for each answer."""
    said = []
    for answer in answers:
        lc.referee(answer)
        said.append("Hint" in capsys.readouterr().out)
    return said


def test_after_the_third_failure_of_one_kind_a_check_mentions_the_hints(capsys, at_work, monkeypatch):
    missing, unknown, right = {"a"}, {"z"}, {"a", "c", "d", "f"}
    assert failing(missing, missing, missing, missing, capsys=capsys) == [False, False, True, True]
    assert failing(unknown, unknown, missing, missing, missing, capsys=capsys) == [False] * 4 + [True]
    assert failing(right, missing, missing, capsys=capsys) == [False] * 3
    hints._revealed["1.7"] = 3
    assert failing(missing, missing, capsys=capsys) == [False] * 2
    monkeypatch.setattr(hints, "_revealed", type(hints._revealed)())
    monkeypatch.delenv(progress.SESSION)   # as in the judge
    assert failing(missing, missing, missing, capsys=capsys) == [False] * 3


def test_a_retired_question_says_so_in_place_of_a_hint(capsys, at_work):
    exercise.hint("1.5")
    assert capsys.readouterr().out == ("Question 1.5 is no longer asked; if your answer to it is right, you keep the "
                                       "point.\n")


def test_a_retired_question_may_fail_often(capsys, at_work):
    for _ in range(hints.OFTEN + 1):
        lc.law(lambda sizes, errors: (0, 1, 0))
    assert "Hint" not in capsys.readouterr().out


def test_a_hint_for_no_question_is_one_sentence(capsys, at_work):
    exercise.hint("9.9")
    assert capsys.readouterr().out.startswith("There is no question 9.9; there are 1.1, 1.2, ")


# Progress


def test_a_check_is_noted_where_a_learner_works(capsys, at_work):
    lc.referee({"a", "c", "d", "f"})
    lc.referee({"a"})
    noted = progress.recall()["1.7"]["line"]
    assert noted == capsys.readouterr().out.splitlines()[-1]
    assert noted.startswith("✗ 1.7")


def test_nothing_is_noted_where_nobody_works(capsys, at_work, monkeypatch):
    monkeypatch.delenv(progress.SESSION)
    lc.referee({"a", "c", "d", "f"})
    assert not (at_work.parent / progress.NAME).exists()
    exercise.progress()._ipython_display_()
    assert capsys.readouterr().out.endswith("Open this notebook in JupyterLab to see your progress.\n")


def test_progress_counts_what_is_done_over_all_exercises(at_work):
    progress.remember({"1.1": "✓ 1.1 fine", "1.2": "✗ 1.2 <b>no</b>: a hint", "2.1": "✓ 2.1 fine"})
    shown = exercise.progress()
    assert repr(shown).splitlines()[:2] == ["ex01_learning_curves: 1 of 7 done",
                                            "ex02_batch_normalization: 1 of 13 done"]
    table = shown.table()
    assert "✗ 1.2 &lt;b&gt;no&lt;/b&gt;: a hint" in table   # of the exercise at hand, with its hint
    assert "✗&nbsp;1.2" in table
    assert "·&nbsp;2.13" in table


def test_a_retired_question_makes_up_for_another_one(at_work):
    assert "1.5" not in exercise.progress().table()
    before = {number: f"✓ {number} fine" for number in ("1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7")}
    progress.remember(before)
    for _ in range(2):
        assert repr(exercise.progress()).startswith("ex01_learning_curves: 7 of 7 done")
        assert "✓&nbsp;1.5" in exercise.progress().table()
        progress.remember({"1.8": "✓ 1.8 fine"})   # no more than all


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"1.1": 3}', b"\xff\xfe", b'{"1.1": {"line": "?"}}'])
def test_a_broken_file_of_progress_is_an_empty_one(content, at_work):
    progress.file().write_bytes(content)
    assert progress.recall() == {}
    progress.remember({"1.1": "✓ 1.1 fine"})
    assert list(progress.recall()) == ["1.1"]


def test_a_folder_that_cannot_be_written_to_only_costs_the_progress(capsys, at_work, monkeypatch):
    monkeypatch.setenv(progress.SESSION, str(at_work.parent / "gone" / at_work.name))
    lc.referee({"a", "c", "d", "f"})
    assert capsys.readouterr().out.startswith("✓ 1.7")


def test_deleting_the_progress_loses_nothing_else(at_work):
    before = at_work.read_bytes()
    progress.remember({"1.1": "✓ 1.1 fine"})
    progress.file().unlink()
    assert progress.recall() == {}
    assert at_work.read_bytes() == before


# The button


class Lab:
    """Stands for ipylab: saves by writing the file anew, or does not."""

    def __init__(self, save):
        self.commands, self.execute = self, save


def pressed(saves=True):
    shown = exercise.progress()
    shown._widget()
    shown._lab = Lab(lambda command: saves and shown.notebook.write_bytes(shown.notebook.read_bytes()))
    shown.check()
    assert shown._button.disabled or not shown.thread.is_alive()
    shown.check()   # a second click does nothing
    shown.thread.join(60)
    assert not shown._button.disabled
    return shown


@pytest.fixture
def judges(monkeypatch):
    """Replaces the judge: `judges.verdicts` is what it says, `judges.made` are those that were started."""
    class Fake:
        made, verdicts_of_all, ends = [], [judging.Verdict("✓ 1.1 fine", True)], None

        def __init__(self):
            self.process, self.closed = self, False
            Fake.made.append(self)

        def poll(self):
            return Fake.ends

        def close(self):
            self.closed = True

        def verdicts(self, notebook, key, progress):
            for number, verdict in enumerate(Fake.verdicts_of_all, 1):
                yield verdict() if callable(verdict) else verdict
                progress(number / len(Fake.verdicts_of_all))

    monkeypatch.setattr(judging, "Judge", Fake)
    return Fake


def test_the_button_saves_judges_and_notes(at_work, judges):
    judges.verdicts_of_all = [judging.Verdict("✓ 1.1 fine", True), None, judging.Verdict("✗ 1.2 no: hint", False),
                              judging.Verdict("✗ cell 4 stops with ValueError: <x>", False, False)]
    shown = pressed()
    assert "1 of 2 checks passed." in shown._status.value
    assert "stops with ValueError: &lt;x&gt;" in shown._status.value
    assert "✗&nbsp;1.2" in shown._table.value
    assert progress.recall()["1.1"]["line"] == "✓ 1.1 fine"


def test_each_verdict_is_in_the_table_at_once(at_work, judges):
    tables = []

    def look():
        tables.append(shown._table.value)
        return judging.Verdict("✓ 1.2 fine", True)

    judges.verdicts_of_all = [judging.Verdict("✓ 1.1 fine", True), look]
    shown = exercise.progress()
    shown._widget()
    shown._lab = Lab(lambda command: shown.notebook.write_bytes(shown.notebook.read_bytes()))
    shown.check()
    shown.thread.join(60)
    assert "✓&nbsp;1.1" in tables[0]
    assert "·&nbsp;1.2" in tables[0]
    assert "✓&nbsp;1.2" in shown._table.value


def test_a_check_that_is_run_in_the_notebook_is_in_the_table_at_once(at_work):
    shown = exercise.progress()
    shown._widget()
    lc.referee({"a", "c", "d", "f"})
    assert "✓&nbsp;1.7" in shown._table.value


def test_the_judge_is_kept_until_it_ends(at_work, judges):
    shown = pressed()
    for _ in range(2):
        shown.check()
        shown.thread.join(60)
    assert len(judges.made) == 1
    judges.ends = 1
    shown.check()
    shown.thread.join(60)
    assert judges.made[0].closed
    judges.ends = None
    shown.check()
    shown.thread.join(60)
    assert len(judges.made) == 2


def test_the_button_says_when_nothing_was_saved(at_work, monkeypatch, judges):
    monkeypatch.setattr(exercise, "SAVING", 0.1)
    assert "so this is the last saved version" in pressed(saves=False)._status.value


def written_in_halves(shown, said, pause):
    """A lab that writes the notebook as Jupyter writes a large one, and a widget that notes what it says."""
    def write():
        content = shown.notebook.read_bytes()
        with open(shown.notebook, "wb", buffering=0) as file:
            file.write(content[:len(content) // 2])
            time.sleep(pause)
            file.write(content[len(content) // 2:])

    shown._widget()
    shown._lab = Lab(lambda command: threading.Thread(target=write).start())
    shown._status.observe(lambda change: said.append(change["new"]), "value")


def test_the_button_waits_while_the_notebook_is_being_written(at_work, judges):
    shown, said = exercise.progress(), []
    written_in_halves(shown, said, pause=0.5)
    shown.check()
    shown.thread.join(60)
    assert "Waiting for JupyterLab to finish saving …" in said[1]
    assert "1 of 1 checks passed." in said[-1]


def test_a_notebook_that_is_never_whole_is_one_sentence(at_work, monkeypatch):
    monkeypatch.setattr(exercise, "WRITING", 0.2)
    shown, said = exercise.progress(), []
    written_in_halves(shown, said, pause=2)
    shown.check()
    shown.thread.join(60)
    sentence = said[-1].removeprefix("<p>").removesuffix("</p>")
    assert is_one_sentence(sentence), sentence
    assert "press Ctrl+S" in sentence


def test_a_failing_judge_is_a_sentence(at_work, judges):
    judges.verdicts_of_all = [lambda: 1 / 0]
    assert "This notebook could not be judged: division by zero" in pressed()._status.value


def test_outside_an_exercise_there_is_no_button(at_work, monkeypatch, tmp_path):
    other = tmp_path / "my notes.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), other)
    monkeypatch.setenv(progress.SESSION, str(other))
    monkeypatch.setattr(exercise.Progress, "_widget", lambda self: pytest.fail("a button"))
    exercise.progress()._ipython_display_()


def test_checking_tells_how_far_it_is(tmp_path):
    path = tmp_path / "ex02_batch_normalization.ipynb"
    path.write_bytes((checks.PRISTINE / path.name).read_bytes())
    notebook = nbformat.read(path, 4)
    notebook.cells = notebook.cells[:2]   # no answers: only the checks run
    nbformat.write(notebook, path)
    shares = []
    assert len(judging.check(path, progress=shares.append)) == 13
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1


# A fresh start


def test_reset_moves_the_learners_copy_aside_and_restores_the_exercise(tmp_path):
    mine = tmp_path / "exercises" / "ex02_batch_normalization.ipynb"
    mine.parent.mkdir()
    mine.write_bytes(b"my work, however broken")
    backup = reset.reset("2", tmp_path)
    assert backup.read_bytes() == b"my work, however broken"
    assert backup.parent == mine.parent / "backup"
    assert build.is_pristine(mine)
    assert nbformat.read(mine, 4) == nbformat.read(checks.PRISTINE / mine.name, 4)


def test_reset_brings_back_a_deleted_exercise(tmp_path):
    assert reset.reset("01", tmp_path) is None
    assert build.is_pristine(tmp_path / "exercises" / "ex01_learning_curves.ipynb")


@pytest.mark.parametrize(("name", "message"), [("9", "No exercise begins with 9"), ("0", "Several exercises begin")])
def test_reset_of_no_exercise_is_one_sentence(name, message, tmp_path, capsys):
    with pytest.raises(ValueError, match=message):
        reset.reset(name, tmp_path)
    assert cli.main(["reset", name]) == 1
    assert message in capsys.readouterr().err


def test_the_pristine_exercises_are_those_of_the_solutions():
    for twin in build.solutions():
        stored = json.loads((checks.PRISTINE / f"{twin.stem}.ipynb").read_text(encoding="utf-8"))
        assert stored == json.loads(nbformat.writes(build.exercise(twin)))


@pytest.mark.parametrize("number", [2.10, 2, None])
def test_a_question_without_quotes_is_one_sentence_and_no_hint(number, capsys, at_work):
    exercise.hint(number)
    assert capsys.readouterr().out == 'Write the number of the question in quotes, as in hint("2.10").\n'
    assert not hints._revealed


def test_a_hint_without_a_number_is_one_sentence(capsys, at_work):
    exercise.hint()
    assert capsys.readouterr().out == 'Write the number of the question in quotes, as in hint("2.10").\n'


def test_the_command_says_which_exercise_was_reset(monkeypatch, capsys):
    monkeypatch.setattr(reset, "reset", lambda name: None)
    assert cli.main(["reset", "2"]) == 0
    assert capsys.readouterr().out == "ex02_batch_normalization is as it was at first.\n"
