"""From text twins to notebooks with outputs, and from solutions to exercises: ``course build``.

A notebook is edited as text (jupytext py:percent) and executed in a fresh kernel. Nothing that changes from build to
build is stored: no times, no widget state, no machine. Building twice on one machine gives the same bytes.

A solution also gives an exercise, without its answers, and the answer key: the check cells with what they print for
the right answers. Learners work in the exercise itself, so it is written only while nobody has changed it.
"""

import hashlib
import json
import os
import pathlib
import re

import jupytext
import nbformat

from course_utils import accessible

HOME = pathlib.Path(__file__).parents[2]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
METADATA = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1", "PYTHONHASHSEED": "0"}
WIDGET = "application/vnd.jupyter.widget-view+json"
TIMEOUT = 600   # seconds for one cell: a hang is an error, a slow machine is not
CHECKED = "nbval-check-output"   # the tag of cells whose output nbval compares
NOTE = "instructor"   # the tag of Markdown cells that learners do not see
ANSWER = re.compile(r"^( *)# BEGIN SOLUTION(?:: (.+))?\n(?:.*\n)*?\1# END SOLUTION$", re.MULTILINE)


def twins(folder=None):
    """Paths of all text twins of lectures, in order of their names."""
    return sorted((folder or HOME / "notebooks" / "text").glob("*.py"))


def solutions():
    """Paths of all text twins of solutions; none where an instructor removed them."""
    return twins(HOME / "solutions" / "text")


def named(paths, name):
    """The paths that are meant by ``7``, ``07``, or the beginning of a name; exercise ``2`` is ``ex02_…``."""
    stems = {path: path.stem.removeprefix("ex") for path in paths}
    numbered = [path for path, stem in stems.items() if name.isdigit() and stem.split("_")[0] == name.zfill(2)]
    return numbered or [path for path, stem in stems.items()   # 1 is 01, not 10 to 13
                        if path.stem.startswith(name) or stem.startswith(name)]


def notebook_of(twin):
    """Where the notebook of a text twin is."""
    return twin.parents[1] / f"{twin.stem}.ipynb"


def lecture(twin):
    """What the head of a text twin declares.

    Returns
    -------
    dict
        ``minutes``, how long the lecture takes a learner; ``exercise``, the number of its exercise, and ``lab``, the
        name of the lab that it opens, if there are any; ``title``, its first heading.
    """
    notebook = jupytext.read(twin, fmt="py:percent")
    title = notebook.cells[0].source.partition("\n")[0].removeprefix("# ")
    return notebook.metadata.get("course", {}) | {"title": title}


def read(twin):
    """A text twin as a notebook without outputs and without the instructor's notes, each cell with a stable id.

    In its text, ``{{minutes}}`` and ``{{exercise}}`` stand for what `lecture` declares; a ValueError names anything
    else that is in such braces.
    """
    notebook = jupytext.read(twin, fmt="py:percent")
    notebook.cells = [cell for cell in notebook.cells if NOTE not in cell.metadata.get("tags", [])]
    declared = notebook.metadata.get("course", {})
    notebook.metadata = dict(METADATA)
    prefix = re.sub(r"[^a-z0-9-]", "-", twin.stem.lower().removeprefix("ex"))[:50]
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\{\{(\w+)\}\}", lambda match: _declared(match[1], declared, twin), cell.source)
        cell.metadata.pop("lines_to_next_cell", None)    # the layout of the text
        question = cell.metadata.pop("question", None)   # its id must not change when cells are added
        kind = "check" if CHECKED in cell.metadata.get("tags", []) else "answer"
        cell.id = f"{prefix[:2]}-{kind}-{question.replace('.', '-')}" if question else f"{prefix}-{number:02d}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _declared(name, declared, twin):
    if name not in declared:
        raise ValueError(f"{twin.name} speaks of {{{{{name}}}}}; write it into the head of the file, under `course:`.")
    return str(declared[name])


def notes(twin):
    """The instructor's notes of a text twin: its Markdown cells tagged ``instructor``.

    Returns
    -------
    dict of number of a cell of `read(twin)` → list of str, the notes (Markdown) that follow this cell

    Raises
    ------
    ValueError
        A note that is code, or that follows no cell.
    """
    notes_of_cell, number = {}, -1
    for cell in jupytext.read(twin, fmt="py:percent").cells:
        if NOTE not in cell.metadata.get("tags", []):
            number += 1
        elif cell.cell_type != "markdown" or number < 0:
            raise ValueError(f"{twin.name}: an instructor's note is a markdown cell that follows the cell it belongs "
                             f"to; this one does not: {cell.source[:60]!r}.")
        else:
            notes_of_cell.setdefault(number, []).append(cell.source)
    return notes_of_cell


