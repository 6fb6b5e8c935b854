"""What the command `course` prints, on any terminal and whatever goes wrong."""

import io
import pathlib
import shutil
import sys

import pytest

from course_utils import checks
from course_utils.doctor import __main__ as terminal
from course_utils.tools import cli, grading, judging, reset
from tests.helpers.sentences import is_one_sentence

LINES = ["✓ 2.1 fine – 0.5 → 1 …", "✗ 2.2 −1 日本"]


def printed(*words, encoding="cp1252"):
    """The status of a command, and what it prints on a terminal such as the consoles of Windows in Western Europe."""
    out = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:   # not in a fixture: pytest replaces the streams before each test
        patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
        patch.setattr(sys, "stderr", sys.stdout)
        status = cli.main(list(words))
        sys.stdout.flush()
        return status, out.getvalue().decode(encoding)


def judged(monkeypatch, lines):
    monkeypatch.setattr(judging, "find", pathlib.Path)
    monkeypatch.setattr(judging, "check", lambda path: [
        judging.Verdict(line, line.startswith("✓")) for line in lines])


@pytest.mark.parametrize(("encoding", "lines"), [
    ("cp1252", ["x", "  + 2.1 fine – 0.5 -> 1 …", "  x 2.2 -1 ??"]),
    ("ascii", ["x", "  + 2.1 fine - 0.5 -> 1 ...", "  x 2.2 -1 ??"]),
    ("utf-8", ["x", *(f"  {line}" for line in LINES)])])
def test_checks_are_readable_in_every_encoding(encoding, lines, monkeypatch):
    judged(monkeypatch, LINES)
    status, text = printed("check", "x.ipynb", encoding=encoding)
    assert (status, text.splitlines()[:3]) == (1, lines)


def test_grades_are_readable_in_every_encoding(monkeypatch):
    def grade(options):
        print(grading.summary([grading.Grade("日.ipynb", problem="日.ipynb: ✗.")]))

    monkeypatch.setattr(cli, "grade", grade)
    assert printed("grade", "all") == (0, "0 of 1 submissions graded.\n?.ipynb: x.\n")


def test_the_doctor_is_readable_in_every_encoding(monkeypatch):
    monkeypatch.setattr(terminal, "run", lambda options: print(*LINES))
    assert printed("doctor", "model.keras", "data.npz") == (0, "+ 2.1 fine – 0.5 -> 1 … x 2.2 -1 ??\n")


def test_an_error_is_readable_in_every_encoding():
    assert printed("check", "✗ \udcff.ipynb") == (1, "There is no file x  .ipynb.\n")


def test_the_terminal_obeys_nothing_that_a_learner_wrote(monkeypatch, capsys):
    judged(monkeypatch, ["✗ 2.1 \x1b[2J\x1b]0;title\x07\x9b31m\rfine", "✓ 2.2\u202e fine"])
    cli.main(["check", "\x1b[31m.ipynb"])
    monkeypatch.setattr(judging, "check", lambda path: (_ for _ in ()).throw(RuntimeError("It failed:\n\x1b[31mred")))
    assert cli.main(["check", "x.ipynb"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[:3] == [" [31m", "  ✗ 2.1  [2J ]0;title  31m fine", "  ✓ 2.2  fine"]
    assert err == "It failed:\n [31mred\n"


def writable_nowhere(*_, **options):
    raise PermissionError(13, "Permission denied", "exercises")


@pytest.mark.parametrize(("module", "function"), [(pathlib.Path, "mkdir"), (shutil, "move"), (shutil, "copyfile")])
def test_reset_in_a_folder_that_is_read_only_is_one_sentence(module, function, monkeypatch, tmp_path, capsys):
    name = next(checks.PRISTINE.glob("ex02_*.ipynb")).name
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / name).write_text("mine")
    monkeypatch.setattr(module, function, writable_nowhere)   # root could write there
    monkeypatch.setattr(reset, "reset", lambda name, reset=reset.reset: reset(name, tmp_path))
    assert cli.main(["reset", "2"]) == 1
    message = capsys.readouterr().err.removesuffix("\n")
    assert message == ("ex02_batch_normalization could not be restored, since exercises cannot be written "
                       "(Permission denied).")
    assert is_one_sentence(message)


def test_reset_where_backups_cannot_be_is_one_sentence(tmp_path):
    name = next(checks.PRISTINE.glob("ex02_*.ipynb")).name
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / name).write_text("mine")
    (tmp_path / "exercises" / "backup").touch()
    with pytest.raises(ValueError, match="could not be restored") as caught:
        reset.reset("2", tmp_path)
    assert is_one_sentence(str(caught.value))
    assert (tmp_path / "exercises" / name).read_text() == "mine"
