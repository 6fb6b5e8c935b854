"""The package as a whole: light to import, every room reachable."""

import os
import subprocess
import sys

import pytest

import course_utils


def test_tensorflow_is_imported_when_first_needed():
    code = ("import sys, course_utils; from course_utils import claims, datasets, fit_many, labs, models, plots, quiz;"
            " claims.everything(); print([name for name in ('tensorflow', 'keras') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_importing_the_package_imports_none_of_its_rooms():
    code = "import sys, course_utils; print([name for name in sys.modules if name.startswith('course_utils.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("room", course_utils.__all__)
def test_every_room_is_there(room):
    assert getattr(course_utils, room) is not None
    assert room in dir(course_utils)


def test_an_unknown_room_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'magic'"):
        _ = course_utils.magic


def test_nobody_is_told_how_tensorflow_was_compiled():
    unset = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run([sys.executable, "-c", "import course_utils, tensorflow"], env=unset, capture_output=True,
                          text=True, check=True)
    assert done.stderr == ""
