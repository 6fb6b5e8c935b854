"""A learner's answers, judged: ``course check``.

What the checks print stands in the notebook that the learner saves, so nbval on that file would
compare a failure with itself. Instead the learner's cells are put between the check cells of the
answer key, and nbval runs this notebook in a fresh kernel, in a temporary folder. The learner's
file is only read.

The functions named ``pytest_…`` make this module a pytest plugin: they note what each cell
printed, since nbval's own report speaks of "Cell 4".
"""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import warnings

import nbformat
import pytest

from course_utils import build, checks

TIMEOUT = 120   # seconds for one cell
RECORD = "COURSE_CHECK_RECORD"   # the environment variable that tells the plugin where to write
NBVAL = ["-m", "pytest", "-p", "nbval.plugin", "-p", "course_utils.answers", "-p", "no:cacheprovider",
         "--nbval-lax", "--nbval-current-env", "-q", "-c", os.devnull]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One line of the table: what a check says, or where a cell of the learner failed."""

    line: str
    passed: bool
    is_check: bool = True


def exercises(home=build.HOME):
    """Paths of all exercises, in order of their names."""
    return sorted((home / "exercises").glob("*.ipynb"))


def find(name, home=build.HOME):
    """The notebook that is meant by ``2``, ``02``, the beginning of a name, or a path.

    Raises
    ------
    ValueError
        There is none, or none that can be told.
    """
    if name.endswith(".ipynb") or os.sep in name:
        path = pathlib.Path(name)
        if not path.is_file():
            raise ValueError(f"There is no file {name}.")
        return path
    found = [path for path in exercises(home)
             if path.stem.startswith(name) or (name.isdigit() and path.stem.split("_")[0] == name.zfill(2))]
    if len(found) != 1:
        there = ", ".join(path.stem for path in exercises(home)) or "none"
        raise ValueError(f"{'No exercise begins' if not found else 'Several exercises begin'} with {name}; "
                         f"there are {there}.")
    return found[0]


def check(path, *, timeout=TIMEOUT, progress=None):
    """Judge the answers in one notebook.

    Parameters
    ----------
    path : pathlib.Path
        An exercise, under whatever name; it is only read.
    timeout : float
        Seconds that one cell may take.
    progress : callable, optional
        Told the share of the cells that have run, several times.

    Returns
    -------
    list of Verdict, in the order of the notebook: each check, and each cell that failed

    Raises
    ------
    ValueError
        The file is no notebook, or of no exercise.
    """
    notebook, key = _read(path)
    merged = merge(notebook, key)
    with tempfile.TemporaryDirectory() as folder:
        records = _run(merged, pathlib.Path(folder), timeout, progress)
    return [verdict for verdict in (_judge(cell, records.get(cell.id), timeout) for cell in merged.cells) if verdict]


def merge(notebook, key):
    """The learner's cells between the key's check cells.

    A check cell is known by its id. Where one is missing, twice there or out of order, all of
    the learner's cells come first and then all checks.

    Parameters
    ----------
    notebook, key : nbformat.NotebookNode
        Neither is changed.

    Returns
    -------
    nbformat.NotebookNode with code cells only; the ids of the learner's are ``cell-N``, counted
    as in their notebook from 1
    """
    judges = {cell.id: cell for cell in key.cells}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    known = [cell.id for cell in code if cell.get("id") in judges]
    # Without outputs and tags, so that nothing of the learner's is compared.
    own = {id(cell): nbformat.v4.new_code_cell(cell.source, id=f"cell-{number}")
           for number, cell in enumerate(code, 1)}
    if known == list(judges):
        cells = [judges.get(cell.id) or own[id(cell)] for cell in code]
    else:
        cells = [own[id(cell)] for cell in code if cell.get("id") not in judges] + list(judges.values())
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": build.KERNEL})


def _read(path):
    """A learner's notebook and the answer key of its exercise."""
    try:
        with warnings.catch_warnings(action="ignore"):   # ids missing or twice there: `merge` copes
            notebook = nbformat.read(path, 4)
    except Exception:
        raise ValueError(f"{path} cannot be read as a notebook; open it in JupyterLab and save it again.") from None
    name = exercise_of(notebook, path)
    if not name:
        there = ", ".join(sorted(key.stem for key in checks.KEYS.glob("*.ipynb")))
        raise ValueError(f"{path} belongs to no exercise; there are {there}.")
    return notebook, nbformat.read(checks.KEYS / f"{name}.ipynb", 4)


