"""An unsolved exercise, run and saved in JupyterLab, still fails at every check."""

import shutil

import nbformat
import pytest

from course_utils import answers
from tests.browser import jupyterlab

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]


def test_an_unsolved_exercise_that_was_run_and_saved_is_still_unsolved(tmp_path):
    jupyterlab.require_chromium()
    root = tmp_path / "root"
    root.mkdir()
    exercise = answers.find("2")
    shutil.copy(exercise, root)
    with jupyterlab.server(root, tmp_path / "state") as address, jupyterlab.browser() as browser:
        page = browser.new_page()
        jupyterlab.open_notebook(page, address, exercise.name)
        page.evaluate(jupyterlab.RUN_ALL)   # returns when all cells have run
        page.evaluate(jupyterlab.SAVE)
    saved = nbformat.read(root / exercise.name, 4)
    code = [cell for cell in saved.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "a cell was not run"
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    before = (root / exercise.name).read_bytes()
    verdicts = answers.check(root / exercise.name)
    assert len(verdicts) == 8
    assert all(verdict.is_check and verdict.line.startswith("·") for verdict in verdicts)
    assert (root / exercise.name).read_bytes() == before
