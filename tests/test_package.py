"""The package as a whole: light to import, and every part of it is reachable."""

import os
import subprocess
import sys

import pytest

import course_utils
from course_utils import labs


def said(code, **options):
    """What a fresh process prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **options)


def loaded(imports, *modules):
    """Which of some modules are loaded after these imports."""
    return said(f"import sys; {imports}; print(*[name for name in {modules!r} if name in sys.modules])").stdout.split()


def test_tensorflow_is_imported_when_first_needed():
    assert loaded("from course_utils import claims, datasets, fit_many, labs, models, plots, pretrained, quiz; "
                  "claims.all_claims()",
                  "tensorflow", "keras") == []


def test_the_first_cell_of_an_exercise_imports_nothing_heavy():
    assert loaded("from course_utils.checks.exercise import hint, progress", "nbformat", "jsonschema", "pandas",
                  "tensorflow", "course_utils.tools.judging") == []


def test_a_lab_is_imported_when_it_is_first_used():
    modules = [f"course_utils.labs.{name}_lab" for name in labs.__all__]
    assert loaded("from course_utils import labs", *modules) == []
    assert loaded("from course_utils import labs; labs.scaling", *modules) == ["course_utils.labs.scaling_lab"]


def test_importing_the_package_imports_none_of_its_modules():
    code = "import sys, course_utils; print(*[name for name in sys.modules if name.startswith('course_utils.')])"
    assert said(code).stdout.split() == ["course_utils.moved"]


@pytest.mark.parametrize("name", course_utils.__all__)
def test_every_shortcut_is_there(name):
    assert callable(getattr(course_utils, name))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'magic'"):
        _ = course_utils.magic
    with pytest.raises(AttributeError, match="There is no lab 'magic'"):
        _ = labs.magic


def test_nobody_is_told_how_tensorflow_was_compiled():
    unset = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    assert said("import course_utils, tensorflow", env=unset).stderr == ""


def test_a_lab_alone_draws_in_the_style_of_the_course():
    code = ("from course_utils import labs; labs.augmentation; import matplotlib; "
            "print(matplotlib.rcParams['axes.grid'], matplotlib.rcParamsDefault['axes.grid'])")
    assert said(code).stdout.split() == ["True", "False"]