def execute(notebook, folder):
    """Run a notebook in a fresh kernel and keep only what is the same in every build.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Changed in place.
    folder : pathlib.Path
        Where its cells run.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell failed and is not tagged ``raises-exception``.
    """
    from nbclient import NotebookClient

    client = NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", store_widget_state=False,
                            coalesce_streams=True)
    client.execute(env=os.environ | QUIET, cwd=str(folder))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            # A widget without its kernel shows an error; a lab also stores a picture. The script that makes widgets and
            # figures accessible comes with the first of them that is run.
            cell.outputs = [output for output in cell.outputs if "live-only" not in cell.metadata.get("tags", [])
                            and WIDGET not in output.get("data", {})
                            and output.get("data", {}).get("text/html") != accessible.HTML]
    notebook.metadata = dict(METADATA)


def build(twin):
    """Build one notebook from its text twin and write it; return its path."""
    notebook = read(twin)
    execute(notebook, twin.parents[1])
    _write(notebook, notebook_of(twin))
    return notebook_of(twin)


def exercise(twin):
    """The exercise of a solution, from its text twin: ``...`` for each answer, no outputs, and its `fingerprint`.

    An answer is what is between ``# BEGIN SOLUTION`` and ``# END SOLUTION``; after ``# BEGIN SOLUTION: a, b``, it is
    replaced by ``a = ...`` and ``b = ...``. After each check comes a cell with the button for its hints.
    """
    notebook = read(twin)
    for cell in notebook.cells:
        cell.source = ANSWER.sub(_blank, cell.source)
    notebook.cells = [part for cell in notebook.cells for part in (cell, _hint(cell)) if part]
    notebook.metadata["course"] = {"exercise": twin.stem, "pristine": fingerprint(notebook)}
    return notebook


def _hint(cell):
    """The cell with the hints, if this is the cell of a check."""
    if CHECKED not in cell.metadata.get("tags", []):
        return None
    prefix, number = cell.id.split("-check-")
    return nbformat.v4.new_code_cell(f'hint("{number.replace("-", ".")}")', id=f"{prefix}-hint-{number}")


def _blank(answer):
    indentation, names = answer.groups()
    return "\n".join(f"{indentation}{name} = ..." for name in names.split(", ")) if names else f"{indentation}..."


def fingerprint(notebook):
    """A hash of what is in the cells, whatever they printed."""
    return hashlib.sha256(json.dumps([(cell.cell_type, cell.source) for cell in notebook.cells]).encode()).hexdigest()


def is_pristine(path):
    """Whether nobody has changed a cell of an exercise since it was built."""
    try:
        notebook = nbformat.read(path, 4)
        return notebook.metadata["course"]["pristine"] == fingerprint(notebook)
    except Exception:   # unreadable or of unknown origin: treat it as somebody's work
        return False


def build_solution(twin, home=HOME):
    """Build a solution, its answer key, and its exercise unless a learner has changed that.

    Parameters
    ----------
    twin : pathlib.Path
        Text twin of the solution.
    home : pathlib.Path
        Where ``exercises/`` and ``course_utils/checks/`` are.

    Returns
    -------
    pathlib.Path of an exercise that was left as it is, or None

    Raises
    ------
    ValueError
        The solution does not pass one of its own checks.
    """
    solved = nbformat.read(build(twin), 4)
    checks = [cell for cell in solved.cells if CHECKED in cell.metadata.get("tags", [])]
    for cell in checks:
        printed = "".join(output.get("text", "") for output in cell.outputs)
        if not printed.startswith("✓"):
            raise ValueError(f"{twin.name} does not pass its own check {cell.id}: {printed.strip() or 'no output'}.")
    key = nbformat.v4.new_notebook(cells=checks, metadata={"kernelspec": KERNEL})
    _write(key, home / "course_utils" / "checks" / "keys" / f"{twin.stem}.ipynb")
    _write(exercise(twin), home / "course_utils" / "checks" / "pristine" / f"{twin.stem}.ipynb")
    target = home / "exercises" / f"{twin.stem}.ipynb"
    if target.exists() and not is_pristine(target):
        return target
    _write(exercise(twin), target)
    return None


def _write(notebook, target):
    nbformat.validate(notebook)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")


def differences(twin, notebook_path, wanted=None):
    """How a notebook's cells differ from its text twin, in sentences; none if they agree.

    Parameters
    ----------
    twin, notebook_path : pathlib.Path
    wanted : nbformat.NotebookNode, optional
        What the notebook should be: the whole twin by default, or e.g. its `exercise`.
    """
    fix = f"run `course build {twin.stem.removeprefix('ex')[:2]}`"
    if not notebook_path.exists():
        return [f"{notebook_path.name} is missing; {fix}."]
    wanted, written = (wanted or read(twin)).cells, nbformat.read(notebook_path, 4).cells
    if len(wanted) != len(written):
        return [f"{notebook_path.name} has {len(written)} cells and its text twin {len(wanted)}; {fix}."]
    return [f"Cell {number} of {notebook_path.name} differs from its text twin; {fix}."
            for number, (ours, theirs) in enumerate(zip(wanted, written, strict=True))
            if (ours.cell_type, ours.source, ours.id, dict(ours.metadata)) !=
            (theirs.cell_type, theirs.source, theirs.id, dict(theirs.metadata))]
