"""The copy that `make classroom` writes: whatever learners need, and no solution."""

import json
import pathlib
import re
import shutil
import subprocess
import tomllib

import pytest

from course_utils import checks
from course_utils.checks import hints

ROOT = pathlib.Path(__file__).parents[2]
COPY = ROOT / "build" / "classroom"

pytestmark = pytest.mark.skipif(not (shutil.which("make") and shutil.which("git") and (ROOT / ".git").exists()),
                                reason="needs make and a repository of git")


@pytest.fixture(scope="module")
def copied():
    """Everything in the copy: dict path, as in git → bytes."""
    subprocess.run(["make", "classroom"], cwd=ROOT, check=True, capture_output=True)
    return {path.relative_to(COPY).as_posix(): path.read_bytes() for path in COPY.rglob("*") if path.is_file()}


def committed():
    """Paths of everything that is committed."""
    return subprocess.run(["git", "ls-tree", "-rz", "--name-only", "HEAD"], cwd=ROOT, check=True, capture_output=True,
                          text=True).stdout.split("\0")[:-1]


def code(text):
    """Lines of code without their indentation and without empty ones, between two line ends."""
    return "\n".join(["", *(line.strip().removeprefix("# ") for line in text.splitlines() if line.strip()), ""])


def sources(name, content):
    """What is written in a file; in a notebook, what is in its cells."""
    try:
        text = content.decode()
    except UnicodeDecodeError:   # a picture or an archive
        return ""
    if not name.endswith(".ipynb"):
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


def test_the_code_of_no_solution_is_in_the_copy(copied):
    twins = "\n".join(twin.read_text("utf-8") for twin in (ROOT / "solutions" / "text").glob("*.py"))
    answers = [code(answer) for answer in re.findall(r"# BEGIN SOLUTION.*?\n(.*?)# END SOLUTION", twins, re.DOTALL)]
    assert len(answers) >= 44   # one for each question, or more
    texts = {name: code(sources(name, content)) for name, content in copied.items()}
    assert [(name, answer) for name, text in texts.items() for answer in answers if answer in text] == []


def test_only_solutions_tests_and_last_hints_are_missing(copied):
    assert set(copied) == {name for name in committed() if not name.startswith(("solutions/", "tests/"))}
    for path in checks.KEYS.glob("*.toml"):
        name = path.relative_to(ROOT).as_posix()
        whole = tomllib.loads(path.read_text("utf-8"))
        assert tomllib.loads(copied.pop(name).decode()) == {
            number: {what: text for what, text in question.items() if what != "last"}
            for number, question in whole.items()}
    for name in ("course_utils/checks/exercise.py", "course_utils/tools/judging.py",
                 "exercises/ex01_learning_curves.ipynb"):
        assert copied[name] == subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, check=True,
                                              capture_output=True).stdout


def test_hints_without_the_last_one_still_name_the_section(copied, monkeypatch):
    before = hints.hints()
    monkeypatch.setattr(checks, "KEYS", COPY / "course_utils" / "checks" / "keys")
    after = hints.hints()
    assert list(after) == list(before)
    for number, texts in after.items():
        assert texts[:2] == before[number][:2]
        assert before[number][2].endswith(f" {texts[2]}")
        assert re.fullmatch(r"\(Lecture \d\d, “.*”\.\)", texts[2])
