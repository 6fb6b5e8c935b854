"""A learner's answers, judged: ``course check``.

A saved notebook holds what its checks printed, and its check cells may have been changed. Therefore, the cells of the
learner are put between the check cells of the answer key, and `judge_process` runs the resulting notebook: their
cells in a fresh kernel in a temporary folder, and the checks in a process of its own. The learner's file is only read.
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
import threading
import time

import nbformat

from course_utils import checks, moved
from course_utils.tools import build, judge_process, sandbox

TIMEOUT = 120   # seconds for one cell
ENDING = 5   # seconds in which a judge that has nothing left to do may end by itself
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


def judge(notebook, key, *, timeout=TIMEOUT, progress=None, fence=sandbox.NONE):
    """`check` for a notebook and a key as `read` returns them, with a `sandbox.Fence` around the learner's kernel."""
    with Judge(timeout=timeout, fence=fence) as process:
        found = process.verdicts(notebook, key, progress)
        return [verdict for verdict in found if verdict]


class Judge:
    """A judge at work. It keeps the kernel of the answers, so that only what a change concerns has to run again.

    Parameters are those of `judge`. It is a context manager, and `close` ends it, too.
    """

    def __init__(self, *, timeout=TIMEOUT, fence=sandbox.NONE):
        self.fence, self.stopped = fence, None
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.errors = pathlib.Path(self.folder.name, "errors")
        mark = {"TMPDIR": self.folder.name} | ({sandbox.MARK: fence.mark} if fence.mark else {})
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [*fence.limits, sys.executable, "-m", judge_process.__name__, str(os.getpid()), str(timeout),
                 *fence.words], text=True, encoding="utf-8", env=os.environ | build.QUIET | mark,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        """End the judge when its time is over."""
        end = time.monotonic() + self.fence.seconds
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.stopped = f"all cells together took longer than {self.fence.seconds:g} s"
            elif self.fence.is_over():
                self.stopped = "grading was interrupted"
            elif self.fence.folder < float("inf") and _size(self.folder.name) > self.fence.folder:
                self.stopped = f"its files have more than {self.fence.folder / 1e6:.0f} MB"
            if self.stopped:
                self.fence.end(self.process)
            time.sleep(0.1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End everything."""
        with contextlib.suppress(OSError):   # it has ended already
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=ENDING)
        self.fence.end(self.process)
        self.process.stdout.close()
        self.folder.cleanup()

    def verdicts(self, notebook, key, progress=None):
        """Yield, for each cell of the merged notebook, its `Verdict`, or None for a learner's cell that ran."""
        merged = merge(notebook, key)
        path = pathlib.Path(self.folder.name, "notebook.ipynb")
        nbformat.write(merged, path)
        with contextlib.suppress(OSError):   # it has ended already, and the first line will say so
            print(path, file=self.process.stdin, flush=True)
        for number, cell in enumerate(merged.cells):
            where, is_check = judge_process.place_of(cell)
            line, passed = self._line(number) or (
                f"✗ {where} was not run, since {self.stopped or 'its run was ended from within'}", False)
            yield Verdict(line, passed, is_check) if line else None
            if progress:
                progress((number + 1) / len(merged.cells))

    def _line(self, number):
        """What the judge says of a cell, and whether it passed; None if it was stopped."""
        text = self.process.stdout.readline()
        if text.endswith("\n"):
            return json.loads(text)
        self.process.wait()
        if not number and not self.stopped and self.process.returncode > 0:
            raise RuntimeError("The notebook could not be run:\n" + self.errors.read_text(errors="replace")[-2000:])
        return None


def _size(folder):
    """Bytes of all files in a folder, as far as they can be seen."""
    size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):   # it has just been deleted
                size += os.lstat(os.path.join(path, name)).st_size
    return size


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
    # Without tags, since one of them makes a cell a check.
    own = {id(cell): nbformat.v4.new_code_cell(_plain(cell.source), id=f"cell-{number}")
           for number, cell in enumerate(code, 1)}
    if [name for name in names if name] == list(judges):
        cells = [judges[name] if name else own[id(cell)] for name, cell in zip(names, code, strict=True)]
    else:
        cells = [own[id(cell)] for name, cell in zip(names, code, strict=True) if not name] + list(judges.values())
    return nbformat.v4.new_notebook(cells=cells)


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
    """A learner's code with today's imports, as UTF-8 text."""
    return moved.translate(source.replace("\r\n", "\n").encode("utf-8", "replace").decode("utf-8"))


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
    key = nbformat.read(_keys()[name], 4)
    key.cells = sorted(key.cells + _retired(name, notebook, key), key=lambda cell: int(cell.id.rpartition("-")[2]))
    return name, notebook, key


def _retired(name, notebook, key):
    """Check cells of questions that are no longer asked, if the notebook has them."""
    cells = [nbformat.v4.new_code_cell(code, id=f"{name[2:4]}-check-{number.replace('.', '-')}",
                                       metadata={"tags": [build.CHECKED]})
             for number, code in checks.RETIRED.get(name, {}).items()]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = recognize(code, nbformat.v4.new_notebook(cells=cells))
    return [cell for cell in cells if cell.id in found]


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
