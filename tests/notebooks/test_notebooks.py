"""Every notebook runs in a fresh kernel with the network off, and its compared cells agree."""

import functools
import os
import shutil
import subprocess
import sys

import pytest

from course_utils.tools import build

NBVAL = ["-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "300",
         "-p", "no:cacheprovider", "-q", "--no-header", "-c", os.devnull]


# Networks that train one by one would slow a lecture down unnoticed.
MAPPED = {"PYTHONWARNINGS": "error:fit_many trains:UserWarning"}


@functools.cache
def without_network():
    """The words that put a command into a network namespace of its own, where the system allows it."""
    words = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], capture_output=True).returncode:
        return []
    return words


def test_the_network_is_off_where_the_system_allows_it():
    if not without_network():
        pytest.skip("no unprivileged network namespaces here")
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 3)"
    done = subprocess.run([*without_network(), sys.executable, "-c", code], capture_output=True, text=True)
    assert "unreachable" in done.stderr


@pytest.mark.notebooks
@pytest.mark.parametrize("path", [pytest.param(path, marks=pytest.mark.audit if path.stem.startswith("A") else [])
                                  for path in map(build.notebook_of, build.twins())], ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path):
    done = subprocess.run([*without_network(), sys.executable, *NBVAL, str(path)], cwd=path.parent,
                          env=os.environ | build.QUIET | MAPPED, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
