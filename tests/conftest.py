"""Shared by all tests: quiet TensorFlow, small data, and how `make test` shares them out to processes."""

import os
import pathlib

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1"}

import hypothesis
import numpy as np
import pytest

from course_utils import datasets

# No test of a property depends on how fast the machine is.
hypothesis.settings.register_profile("course", deadline=None,
                                     suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("course")

# Begun first, so that no process ends with one of them alone.
LONGEST = {"test_judging", "test_notebooks", "test_checks", "test_layers", "test_fit_many"}
BOOK = {"tests/book/test_pages.py", "tests/browser/test_book.py"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of one file share fixtures, and so do those of the book's pages: they stay in one process."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            return "book" if path in BOOK else path

    config.option.loadscopereorder = False   # keep the order below
    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)   # before pytest reads the marks
def pytest_collection_modifyitems(config, items):
    slow = [line for line in pathlib.Path(__file__).with_name("slow.txt").read_text(encoding="utf-8").splitlines()
            if not line.startswith("#")]
    names = {name for item in items for name in (item.nodeid, item.nodeid.partition("[")[0])}
    files = {item.nodeid.partition("::")[0] for item in items}
    for name in slow:   # if a whole file is collected
        if name not in names and name.partition("::")[0] in files and not any("::" in given for given in config.args):
            raise pytest.UsageError(f"tests/slow.txt names {name}, which is no test: delete or correct the line.")
    for item in items:
        if not {item.nodeid, item.nodeid.partition("[")[0]}.isdisjoint(slow):
            item.add_marker("slow")
    if hasattr(config, "workerinput"):   # a process of pytest-xdist
        items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session")
def digits():
    return datasets.digits(seed=0)


@pytest.fixture(scope="session")
def small():
    """130 samples of 6 numbers in 3 classes: a task that trains in no time."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(170, 6)).astype("float32")
    y = (x[:, 0] + x[:, 1] ** 2 > 0.5).astype("int32") + (x[:, 2] > 0.5)
    return datasets.Split("small", x[:130], y[:130], x[130:], y[130:])


@pytest.fixture
def compilations(monkeypatch):
    """A list that grows by one at each program that fit_many compiles; it begins with none compiled."""
    from course_utils.training import program, programs

    programs.forget_programs()
    seen, make = [], program.Program
    monkeypatch.setattr(program, "Program", lambda *args: (seen.append(args), make(*args))[1])
    return seen
