"""Make the course run on Google Colab. It is run by the first cell of a notebook there (`classroom/links.py`):

    !git clone --quiet --depth 1 ADDRESS improving-performance
    %run improving-performance/classroom/colab.py

Colab brings its own TensorFlow, NumPy and pandas, and its kernel uses them already. They stay as they are.
Keras alone is brought up to date, and what Colab lacks is added.
"""

import importlib.metadata
import pathlib
import subprocess
import sys
import tempfile
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HOME = pathlib.Path(__file__).resolve().parents[1]
RENEWED = {"keras"}  # pure Python, and the one package to which the course is tied closely
LEFT_OUT = {"jupyterlab", "ipylab"}  # Colab has a front end of its own


def plan(requirements, installed):
    """What to install, and what stays although it is not what the course is tested with.

    Parameters
    ----------
    requirements : list of str
        Those of pyproject.toml.
    installed : dict name → version

    Returns
    -------
    tuple of a list of requirements, and a list of sentences
    """
    wanted, told = [], []
    for one in map(Requirement, requirements):
        name = "tensorflow" if one.name == "tensorflow-cpu" else canonicalize_name(one.name)
        if name in LEFT_OUT or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        version = installed.get(name) or installed.get(one.name)
        if version and one.specifier.contains(version, prereleases=True):
            continue
        if version and name not in RENEWED:
            told.append(f"{name} stays at Colab's {version}; the course is tested with {one.specifier}.")
        else:
            wanted.append(f"{name}{one.specifier}")
    return wanted, told


def kept(installed):
    """Lines of a constraints file that leave everything as it is but what is renewed."""
    return [f"{name}=={version}" for name, version in sorted(installed.items()) if name not in RENEWED]


def main(run=subprocess.run):
    """Install what is missing and make `course_utils` importable; prints what the learner should know."""
    installed = {
        canonicalize_name(one.metadata["Name"]): one.version
        for one in importlib.metadata.distributions()
        if one.metadata["Name"]
    }
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted, told = plan(project["dependencies"], installed)
    if wanted:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write("\n".join(kept(installed)))
            constraints.flush()
            done = run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", constraints.name, *wanted],
                stderr=subprocess.PIPE,
                text=True,
            )
        if done.returncode:
            sys.exit(f"Installing failed: {done.stderr.strip().splitlines()[-1]}")
    if str(HOME) not in sys.path:
        sys.path.insert(0, str(HOME))
    print(
        *told,
        "The course is ready. If something is odd, choose Runtime > Restart session, then run this cell again."
        if wanted
        else "The course is ready.",
        sep="\n",
    )


if __name__ == "__main__":
    main()
