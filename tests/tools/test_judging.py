"""`course check` judges a learner's notebook whatever was saved in it; building respects their work."""

import functools
import json
import os
import shutil
import subprocess
import sys
import textwrap
import tracemalloc
import uuid

import nbformat
import pytest

from course_utils import checks
from course_utils.tools import build, cli, judge_process, judging
from tests.helpers.sentences import refused

TWIN = textwrap.dedent('''\
    # %% [markdown]
    # # A small exercise

    # %%
    from course_utils.checks.exercise import hint

    given = 0.9

    # %% question="2.9"
    def largest_rate(runs, batch_norm):
        """The largest rate."""
        # BEGIN SOLUTION
        final = runs.val_accuracy.sel(batch_norm=batch_norm).isel(epoch=-1)
        return float(runs.learning_rate[final.mean("seed") >= given].max())
        # END SOLUTION

    # %% question="2.9" tags=["nbval-check-output"]
    from course_utils.checks import batch_normalization as checks

    checks.largest(largest_rate)

    # %% question="2.13"
    # BEGIN SOLUTION: flaws
    flaws = {"a", "b", "e", "g"}
    # END SOLUTION

    # %% question="2.13" tags=["nbval-check-output"]
    from course_utils.checks import batch_normalization as checks

    checks.referee(flaws)
    ''')
