"""Notebooks of the previous version: their imports say where things are now, and their answers still count."""

import importlib
import pathlib
import re

import pytest

from course_utils import moved
from course_utils.tools import judging
from tests.helpers.sentences import is_one_sentence, refused

PREVIOUS = sorted((pathlib.Path(__file__).parent / "data" / "previous").glob("*.ipynb"))
NAMES = [(module, old) for module, names in moved.NAMES.items() for old in names]
NEW = {path.stem: [] for path in PREVIOUS} | {"01_learning_curves": [("1.8", "train")]}   # questions asked since then
every_notebook = pytest.mark.parametrize("path", PREVIOUS, ids=lambda path: path.stem)


def at(dotted):
    """A module or function by its place below ``course_utils``."""
    try:
        return importlib.import_module(f"course_utils.{dotted}")
    except ModuleNotFoundError:
        module, _, name = f"course_utils.{dotted}".rpartition(".")
        return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("old", moved.MODULES)
def test_importing_an_old_module_says_where_it_is_now(old):
    new = f"course_utils.{moved.place_of(old.partition('.')[0]) or moved.MODULES[old]}"   # of a package, the first time
    with refused(ImportError, match=re.escape(new)):
        importlib.import_module(f"course_utils.{old}")
    package, _, name = f"course_utils.{old}".rpartition(".")
    with refused(ImportError, match=re.escape(new)):
        exec(f"from {package} import {name}")
    assert at(moved.MODULES[old])


@pytest.mark.parametrize(("module", "old"), NAMES)
def test_using_an_old_name_says_what_it_is_called_now(module, old):
    place = ".".join(["course_utils", module]).rstrip(".")
    with pytest.raises((AttributeError, ImportError)) as caught:
        getattr(importlib.import_module(place), old)
    assert is_one_sentence(str(caught.value))
    new = moved.place_of(f"{module}.{old}".lstrip("."))
    assert new.rpartition(".")[2] in str(caught.value)
    assert callable(at(new))


def test_what_never_was_there_is_python_s_own_error():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("course_utils.magic")
    with pytest.raises(AttributeError, match="no attribute 'magic'"):
        importlib.import_module("course_utils.plots").magic  # noqa: B018


@pytest.mark.parametrize(("old", "new"), [
    ("from course_utils.exercise import hint, progress",
     "from course_utils.checks.exercise import hint\nfrom course_utils.checks.exercise import progress"),
    ("from course_utils import augmented, stats",
     "from course_utils import augment as augmented\nfrom course_utils import stats"),
    ("    from course_utils import (\n    halving as h,\n    tabular)",
     "    from course_utils.search import pruning as h\n    from course_utils.experiments import tabular"),
    ("from course_utils.batch_norm import fold", "from course_utils.surgery import fold"),
    ("ax = plots.against(runs, 'epoch')", "ax = plots.lines(runs, 'epoch')"),
    ("from course_utils import patients\nward = patients.admit()",
     "from course_utils.experiments import failed_runs as patients\nward = patients.train_cases()"),
    ("my_plots.against(1)", "my_plots.against(1)"),
    ("from course_utils import stats  # not exercise", "from course_utils import stats  # not exercise"),
    ("text = 'from course_utils import'", "text = 'from course_utils import'")])
def test_code_of_the_previous_version_is_translated(old, new):
    assert moved.translate(old) == new


@every_notebook
def test_every_import_of_an_old_notebook_works_after_its_translation(path):
    name, notebook, key = judging.read(path)
    assert name == f"ex{path.stem}"
    lines = [line for cell in judging.merge(notebook, key).cells for line in cell.source.splitlines()
             if re.match(r"\s*from course_utils\S* import ", line)]
    assert len(lines) > 5
    for line in lines:
        exec(line.strip())


@pytest.mark.slow
@pytest.mark.parametrize("path", [pytest.param(path, marks=[] if path.stem == "03_dropout" else pytest.mark.audit)
                                  for path in PREVIOUS], ids=lambda path: path.stem)
def test_the_answers_of_an_old_notebook_still_count(path):
    failed = [verdict.line for verdict in judging.check(path) if not verdict.passed]
    assert failed == [f"✗ {number} has no answer: name '{name}' is not defined" for number, name in NEW[path.stem]]
