"""A lecture in front of a class: ``course present 07``.

A copy of the notebook with its stored outputs is opened in JupyterLab inside a page of ours, which shows it step by
step in large type. The stored outputs appear at once; the lab is started with the page. A second page shows the
instructor's notes and follows along. ``stage/`` holds both pages.
"""

import ast
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import nbformat

from course_utils.tools import build

STAGE = pathlib.Path(__file__).parent / "stage"
LAB = re.compile(r"^(labs\.\w+)\((?!build_model).*\)$", re.MULTILINE)   # a lab of one's own network has no story
# A cell that calls one of these trains or measures: its code is the point, whatever picture it ends with.
POINT = {"compile", "evaluate", "fit", "fit_many", "predict", "trial"}
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # The page contains all cells, so that it can scroll to a step, and a lab draws before it is reached.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}


def is_folded(cell):
    """Whether a cell's code is not the point: it shows a figure, a lab or a table, and neither defines nor trains."""
    rich = any({"image/png", "text/html"} & set(output.get("data", {})) for output in cell.get("outputs", []))
    return rich and not any(_is_point(node) for node in ast.walk(ast.parse(cell.source)))


def _is_point(node):
    called = getattr(node, "func", None)
    return (isinstance(node, ast.FunctionDef | ast.ClassDef) or
            getattr(called, "attr", getattr(called, "id", None)) in POINT)


def is_lab(cell):
    """Whether a cell opens a lab."""
    return cell.cell_type == "code" and LAB.search(cell.source) is not None


def steps(notebook, notes):
    """What the pages have to know about each cell of a notebook, with the notes from `build.notes`; a cell is a step.

    Returns
    -------
    list of dict
        ``section``, the number of the cell with its heading; ``title``, that heading; ``begins``, its first words;
        ``notes``, HTML; ``lab``, whether it opens one.
    """
    import mistune

    steps, section, title = [], 0, ""
    for number, cell in enumerate(notebook.cells):
        lines = cell.source.strip().splitlines() or [""]
        if cell.cell_type == "markdown" and lines[0].startswith("#"):
            section, title = number, lines[0].lstrip("# ")
        steps.append({"section": section, "title": title, "begins": lines[0].lstrip("# "),
                      "notes": "".join(mistune.html(note) for note in notes.get(number, [])),
                      "lab": is_lab(cell)})
    return steps


def prepare(twins, folder):
    """Write everything that a presentation needs.

    Parameters
    ----------
    twins : list of pathlib.Path
        Text twins of the lectures.
    folder : pathlib.Path
        An empty folder for ``root`` (copies of the notebooks), ``static`` (the pages and the lectures' steps), and
        JupyterLab's own folders.

    Raises
    ------
    ValueError
        A notebook differs from its text twin.
    """
    from nbformat.sign import NotebookNotary

    root, stage, settings = folder / "root", folder / "static" / "stage", folder / "settings"
    for new in (root, settings, folder / "data"):
        new.mkdir(parents=True)
    shutil.copytree(STAGE, stage)
    (settings / "overrides.json").write_text(json.dumps(SETTINGS))
    notary, titles = NotebookNotary(data_dir=str(folder / "data")), {}   # JupyterLab cleans unsigned notebooks' HTML
    for twin in twins:
        for problem in build.differences(twin, build.notebook_of(twin)):
            raise ValueError(problem)
        notebook = nbformat.read(build.notebook_of(twin), 4)
        shown = steps(notebook, build.notes(twin))
        for cell in notebook.cells:
            if is_folded(cell):
                cell.metadata["jupyter"] = {"source_hidden": True}
            if is_lab(cell):
                cell.source = LAB.sub(r"\1.story()", cell.source)
        notary.sign(notebook)
        nbformat.write(notebook, root / f"{twin.stem}.ipynb")
        titles[twin.stem] = shown[0]["title"]
        (stage / f"{twin.stem}.json").write_text(json.dumps(shown), encoding="utf-8")
        shutil.copyfile(stage / "stage.html", stage / f"{twin.stem}.html")
    (stage / "lectures.json").write_text(json.dumps(titles), encoding="utf-8")


def command(folder, lecture=None, *, port=None, browser=True):
    """The command that serves what `prepare` has written, and its environment.

    It opens one lecture, or the list of all, and a browser if `browser` is true.
    """
    page = f"/static/stage/{lecture or 'index'}.html"   # only a path: Jupyter appends ?token=
    options = {"ServerApp.root_dir": folder / "root", "ServerApp.extra_static_paths": [str(folder / "static")],
               "LabApp.default_url": page, "LabApp.expose_app_in_browser": True,
               "LabApp.app_settings_dir": folder / "settings", "LabApp.user_settings_dir": folder / "user",
               "LabApp.workspaces_dir": folder / "workspaces", "ServerApp.answer_yes": True,
               "ServerApp.allow_root": True,
               "ServerApp.open_browser": browser} | ({"ServerApp.port": port} if port else {})
    return ([sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())],
            os.environ | {"JUPYTER_DATA_DIR": str(folder / "data")} | build.QUIET)


def present(twins, **options):
    """Serve one lecture, or several to choose from, until Ctrl+C; return the exit status. Options: see `command`."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prepare(twins, folder)
        arguments, environment = command(folder, twins[0].stem if len(twins) == 1 else None, **options)
        print("In the presentation: ← → to walk, N for your notes in a window of their own, ? for all keys. "
              "Ctrl+C here ends it.", flush=True)
        return serve(arguments, environment)


def serve(arguments, environment):
    """Run a server until it ends or Ctrl+C; its exit status."""
    server = subprocess.Popen(arguments, env=environment)
    try:
        return server.wait()
    except KeyboardInterrupt:   # the server has received it, too
        server.wait()
        return 0
