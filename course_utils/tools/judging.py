"""A learner's answers, judged: ``course check``.

A saved notebook holds what its checks printed, so nbval on that file would compare a failure with itself. Instead, the
learner's cells are put between the check cells of the answer key, and nbval runs the resulting notebook in a fresh
kernel, in a temporary folder. The learner's file is only read.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import nbformat

from course_utils import checks, moved
from course_utils.tools import build, nbval_plugin

TIMEOUT = 120   # seconds for one cell
NBVAL = ["-m", "pytest", "-p", "nbval.plugin", "-p", "course_utils.tools.nbval_plugin", "-p", "no:cacheprovider",
         "--nbval-lax", "--nbval-current-env", "-q", "-c", os.devnull, "--rootdir", ".", "notebook.ipynb"]
# Matched against one line at a time: across lines, a megabyte of "#" would take minutes.
MARKER = re.compile(r"#[#\s]*(?:NBVAL|PYTEST_VALIDATE)_[A-Z_]+")
VALUES = 2_000_000   # of a notebook's JSON, which need some hundred bytes of memory each
CELLS = 10_000
CODE = 4_000_000   # characters in all code cells
STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)   # it never fails, so nothing is scanned twice


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One line of the table: what a check says, or where one of the learner's cells failed."""

    line: str
    passed: bool
    is_check: bool = True


def exercises(home=build.HOME):
    """Paths of all exercises; untouched ones only if they weren't begun under their earlier name, without ``ex``."""
    paths = sorted((home / "exercises").glob("*.ipynb"))
    earlier = {f"ex{path.stem}" for path in paths}
    return [path for path in paths if path.stem not in earlier or not build.is_pristine(path)]


def find(name, home=build.HOME):
    """The notebook that is meant by ``2``, ``02``, the beginning of a name, or a path; a ValueError if unclear."""
    if name.endswith(".ipynb") or os.sep in name:
        path = pathlib.Path(name)
        if not path.is_file():
            raise ValueError(f"There is no file {name}.")
        return path
    return meant(name, exercises(home))


def meant(name, paths):
    """The one path that is meant by ``2``, ``02``, or the beginning of its name; a ValueError if unclear."""
    matches = build.named(paths, name)
    if len(matches) != 1:
        raise ValueError(f"{'Several exercises begin' if matches else 'No exercise begins'} with {name}; "
                         f"there are {', '.join(path.stem for path in paths) or 'none'}.")
    return matches[0]


def check(path, *, timeout=TIMEOUT, progress=None):
    """Judge the answers in one notebook.

    Parameters
    ----------
    path : pathlib.Path
        An exercise, under whatever name; it is only read.
    timeout : float
        Seconds that one cell may take.
    progress : callable, optional
        Called several times with the share of the cells that have run.

    Returns
    -------
    list of Verdict, in the order of the notebook: each check, and each cell that failed

    Raises
    ------
    ValueError
        The file is not a notebook, or it belongs to no exercise.
    """
    _, notebook, key = read(path)
    return judge(notebook, key, timeout=timeout, progress=progress)


def judge(notebook, key, *, timeout=TIMEOUT, progress=None, run=None):
    """`check` for a notebook and a key as `read` returns them; `run` replaces `run_here` and has its arguments."""
    merged = merge(notebook, key)
    records, stopped = _run(merged, timeout, progress, run or run_here)
    judged = (_judge(cell, records.get(cell.id), timeout, stopped) for cell in merged.cells)
    return [verdict for verdict in judged if verdict]


def merge(notebook, key):
    """The learner's cells between the key's check cells.

    If a check cell is missing, duplicated, or out of order, all of the learner's cells come first and then all checks.

    Parameters
    ----------
    notebook, key : nbformat.NotebookNode
        Neither is changed.

    Returns
    -------
    nbformat.NotebookNode with code cells only; the ids of the learner's are ``cell-N``, counted from 1
    """
    judges = {cell.id: cell for cell in key.cells}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    names = recognize(code, key)
    # Without outputs and tags, so that none of the learner's outputs are compared.
    own = {id(cell): nbformat.v4.new_code_cell(_plain(cell.source), id=f"cell-{number}")
           for number, cell in enumerate(code, 1)}
    if [name for name in names if name] == list(judges):
        cells = [judges[name] if name else own[id(cell)] for name, cell in zip(names, code, strict=True)]
    else:
        cells = [own[id(cell)] for name, cell in zip(names, code, strict=True) if not name] + list(judges.values())
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": build.KERNEL})