UNSOLVED = ["· 2.9 not answered yet", "· 2.13 not answered yet"]
SOLVED = ["✓ 2.9 the largest learning rate that still trains is found in any sweep",
          "✓ 2.13 you found every flaw and raised no invalid objection"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with a small exercise, its solution and its key."""
    home = tmp_path_factory.mktemp("course")
    twin = home / "solutions" / "text" / "02_small.py"
    twin.parent.mkdir(parents=True)
    twin.write_text(TWIN, encoding="utf-8")
    assert build.build_solution(twin, home) is None
    return home


@pytest.fixture
def home(built, tmp_path, monkeypatch):
    """A copy of that folder, in which `course check` works."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(checks, "KEYS", tmp_path / "course_utils" / "checks" / "keys")
    return tmp_path


def load(home, folder="exercises"):
    return nbformat.read(home / folder / "02_small.ipynb", 4)


def save(home, notebook, name="02_small"):
    path = home / "exercises" / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


def cell(notebook, name):
    return next(one for one in notebook.cells if one.id == name)


def judged(path, **options):
    """The lines of the table; the learner's file must stay as it is."""
    before = path.read_bytes()
    verdicts = judging.check(path, **options)
    assert path.read_bytes() == before
    assert all(verdict.passed == verdict.line.startswith("✓") for verdict in verdicts)
    return [verdict.line for verdict in verdicts]


def run_all(notebook):
    """As JupyterLab saves it after Run All."""
    from nbclient import NotebookClient

    NotebookClient(notebook, timeout=100, kernel_name="python3", allow_errors=True).execute()
    return notebook


# Building


@pytest.mark.notebooks
def test_an_exercise_has_no_answers_and_no_outputs(home):
    exercise = load(home)
    assert cell(exercise, "02-answer-2-9").source == (
        'def largest_rate(runs, batch_norm):\n    """The largest rate."""\n    ...')
    assert cell(exercise, "02-answer-2-13").source == "flaws = ..."
    assert all(one.outputs == [] and one.execution_count is None for one in exercise.cells if one.cell_type == "code")
    assert build.is_pristine(home / "exercises" / "02_small.ipynb")
    key = nbformat.read(checks.KEYS / "02_small.ipynb", 4)
    assert [one.id for one in key.cells] == ["02-check-2-9", "02-check-2-13"]
    assert [one.outputs[0].text.strip() for one in key.cells] == SOLVED


def test_cells_of_a_question_keep_their_ids_when_others_are_added(tmp_path):
    for name, text in {"02_before.py": TWIN, "02_after.py": "# %%\n0\n\n" + TWIN}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    before, after = ([one.id for one in build.read(tmp_path / name).cells if "-2-" in one.id]
                     for name in ("02_before.py", "02_after.py"))
    assert before == after == ["02-answer-2-9", "02-check-2-9", "02-answer-2-13", "02-check-2-13"]


@pytest.mark.notebooks
def test_building_twice_gives_the_same_bytes(home):
    made = [folder / "02_small.ipynb" for folder in (home / "exercises", home / "solutions", checks.KEYS)]
    before = [path.read_bytes() for path in made]
    assert build.build_solution(home / "solutions" / "text" / "02_small.py", home) is None
    assert [path.read_bytes() for path in made] == before


@pytest.mark.notebooks
def test_building_leaves_what_a_learner_changed_and_names_it(home, monkeypatch, capsys):
    twin = home / "solutions" / "text" / "02_small.py"
    monkeypatch.setattr(build, "solutions", lambda: [twin])
    monkeypatch.setattr(build, "build_solution", functools.partial(build.build_solution, home=home))
    exercise = load(home)
    cell(exercise, "02-answer-2-13").source = 'flaws = {"a"}'
    path = save(home, exercise)
    before = path.read_bytes()
    assert cli.main(["build", "02_small"]) == 0
    assert path.read_bytes() == before
    assert "exercises/02_small.ipynb was left as it is" in capsys.readouterr().out


@pytest.mark.notebooks
def test_an_exercise_that_was_only_run_counts_as_pristine(home):
    path = save(home, run_all(load(home)))
    assert build.is_pristine(path)
    for change in ("", "{}", "no notebook"):
        path.write_text(change)
        assert not build.is_pristine(path)


@pytest.mark.notebooks
def test_a_solution_that_fails_its_own_check_is_not_built(home):
    twin = home / "solutions" / "text" / "02_small.py"
    twin.write_text(TWIN.replace('{"a", "b", "e", "g"}', '{"a"}'), encoding="utf-8")
    before = (checks.KEYS / "02_small.ipynb").read_bytes()
    with pytest.raises(ValueError, match="does not pass its own check 02-check-2-13: ✗ 2.13 you missed a flaw"):
        build.build_solution(twin, home)
    assert (checks.KEYS / "02_small.ipynb").read_bytes() == before


# Judging


@pytest.mark.notebooks
def test_an_unsolved_exercise_fails_at_every_check_and_nowhere_else(home):
    assert judged(home / "exercises" / "02_small.ipynb") == UNSOLVED


@pytest.mark.notebooks
def test_it_still_fails_after_it_was_run_and_saved(home):
    exercise = run_all(load(home))
    assert "not answered" in cell(exercise, "02-check-2-9").outputs[0].text
    assert judged(save(home, exercise)) == UNSOLVED


@pytest.mark.notebooks
@pytest.mark.parametrize("change", ["edited", "deleted", "rebound"])
def test_it_still_fails_after_its_checks_were_changed(change, home):
    exercise = load(home)
    for one, line in zip([cell(exercise, "02-check-2-9"), cell(exercise, "02-check-2-13")], SOLVED, strict=True):
        if change == "edited":
            one.source = f"print({line!r})"
        if change == "deleted":
            exercise.cells.remove(one)
    if change == "rebound":
        exercise.cells.insert(0, nbformat.v4.new_code_cell("class checks:\n    largest = referee = print"))
    assert judged(save(home, run_all(exercise))) == UNSOLVED


@pytest.mark.notebooks
@pytest.mark.parametrize("change", ["checks deleted", "cells added", "another name"])
def test_right_answers_pass(change, home):
    solved, name = load(home, "solutions"), "02_small"
    if change == "checks deleted":
        solved.cells = [one for one in solved.cells if "check" not in one.id]
    if change == "cells added":
        solved.cells.insert(0, nbformat.v4.new_code_cell("# NBVAL_CHECK_OUTPUT\nprint('mine')"))
        solved.cells.insert(3, nbformat.v4.new_raw_cell("raw"))
    if change == "another name":
        solved.metadata, name = load(home).metadata, "mine-Copy1"
    assert judged(save(home, solved, name)) == SOLVED


def notebook_with(*ids):
    """A learner's notebook with one cell for each id, as it was read from the file."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(f"cheat {one}", id=one) for one in ids]
    return notebook


KEY = nbformat.v4.new_notebook(cells=[
    nbformat.v4.new_code_cell(f"check {one}", id=one, execution_count=1, metadata={"tags": [build.CHECKED]},
                              outputs=[nbformat.v4.new_output("stream", text="✓")]) for one in ("check-1", "check-2")])


@pytest.mark.parametrize(("ids", "merged"), [
    (["a", "check-1", "b", "check-2"], ["cell-1", "check-1", "cell-3", "check-2"]),
    (["new", "a", "check-1", "check-2", "new2"], ["cell-1", "cell-2", "check-1", "check-2", "cell-5"]),
    (["a", "check-1", "b"], ["cell-1", "cell-3", "check-1", "check-2"]),
    (["a", "b"], ["cell-1", "cell-2", "check-1", "check-2"]),
    (["check-2", "a", "check-1"], ["cell-2", "check-1", "check-2"]),
    (["a", "check-1", "check-1", "check-2"], ["cell-1", "check-1", "check-2"]),
    ([], ["check-1", "check-2"]),
], ids=["as built", "cells added", "a check deleted", "checks deleted", "out of order", "twice", "empty"])
def test_the_keys_checks_stand_among_the_learners_cells(ids, merged):
    cells = judging.merge(notebook_with(*ids), KEY).cells
    assert [one.id for one in cells] == merged
    assert [one for one in cells if "check" in one.id] == KEY.cells
    assert all(one.source.startswith("cheat") and not one.outputs and not one.metadata
               for one in cells if "cell" in one.id)


def test_cells_without_ids_are_the_learners_unless_they_hold_the_code_of_a_check():
    notebook = notebook_with("a", "check-1")
    for one in notebook.cells:
        del one["id"]
    assert [one.id for one in judging.merge(notebook, KEY).cells] == ["cell-1", "cell-2", "check-1", "check-2"]
    notebook.cells[1].source = "check check-1"
    notebook.cells.append(nbformat.v4.new_code_cell("\ncheck check-2  \r\n"))
    assert [one.id for one in judging.merge(notebook, KEY).cells] == ["cell-1", "check-1", "check-2"]


def test_a_copy_of_a_check_cell_is_the_learners():
    notebook = notebook_with("a", "copy", "check-1", "check-2")
    notebook.cells[1].source = "check check-1"
    assert [one.id for one in judging.merge(notebook, KEY).cells] == ["cell-1", "cell-2", "check-1", "check-2"]


def drop_ids(notebook):
    for one in notebook.cells:
        del one["id"]
    notebook.nbformat_minor = 4


def replace_ids(notebook):
    for one in notebook.cells:
        one.id = uuid.uuid4().hex[:8]


def drop_ids_and_change_line_ends(notebook):
    drop_ids(notebook)
    for one in notebook.cells:
        one.source = "\r\n".join(f"{line} " if line else line for line in one.source.splitlines()) + "\r\n"


@pytest.mark.parametrize("change", [drop_ids, replace_ids, drop_ids_and_change_line_ends])
@pytest.mark.parametrize("twin", build.solutions(), ids=lambda twin: twin.stem)
def test_a_notebook_without_its_ids_is_judged_like_one_with_them(twin, change, tmp_path):
    path, merged = tmp_path / twin.with_suffix(".ipynb").name, []
    for do in (lambda notebook: None, change):
        notebook = nbformat.read(build.notebook_of(twin), 4)
        do(notebook)
        path.write_text(json.dumps(notebook))
        name, notebook, key = judging.read(path)
        assert name == twin.stem
        merged.append([("\n".join(line.rstrip() for line in one.source.splitlines()), one.metadata, one.get("outputs"))
                       for one in judging.merge(notebook, key).cells])
    assert merged[0] == merged[1]
    assert len(merged[0]) == sum(one.cell_type == "code" for one in notebook.cells)   # none of them twice


def test_a_judge_whose_parent_ended_before_it_began_runs_nothing(tmp_path):
    path = tmp_path / "merged.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("while True: pass", id="given")]), path)
    done = subprocess.run([sys.executable, "-m", judge_process.__name__, "0", "60"], input=f"{path}\n", text=True,
                          capture_output=True, timeout=50)
    assert not done.stdout or not json.loads(done.stdout.splitlines()[0])[1]
    assert "nobody waits" in done.stdout + done.stderr


HEAVY = r"""
from course_utils.tools import grading, judge_process, judging

for unit in ("#", "#\n", " \n", "\n", "# NBVAL_", "Cell In", "File \n", "-", "1", "\x1b[", "sys.", '"', '"\\', '\\"',
             "(", "from course_utils import (\n"):
    for start in ("", "Cell In[1]\n---> 1"):
        text = start + unit * (1_000_000 // len(unit)) + "!"
        judging._plain(text), judge_process.line_of([text]), judging.lines(text), grading.TAMPERING.search(text)
        judging.STRING.sub(b"", text.encode()), grading._cell(text)
for begin, unit in (("from course_utils." + "a" * 500_000 + " import ", "a,"),
                    (" " * 500_000 + "from course_utils import augmented, ", "a,"),
                    ("from course_utils import augmented, ", "a.")):
    judging._plain(begin + unit * 250_000)
"""


@pytest.mark.parametrize(("limit", "value", "message"), [
    ("VALUES", 100, "stores more than 100 values; clear its outputs and save it again"),
    ("CELLS", 5, "has more than 5 cells; delete those that are not needed"),
    ("CODE", 100, "has more than 100 characters of code; delete what is not needed")])
def test_what_is_too_large_to_be_judged_is_one_sentence(limit, value, message, tmp_path, monkeypatch):
    path = tmp_path / "ex02_batch_normalization.ipynb"
    cells = [nbformat.v4.new_code_cell("x" * 20) for _ in range(5)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"text": "{[,:" * 100}), path)
    judging.read(path)
    monkeypatch.setattr(judging, limit, value)
    judging.read(path)
    cells = [*cells, nbformat.v4.new_code_cell("x")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"text": "{[,:" * 100}), path)
    with refused(ValueError, match=message):
        judging.read(path)


def test_reading_needs_little_more_memory_than_the_values_in_the_file(tmp_path):
    path = tmp_path / "ex02_batch_normalization.ipynb"
    path.write_text('{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {"x": [' + "{}," * 300_000 + "{}]}}")
    judging.read(path)
    tracemalloc.start()
    judging.read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 60 * path.stat().st_size   # nbformat would need 170 times the size of the file


@pytest.mark.parametrize("change", [
    {"metadata": []}, {"metadata": {"course": {"exercise": [1]}}}, {"nbformat": [], "nbformat_minor": "x"}])
def test_odd_parts_of_a_notebook_that_are_not_judged_do_no_harm(change, tmp_path):
    path = tmp_path / "ex02_batch_normalization.ipynb"
    cell = {"cell_type": "code", "source": ["a", "=1"], "id": ["x"], "outputs": 3, "metadata": "x", "attachments": [1]}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | change))
    name, notebook, key = judging.read(path)
    assert name == path.stem
    assert judging.merge(notebook, key).cells[0].source == "a=1"


@pytest.mark.parametrize("change", [
    {"source": {"splitlines": 1}}, {"source": [1]}, {"source": None}, {"cell_type": 3}, {"cell_type": ["code"]}])
def test_an_odd_cell_makes_a_notebook_unreadable(change, tmp_path):
    path = tmp_path / "ex02_batch_normalization.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": ""} | change], "metadata": {}}))
    with refused(ValueError, match="cannot be read as a notebook"):
        judging.read(path)


def test_no_pattern_takes_minutes_for_a_megabyte():
    # It takes seconds; a pattern that is matched in quadratic time would take an hour.
    subprocess.run([sys.executable, "-c", HEAVY], cwd=build.HOME, check=True, timeout=300)


@pytest.mark.notebooks
@pytest.mark.parametrize(("source", "line"), [
    ("values = [1, 2]\nvalues[7]\n", "✗ cell 1 stops at `values[7]` with IndexError: list index out of range"),
    ("x = = 2", "✗ cell 1 stops at `x = = 2` with SyntaxError: invalid syntax"),
    ("import numpy as np\nnp.linalg.inv(np.ones(3))",
     "✗ cell 1 stops at `np.linalg.inv(np.ones(3))` with LinAlgError: "),
    ("input('?')", "✗ cell 1 stops at `input('?')` with StdinNotImplementedError: "),
], ids=["error", "syntax", "library", "input"])
def test_a_cell_that_fails_is_told_by_its_line_and_the_checks_go_on(source, line, home):
    solved = load(home, "solutions")
    cell(solved, "02-small-01").source += f"\n{source}" if "= =" not in source else ""
    if "= =" in source:
        solved.cells.insert(1, nbformat.v4.new_code_cell(source))
    first, *rest = judged(save(home, solved))
    assert first.startswith(line)
    assert rest == SOLVED


@pytest.mark.notebooks
def test_a_missing_answer_and_an_error_in_an_answer_are_told_by_their_check(home):
    solved = load(home, "solutions")
    cell(solved, "02-answer-2-9").source = "def largest_rate(runs, batch_norm):\n    return runs.nothing"
    cell(solved, "02-answer-2-13").source = "pass"
    assert judged(save(home, solved)) == [
        "✗ 2.9 your line `return runs.nothing` stops with AttributeError: 'Dataset' object has no attribute 'nothing'",
        "✗ 2.13 has no answer: name 'flaws' is not defined"]


@pytest.mark.notebooks
@pytest.mark.parametrize("where", ["cell", "answer"])
def test_an_endless_loop_ends_with_one_sentence_and_the_checks_go_on(where, home):
    solved, endless = load(home, "solutions"), "does not end within 10 s: look for a loop that never stops"
    if where == "cell":
        solved.cells.append(nbformat.v4.new_code_cell("while True:\n    pass"))
        assert judged(save(home, solved), timeout=10) == [*SOLVED, f"✗ cell 6 {endless}"]
    else:
        cell(solved, "02-answer-2-9").source = "def largest_rate(runs, batch_norm):\n    while True:\n        pass"
        assert judged(save(home, solved), timeout=10) == [f"✗ 2.9 {endless}", SOLVED[1]]


@pytest.mark.notebooks
def test_a_kernel_that_dies_fails_the_checks_after_it(home):
    solved = load(home, "solutions")
    cell(solved, "02-answer-2-13").source += "\nimport os\nos._exit(1)"
    first, *rest = judged(save(home, solved), timeout=10)
    assert first == SOLVED[0]
    assert rest[-1].startswith("✗ 2.13 was not run")


@pytest.mark.notebooks
def test_a_kept_judge_runs_what_a_change_concerns_and_nothing_else(home, tmp_path):
    notebook, noted = load(home, "solutions"), tmp_path / "noted"
    for name in ("02-small-01", "02-answer-2-9", "02-answer-2-13"):
        cell(notebook, name).source += f'\nopen({str(noted)!r}, "a").write("{name[-4:]} ")'

    def lines():
        noted.write_text("")
        found = judge.verdicts(notebook, nbformat.read(checks.KEYS / "02_small.ipynb", 4))
        return [verdict.line for verdict in found if verdict], noted.read_text().split()

    with judging.Judge() as judge:
        assert lines() == (SOLVED, ["l-01", "-2-9", "2-13"])
        assert lines() == (SOLVED, [])
        cell(notebook, "02-answer-2-13").source = 'flaws = {"a"}'
        (first, second), ran = lines()
        assert (first, second[:6], ran) == (SOLVED[0], "✗ 2.13", [])
        cell(notebook, "02-small-01").source = cell(notebook, "02-small-01").source.replace("0.9", "0.5")
        (first, _), ran = lines()
        assert (first[:5], ran) == ("✗ 2.9", ["l-01", "-2-9"])   # the answer uses what was given
        notebook.cells.remove(cell(notebook, "02-answer-2-9"))
        (first, _), ran = lines()
        assert first == "✗ 2.9 has no answer: name 'largest_rate' is not defined"
        cell(notebook, "02-answer-2-13").source = "import os\nos._exit(1)"
        assert lines()[0][-1].startswith("✗ 2.13 was not run")
        cell(notebook, "02-answer-2-13").source = 'flaws = {"a", "b", "e", "g"}'
        assert lines()[0][-1] == SOLVED[1]   # with a new kernel


# The command


@pytest.mark.notebooks
def test_the_command_takes_a_path_and_its_status_says_whether_all_passed(home, capsys):
    unsolved = home / "exercises" / "02_small.ipynb"
    solved = save(home, load(home, "solutions"), "02_small-Copy1")
    nbformat.write(nbformat.from_dict(load(home, "solutions") | {"metadata": load(home).metadata}), solved)
    assert cli.main(["check", str(solved)]) == 0
    assert capsys.readouterr().out == "02_small-Copy1\n  " + "\n  ".join([*SOLVED, "2 of 2 checks passed"]) + "\n\n"
    assert cli.main(["check", str(unsolved)]) == 1
    assert "0 of 2 checks passed" in capsys.readouterr().out


def test_a_cell_that_fails_is_no_check_but_counts(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(judging, "check", lambda path: [
        judging.Verdict("✓ 2.1 fine", True), judging.Verdict("✗ cell 3 stops", False, is_check=False)])
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "02_small.ipynb")
    assert cli.main(["check", str(tmp_path / "02_small.ipynb")]) == 1
    assert capsys.readouterr().out == (
        "02_small\n  ✓ 2.1 fine\n  ✗ cell 3 stops\n  1 of 1 checks passed, 1 other cells failed\n\n")


@pytest.mark.parametrize(("name", "said"), [
    ("77", "No exercise begins with 77; there are ex01_learning_curves, ex02_batch_normalization"),
    ("nowhere.ipynb", "There is no file nowhere.ipynb."),
    ("README.md/x.ipynb", "There is no file README.md/x.ipynb."),
])
def test_an_unknown_exercise_is_one_sentence(name, said, capsys):
    assert cli.main(["check", name]) == 1
    assert capsys.readouterr().err.startswith(said)


def test_a_number_that_fits_several_exercises_is_one_sentence(tmp_path):
    (tmp_path / "exercises").mkdir()
    for name in ("01_a", "02_b"):
        (tmp_path / "exercises" / f"{name}.ipynb").touch()
    assert judging.find("2", tmp_path).stem == "02_b"
    with pytest.raises(ValueError, match="Several exercises begin with 0; there are 01_a, 02_b."):
        judging.find("0", tmp_path)


def test_a_file_that_is_no_exercise_is_one_sentence(tmp_path, capsys):
    broken, other = tmp_path / "broken.ipynb", tmp_path / "other.ipynb"
    broken.write_text("{")
    nbformat.write(nbformat.v4.new_notebook(), other)
    assert cli.main(["check", str(broken)]) == 1
    assert "cannot be read as a notebook" in capsys.readouterr().err
    assert cli.main(["check", str(other)]) == 1
    assert "belongs to no exercise; there are ex01_learning_curves, ex02_batch_normalization" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["2", "02", "02_batch"])
def test_an_exercise_is_found_by_its_number_and_by_its_name(name):
    assert judging.find(name) == build.HOME / "exercises" / "ex02_batch_normalization.ipynb"


# The exercises of the course


def test_a_question_that_is_no_longer_asked_is_judged_where_it_still_is():
    old = build.HOME / "tests" / "data" / "previous" / "01_learning_curves.ipynb"
    for path, asked in ((old, True), (checks.PRISTINE / "ex01_learning_curves.ipynb", False)):
        _, notebook, key = judging.read(path)
        names = [cell.id for cell in key.cells]
        assert ("01-check-1-5" in names) == asked
        assert names == sorted(names)
        assert [cell.id for cell in judging.merge(notebook, key).cells if "-check-" in cell.id] == names


@pytest.mark.parametrize("twin", build.solutions(), ids=lambda twin: twin.stem)
def test_solution_exercise_and_key_are_in_step_with_the_text_twin(twin):
    exercise = build.HOME / "exercises" / f"{twin.stem}.ipynb"
    solved, key = build.notebook_of(twin), nbformat.read(checks.KEYS / f"{twin.stem}.ipynb", 4)
    assert build.differences(twin, solved) == []
    if build.is_pristine(exercise):   # a learner may work in it
        assert build.differences(twin, exercise, build.exercise(twin)) == []
        assert nbformat.read(exercise, 4).metadata == build.exercise(twin).metadata
        assert "BEGIN SOLUTION" not in exercise.read_text(encoding="utf-8")
    stored = [one for one in nbformat.read(solved, 4).cells if build.CHECKED in one.metadata.get("tags", [])]
    assert [(one.id, one.source, one.outputs) for one in key.cells] == [(o.id, o.source, o.outputs) for o in stored]


@pytest.mark.parametrize("path", [build.notebook_of(twin) for twin in build.solutions()], ids=lambda path: path.stem)
def test_every_cell_of_a_solution_was_run_and_says_nothing_of_the_machine(path):
    for one in nbformat.read(path, 4).cells:
        if one.cell_type == "code":
            assert one.execution_count is not None
            assert str(build.HOME) not in str(one.outputs)
            assert "stderr" not in str(one.outputs)


def test_there_is_an_exercise_and_a_key_for_every_solution():
    names = [twin.stem for twin in build.solutions()]
    assert names
    assert [path.stem for path in judging.exercises()] == names
    assert sorted(path.stem for path in checks.KEYS.glob("*.ipynb")) == names


@pytest.fixture
def course(tmp_path):
    """The course as an instructor may hand it out: without solutions/."""
    shutil.copytree(build.HOME / "course_utils", tmp_path / "course_utils",
                    ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "exercises").mkdir()
    return tmp_path


# A slow machine is no error here: more seconds for a cell than a learner's has.
PATIENT = ("import sys; from course_utils.tools import cli, judging; judging.check.__kwdefaults__['timeout'] = 900; "
           "sys.exit(cli.main(sys.argv[1:]))")


def course_check(course, *words):
    return subprocess.run([sys.executable, "-c", PATIENT, "check", *words], cwd=course,
                          env=os.environ | {"PYTHONPATH": str(course)}, capture_output=True, text=True)


@pytest.mark.notebooks
@pytest.mark.parametrize("twin", build.solutions(), ids=lambda twin: twin.stem)
def test_the_solution_passes_where_there_are_no_solutions(twin, course):
    shutil.copy(build.notebook_of(twin), course / "exercises")
    done = course_check(course)
    lines = done.stdout.split("\n  ")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(lines) > 3
    assert all(line.startswith("✓ ") for line in lines[1:-1])


@pytest.mark.notebooks
@pytest.mark.parametrize("twin", [pytest.param(twin, marks=[] if "ex03" in twin.stem else pytest.mark.audit)
                                  for twin in build.solutions()], ids=lambda twin: twin.stem)
def test_the_unsolved_exercise_fails_at_every_check_and_nowhere_else(twin, course):
    nbformat.write(build.exercise(twin), course / "exercises" / f"{twin.stem}.ipynb")
    done = course_check(course, twin.stem[:2])
    lines = done.stdout.split("\n  ")
    questions = len(nbformat.read(checks.KEYS / f"{twin.stem}.ipynb", 4).cells)
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(lines) == questions + 2
    assert all(line.startswith("· ") and line.endswith(" not answered yet") for line in lines[1:-1])
