"""Labs as pages without code: ``course voila``.

Voila runs a notebook for each visitor and shows only its outputs: here, one lab with its story. ``share/`` holds
Voila's template without what it would fetch from another host.
"""

import importlib.util
import os
import pathlib
import sys

import nbformat

from course_utils import labs
from course_utils.tools import build

SHARE = pathlib.Path(__file__).parent / "share"


def prepare(names, folder):
    """Write a notebook for each of these labs into a folder; a ValueError if there is no lab of such a name."""
    for name in names:
        if name not in labs.__all__:
            raise ValueError(f"There is no lab {name!r}; there are {', '.join(labs.__all__)}.")
        title = getattr(labs, name).__doc__.splitlines()[0]
        cells = [nbformat.v4.new_markdown_cell(f"# {name.replace('_', ' ').capitalize()}\n\n{title}", id="title"),
                 nbformat.v4.new_code_cell(f"from course_utils import labs\n\nlabs.{name}.story()", id="lab")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": build.KERNEL}),
                       folder / f"{name}.ipynb")


def installed():
    """Whether Voila is installed."""
    return importlib.util.find_spec("voila") is not None


def command(names, folder, *, port=None, browser=True):
    """The command that serves what `prepare` has written, and its environment; a ModuleNotFoundError without Voila."""
    if not installed():
        raise ModuleNotFoundError("Voila is not installed: run `make present-packages` (or `pip install -r "
                                  "requirements-present.lock`) and try again.")
    path = os.pathsep.join(filter(None, [str(SHARE), os.environ.get("JUPYTER_PATH")]))
    # Extensions made for JupyterLab print errors here, except for the one that draws widgets.
    options = ["--classic-tree", "--template=course", *([] if browser else ["--no-browser"]),
               *(f"--VoilaConfiguration.extension_denylist={name}" for name in ("ipylab", "jupyterlab-jupytext")),
               *([f"--port={port}"] if port else [])]
    return ([sys.executable, "-m", "voila", str(folder / f"{names[0]}.ipynb" if len(names) == 1 else folder), *options],
            os.environ | {"JUPYTER_PATH": path} | build.QUIET)
