"""An exercise as a learner meets it: run, saved, judged by its button, and still unsolved if it is."""

import json
import shutil

import jupytext
import nbformat
import pytest

from course_utils import checks
from course_utils.tools import build, judging
from tests.helpers import jupyterlab

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]


@pytest.fixture
def lab(tmp_path):
    """A folder served by JupyterLab, and a page."""
    with jupyterlab.page(tmp_path) as page:
        yield page


def test_an_unsolved_exercise_that_was_run_and_saved_is_still_unsolved(lab):
    exercise = checks.PRISTINE / "ex02_batch_normalization.ipynb"
    shutil.copy(exercise, lab.root)
    jupyterlab.open_notebook(lab, lab.address, exercise.name)
    lab.evaluate(jupyterlab.RUN_ALL)   # returns when all cells have run
    lab.evaluate(jupyterlab.SAVE)
    saved = nbformat.read(lab.root / exercise.name, 4)
    code = [cell for cell in saved.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "a cell was not run"
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    before = (lab.root / exercise.name).read_bytes()
    verdicts = judging.check(lab.root / exercise.name)
    assert len(verdicts) == 13
    assert all(verdict.is_check and verdict.line.startswith("·") for verdict in verdicts)
    assert (lab.root / exercise.name).read_bytes() == before


ANSWER = """def update_running(moving_mean, moving_variance, x, p):
    return moving_mean, moving_variance
"""
RIGHT = "return p * moving_mean + (1 - p) * x.mean(0), p * moving_variance + (1 - p) * x.var(0)"


def test_the_button_saves_and_judges_while_the_kernel_stays_free(lab):
    """A short exercise: one answer that is wrong, the check, and the progress."""
    notebook = jupytext.reads("# %%\nfrom course_utils.checks.exercise import hint, progress\n\n# %%\n0\n\n# %%\n"
                              "from course_utils.checks import batch_normalization as checks\n\n"
                              "checks.running_statistics(update_running)\n\n# %%\nhint('2.2')\n\n"
                              "# %%\nprogress()\n\n# %%\nprint('free')\n", fmt="py:percent")
    notebook.cells[1].source = ANSWER
    notebook.cells[2].id = "02-check-2-2"
    notebook.metadata = {"kernelspec": build.KERNEL, "course": {"exercise": "ex02_batch_normalization"}}
    nbformat.write(notebook, lab.root / "mine.ipynb")
    jupyterlab.open_notebook(lab, lab.address, "mine.ipynb")
    lab.evaluate(jupyterlab.RUN_ALL)
    lab.get_by_role("button", name="Hint").click(timeout=60_000)
    lab.get_by_text("Hint 1 of 3: ").wait_for(timeout=60_000)
    button = lab.get_by_role("button", name="Check my work")
    button.wait_for(timeout=60_000)
    # An answer that was typed, and not saved yet, has to be the one that is judged.
    lab.evaluate("answer => { window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.setSource("
                 "answer); }", ANSWER.replace("return moving_mean, moving_variance", RIGHT))
    button.click()
    lab.wait_for_function("() => document.querySelector('.course-progress [role=status]')?.textContent.startsWith("
                          "'Running')", timeout=120_000)
    free = lab.evaluate("""async () => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        const future = kernel.requestExecute({code: 'print(6 * 7)'});
        let said = '';
        future.onIOPub = message => { said += message.content.text || ''; };
        await future.done;
        return said + document.querySelector('.course-progress [role=status]').textContent;
    }""")
    assert free.startswith("42")
    assert "Running" in free   # it answered while the judge was still at work
    status = lab.locator(".course-progress [role=status]")
    lab.wait_for_function("() => / checks passed/.test(document.querySelector('.course-progress [role=status]')"
                          ".textContent)", timeout=240_000)
    assert status.inner_text().startswith("1 of 13 checks passed.")
    assert "the last saved version" not in status.inner_text()
    assert "✓ 2.2" in lab.locator(".course-progress table").inner_text().replace("\xa0", " ")
    noted = json.loads((lab.root / ".progress.json").read_text(encoding="utf-8"))
    assert noted["2.2"]["line"].startswith("✓ 2.2")
