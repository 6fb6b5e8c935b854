"""From text twins to notebooks with outputs: ``course build``.

A notebook is edited as text (jupytext py:percent) and executed in a fresh kernel. Nothing that
changes from build to build is stored: no times, no widget state, no machine. Building twice on
one machine gives the same bytes.
"""

import contextlib
import os
import pathlib
import re

import jupytext
import nbformat

HOME = pathlib.Path(__file__).parents[1]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1", "PYTHONHASHSEED": "0"}
TIMEOUT = 600   # seconds for one cell: a hang is an error, a slow machine is not


def twins(folder=None):
    """Paths of all text twins, in order of their names."""
    return sorted((folder or HOME / "notebooks" / "text").glob("*.py"))


def notebook_of(twin):
    """Where the notebook of a text twin stands."""
    return twin.parents[1] / f"{twin.stem}.ipynb"


def read(twin):
    """A text twin as a notebook without outputs, each cell with a stable id.

    Parameters
    ----------
    twin : pathlib.Path

    Returns
    -------
    nbformat.NotebookNode
    """
    notebook = jupytext.read(twin, fmt="py:percent")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    prefix = re.sub(r"[^a-z0-9-]", "-", twin.stem.lower())[:50]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{prefix}-{number:02d}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


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

    with _environment(QUIET):
        NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", store_widget_state=False,
                       coalesce_streams=True, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code" and "live-only" in cell.metadata.get("tags", []):
            cell.outputs = []
        for output in cell.get("outputs", []):
            # A widget view without its model shows an error; the picture beside it does not.
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}


def build(twin, target=None):
    """Build one notebook from its text twin and write it.

    Parameters
    ----------
    twin : pathlib.Path
    target : pathlib.Path, optional
        Beside the twin's folder otherwise.

    Returns
    -------
    pathlib.Path, what was written
    """
    target = target or notebook_of(twin)
    notebook = read(twin)
    execute(notebook, twin.parents[1])
    nbformat.validate(notebook)
    target.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")
    return target


def differences(twin, notebook_path):
    """How a notebook's cells differ from its text twin, in sentences; none if they agree."""
    mend = f"run `course build {twin.stem[:2]}`"
    if not notebook_path.exists():
        return [f"{notebook_path.name} is missing; {mend}."]
    wanted, found = read(twin).cells, nbformat.read(notebook_path, 4).cells
    if len(wanted) != len(found):
        return [f"{notebook_path.name} has {len(found)} cells and its text twin {len(wanted)}; {mend}."]
    return [f"Cell {number} of {notebook_path.name} differs from its text twin; {mend}."
            for number, (ours, theirs) in enumerate(zip(wanted, found, strict=True))
            if (ours.cell_type, ours.source, ours.id, dict(ours.metadata)) !=
            (theirs.cell_type, theirs.source, theirs.id, dict(theirs.metadata))]


@contextlib.contextmanager
def _environment(values):
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