def recognize(code, key):
    """Which of a learner's code cells are check cells: a list with a check's id or None for each cell.

    A check cell is known by its id. Some services drop or replace ids, so a check whose id is missing is the first
    cell that holds its code.
    """
    ids, present = {cell.id for cell in key.cells}, {cell.get("id") for cell in code}
    lost = {"\n".join(lines(cell.source)): cell.id for cell in key.cells if cell.id not in present}
    return [cell.id if cell.get("id") in ids else lost.pop("\n".join(lines(cell.source)), None) for cell in code]


def lines(source):
    """Lines of code without what editors change: spaces at their ends, line ends, empty lines around them."""
    return [line.rstrip() for line in source.strip().splitlines()]


def _plain(source):
    """A learner's code with today's imports, without nbval's markers, which mean nothing in Jupyter, as UTF-8 text."""
    text = moved.translate(source.replace("\r\n", "\n").encode("utf-8", "replace").decode("utf-8"))
    return "".join(f"{line.rstrip()}.\n" if MARKER.fullmatch(line.strip()) else line
                   for line in text.splitlines(keepends=True))


def read(path):
    """The name of the exercise that a file holds, the notebook, and the answer key.

    The time this takes is linear in the size of the file. Of the notebook there are only its cells' types, sources,
    and ids, and the exercise in its metadata, since everything else may be huge, and of any type.

    Raises
    ------
    ValueError
        The file is not a notebook, it is too large, or it belongs to no exercise.
    """
    try:
        content = path.read_bytes()
        too_many = sum(map(STRING.sub(b"", content).count, (b",", b":", b"[", b"{"))) > VALUES
        notebook = None if too_many else _notebook(content)
    except Exception:
        raise ValueError(f"{path} cannot be read as a notebook; open it in JupyterLab and save it again.") from None
    if too_many:
        raise ValueError(f"{path} stores more than {VALUES:,} values; clear its outputs and save it again.")
    if len(notebook.cells) > CELLS:
        raise ValueError(f"{path} has more than {CELLS:,} cells; delete those that are not needed.")
    if sum(len(cell.source) for cell in notebook.cells if cell.cell_type == "code") > CODE:
        raise ValueError(f"{path} has more than {CODE:,} characters of code; delete what is not needed.")
    name = exercise_of(notebook, path)
    if not name:
        raise ValueError(f"{path} belongs to no exercise; there are {', '.join(_keys())}.")
    return name, notebook, nbformat.read(_keys()[name], 4)


def _notebook(content):
    """What is judged of the JSON of a notebook, in any version of its format; any error if it is not a notebook."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    book = json.loads(text)
    metadata, cells = book.get("metadata"), []
    for sheet in book.get("worksheets", [book]):   # where cells were until 2014, with `input` in place of `source`
        for cell in sheet["cells"]:
            source = cell.get("source", cell.get("input"))
            source = "".join(source) if isinstance(source, list) else source
            if not isinstance(source, str) or not isinstance(cell["cell_type"], str):
                raise TypeError
            name = {"id": cell["id"]} if isinstance(cell.get("id"), str) else {}
            cells.append({"cell_type": cell["cell_type"], "source": source} | name)
    course = metadata.get("course") if isinstance(metadata, dict) else None
    exercise = course.get("exercise") if isinstance(course, dict) else None
    return nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "cells": cells, "metadata": {
        "course": {"exercise": exercise if isinstance(exercise, str) else None}}})


def exercise_of(notebook, path):
    """Name of the exercise that a notebook holds, by its metadata, its file's name, or its check cells; or None."""
    keys = _keys()
    course = notebook.metadata.get("course")
    declared = str(course.get("exercise") if isinstance(course, dict) else None).removeprefix("ex")
    bare = {name: name.removeprefix("ex") for name in keys}   # in earlier versions exercises had the names of lectures
    for fits in (lambda name: name == declared, lambda name: name == path.stem.removeprefix("ex"),
                 lambda name: name in path.stem):
        if names := [name for name in keys if fits(bare[name])]:
            return names[0]
    counts = {name: sum(map(bool, recognize(notebook.cells, nbformat.read(key, 4)))) for name, key in keys.items()}
    best = max(counts, key=counts.get, default=None)
    return best if best and counts[best] else None


