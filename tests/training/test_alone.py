"""`fit_many` needs nothing of the course but its models and its data: it could be a library of its own."""

import pathlib
import shutil
import subprocess
import sys

import course_utils

PACKAGE = pathlib.Path(course_utils.__file__).parent
NEEDED = ["training", "datasets", "models.py"]
CODE = """
from course_utils import datasets, models
from course_utils.training.fit import fit_many
runs = fit_many(models.mlp, datasets.moons(), {"learning_rate": [0.01, 0.1]}, epochs=1)
assert runs.val_accuracy.shape == (2, 1)
"""


def test_it_trains_without_the_rest_of_the_course(tmp_path):
    copy = tmp_path / "course_utils"
    copy.mkdir()
    (copy / "__init__.py").touch()
    for name in NEEDED:
        (shutil.copytree if (PACKAGE / name).is_dir() else shutil.copy)(PACKAGE / name, copy / name)
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