def exercise_of(notebook, path):
    """Name of the exercise that a notebook says it is, or is called after; None if it is none."""
    names = [notebook.metadata.get("course", {}).get("exercise"), path.stem]
    return next((name for name in names if name and (checks.KEYS / f"{name}.ipynb").is_file()), None)


def _run(notebook, folder, timeout, progress=None):
    """Run nbval; what the plugin noted of each cell, by the cell's id."""
    nbformat.write(notebook, folder / "notebook.ipynb")
    record = folder / "record.jsonl"
    record.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= build.QUIET | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", RECORD: str(record)}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, *NBVAL, "--nbval-cell-timeout", str(timeout), "--rootdir", str(folder), "notebook.ipynb"],
            cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            time.sleep(0.1)
            if progress:
                progress(record.read_bytes().count(b"\n") / len(notebook.cells))
    records = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    if not records:
        said = (folder / "log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"The notebook could not be run:\n{said[-2000:]}")
    return {one["id"]: one for one in records}


def _judge(cell, record, timeout):
    """The line for one cell; None for a cell of the learner that ran."""
    is_check = build.CHECKED in cell.metadata.get("tags", [])
    if record and record["passed"] and not is_check:
        return None
    said = "".join(output.get("text", "") for output in record["outputs"]).strip() if record else ""
    if record and is_check and not record["error"] and re.match("✓ .*$" if record["passed"] else "[✗·] .*$", said):
        return Verdict(said, record["passed"])
    where = cell.id.split("check-")[1].replace("-", ".") if is_check else cell.id.replace("-", " ")
    return Verdict(f"✗ {where} {_sentence(record, is_check, timeout)}", False, is_check)


def _sentence(record, is_check, timeout):
    """What kept a cell from ending as it should."""
    error = record and record["error"]
    if not record or (not error and "Timeout" not in record["failure"] and "dead" in record["failure"]):
        return "was not run, since the kernel died before"
    if "Timeout" in record["failure"]:
        return f"does not end within {timeout:g} s: look for a loop that never stops"
    if not error:
        return "prints something else than its check does"
    if is_check and error["ename"] == "NameError":
        return f"has no answer: {error['evalue']}"
    what = f"{error['ename']}: {next(iter(error['evalue'].splitlines()), '')}"
    line = _line_of(error["traceback"])
    return f"stops at `{line}` with {what}" if line else f"stops with {what}"


def _line_of(traceback):
    """The learner's line in a traceback of IPython: the last one that belongs to a cell."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(traceback))
    frames = re.split(r"^(?=(?:File |Cell In|  Cell In))", text, flags=re.MULTILINE)
    for frame in reversed([frame for frame in frames if "Cell In" in frame.partition("\n")[0]]):
        if pointed := re.search(r"^-*> ?\d+ (.*)$", frame, re.MULTILINE):
            return pointed[1].strip()
        if written := re.search(r"^.*Cell In.*\n +(.*)$", frame, re.MULTILINE):   # a syntax error
            return written[1].strip()
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Note whether a cell ended as it should, what it printed, and its error."""
    if call.when != "call" or RECORD not in os.environ:
        return
    outputs = item.test_outputs or []
    error = next((output for output in outputs if output.output_type == "error"), None)
    failure = str(call.excinfo.value) if call.excinfo else ""
    with open(os.environ[RECORD], "a", encoding="utf-8") as file:
        print(json.dumps({"id": item.cell.id, "passed": call.excinfo is None, "failure": failure,
                          "outputs": outputs, "error": error}), file=file)