def _keys():
    """Paths of the answer keys by the names of their exercises."""
    return {path.stem: path for path in sorted(checks.KEYS.glob("*.ipynb"))}


def _run(notebook, timeout, progress, run):
    """Run nbval; return the plugin's record of each cell, by the cell's id, and why the run was stopped, if it was."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "record.jsonl"
        with open(path, "ab") as file:
            # An open file, not a path: the learner's code must not write verdicts itself.
            shared = [file.fileno()] if os.name == "posix" else []
            environment |= build.QUIET | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                                          nbval_plugin.RECORD: str(*shared or [path])}
            printed, stopped = run(
                [sys.executable, *NBVAL, "--nbval-cell-timeout", str(timeout)], nbformat.writes(notebook),
                environment, shared,
                lambda: progress and progress(path.read_bytes().count(b"\n") / (len(notebook.cells) + 1)))
        records = {}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):   # the last line, if it was stopped while writing
                record = json.loads(line)
                records[record["id"]] = record
    if not records and not stopped:
        raise RuntimeError(f"The notebook could not be run:\n{printed[-2000:]}")
    return records, stopped


def run_here(words, notebook, environment, shared, tick):
    """Run nbval in an empty folder.

    Parameters
    ----------
    words : list of str
        The command; it reads ``notebook.ipynb``.
    notebook : str
        What that file holds.
    environment : dict of str
    shared : list of int
        File descriptors that the command inherits.
    tick : callable
        Called several times while it runs.

    Returns
    -------
    tuple of what the command printed, and why it was stopped, or None
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        pathlib.Path(folder, "notebook.ipynb").write_text(notebook, encoding="utf-8")
        process = subprocess.Popen(words, cwd=folder, env=environment, pass_fds=shared, stdout=log,
                                   stderr=subprocess.STDOUT)
        while process.poll() is None:
            time.sleep(0.1)
            tick()
        log.seek(0)
        return log.read().decode("utf-8", "replace"), None


def _judge(cell, record, timeout, stopped=None):
    """The line for one cell; None for one of the learner's cells that ran."""
    is_check = build.CHECKED in cell.metadata.get("tags", [])
    if record and record["passed"] and not is_check:
        return None
    printed = "".join(output.get("text", "") for output in record["outputs"]).strip() if record else ""
    expected = "✓ .*$" if record and record["passed"] else "[✗·] .*$"
    if record and is_check and not record["error"] and re.match(expected, printed):
        return Verdict(printed, record["passed"])
    where = cell.id.split("check-")[1].replace("-", ".") if is_check else cell.id.replace("-", " ")
    return Verdict(f"✗ {where} {_sentence(record, is_check, timeout, stopped)}", False, is_check)


def _sentence(record, is_check, timeout, stopped):
    """What kept a cell from ending as it should."""
    if not record:
        return f"was not run, since {stopped or 'its run was ended from within'}"
    error = record["error"]
    if "Kernel dead" in record["failure"]:
        return "was not run, since the kernel died before"
    if record["died"]:
        return f"was not finished, since the kernel died: {record['died']}"
    if record["flooded"]:
        return f"prints more than {nbval_plugin.PRINTED / 1e6:g} MB: look for a print in a loop that never stops"
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
        if (written := frame.partition("\n")[2]).startswith(" "):   # a syntax error
            return written.partition("\n")[0].strip()
    return None
