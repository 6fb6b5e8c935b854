"""The environment check finds what is wrong and says what to do."""

import importlib.metadata

import pytest

from course_utils import environment
from tests.helpers.sentences import is_one_sentence


def test_here_all_is_well(capsys):
    environment.check()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(environment.SHOWN)
    assert all(line.startswith("✓") for line in lines)


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 14, 0)])
def test_a_wrong_python(version):
    assert "the course needs 3.11 to 3.13" in environment.problem_with_python(version)


def test_a_missing_package_and_one_out_of_range():
    def version_of(name):
        if name == "keras":
            raise importlib.metadata.PackageNotFoundError
        return "1.0"

    found = environment.packages(["keras>=3", "numpy>=2", "xarray>=0.9", "unknown"], version_of)
    assert found["keras"] == ("missing", "keras is missing: close JupyterLab and run `make lab`.")
    assert "numpy is 1.0; the course needs >=2" in found["numpy"][1]
    assert found["xarray"] == ("1.0", None)
    assert list(found) == ["keras", "numpy", "xarray"]


def test_the_gpu_build_serves_too():
    def version_of(name):
        if name == "tensorflow-cpu":
            raise importlib.metadata.PackageNotFoundError
        return "2.21.0"

    assert environment.packages(["tensorflow-cpu>=2.21"], version_of) == {"tensorflow": ("2.21.0", None)}


def test_a_training_that_fails_is_one_sentence(monkeypatch):
    import course_utils

    def fail(*args, **kwargs):
        raise RuntimeError("no such device")

    monkeypatch.setattr(course_utils, "fit_many", fail, raising=False)
    said = environment.problem_with_training()
    assert said.startswith("Training failed (RuntimeError: no such device)")
    assert is_one_sentence(said), said


def test_the_slider_answers():
    box = environment.slider()
    box.children[0].value = 7
    assert box.children[1].value == "The kernel sees 7."
