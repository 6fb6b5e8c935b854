"""Text twins and notebooks agree; building twice gives the same bytes."""

import os
import re
import shutil
import subprocess
import sys
import textwrap

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from course_utils.tools import build, cli, pages
from tests.helpers.sentences import is_one_sentence

TWIN = textwrap.dedent('''\
    # %% [markdown]
    # # A question?

    # %%
    from course_utils import plots

    ax = plots.axes()
    _ = ax.plot([1, 2, 3])
    _ = ax.set(title="It rises", xlabel="time")

    # %%
    import matplotlib.pyplot as plt

    _ = plt.plot([1, 2, 3])

    # %% tags=["live-only"]
    import time

    time.time()

    # %% tags=["nbval-check-output"]
    import ipywidgets

    print("done", flush=True)
    print("twice")
    ipywidgets.IntSlider()
    ''')


@pytest.fixture
def twin(tmp_path):
    path = tmp_path / "notebooks" / "text" / "07_test.py"
    path.parent.mkdir(parents=True)
    path.write_text(TWIN, encoding="utf-8")
    return path


@pytest.mark.parametrize("twin", build.twins(), ids=lambda twin: twin.stem)
def test_every_notebook_is_in_step_with_its_text_twin(twin):
    assert build.differences(twin, build.notebook_of(twin)) == []


@pytest.mark.parametrize("twin", build.twins(), ids=lambda twin: twin.stem)
def test_every_stored_cell_was_run_and_says_nothing_of_the_machine(twin):
    for cell in nbformat.read(build.notebook_of(twin), 4).cells:
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.get("tags", [])
        assert cell.execution_count is not None
        assert "nbval-check-output" not in tags or cell.outputs, "a compared cell without output passes silently"
        assert "execution" not in cell.metadata
        text = str(cell.outputs)
        assert str(build.HOME) not in text
        assert "stderr" not in text


def test_there_is_a_notebook_for_every_twin_and_a_twin_for_every_notebook():
    assert ([build.notebook_of(twin) for twin in build.twins()] ==
            sorted((build.HOME / "notebooks").glob("*.ipynb")))


@pytest.mark.notebooks
def test_building_twice_gives_the_same_bytes_and_stores_no_time(twin):
    first = build.build(twin).read_bytes()
    second = build.build(twin).read_bytes()
    assert first == second
    cells = nbformat.reads(first.decode(), 4).cells
    assert [cell.id for cell in cells] == [f"07-test-{number:02d}" for number in range(5)]
    (figure,), (nameless,) = cells[1].outputs, cells[2].outputs
    assert "image/png" in figure.data
    assert figure.data["text/plain"] == "Figure: It rises. Time."
    assert figure.metadata == {"image/png": {"alt": "It rises. Time."}}
    assert "image/png" in nameless.data
    assert nameless.data["text/plain"].startswith("<Figure size")
    assert nameless.metadata == {}
    assert cells[3].outputs == []
    assert cells[4].outputs[0].text == "done\ntwice\n"
    assert len(cells[4].outputs) == 1, "a widget has nothing to show without its kernel"
    assert build.differences(twin, build.notebook_of(twin)) == []


@pytest.mark.notebooks
@pytest.mark.audit
def test_building_the_welcome_page_twice_gives_the_same_bytes(tmp_path):
    text = tmp_path / "notebooks" / "text"
    text.mkdir(parents=True)
    twin = text / "00_welcome.py"
    twin.write_bytes((build.HOME / "notebooks" / "text" / twin.name).read_bytes())
    assert build.build(twin).read_bytes() == build.build(twin).read_bytes()


def test_a_difference_says_which_command_mends_it(twin):
    nbformat.write(build.read(twin), build.notebook_of(twin))
    assert build.differences(twin, build.notebook_of(twin)) == []
    twin.write_text(TWIN.replace("question", "statement"), encoding="utf-8")
    assert build.differences(twin, build.notebook_of(twin)) == [
        "Cell 0 of 07_test.ipynb differs from its text twin; run `course build 07`."]
    twin.write_text(TWIN + "\n# %%\n1\n", encoding="utf-8")
    assert "has 5 cells and its text twin 6" in build.differences(twin, build.notebook_of(twin))[0]
    assert "is missing" in build.differences(twin, twin.parent / "nowhere.ipynb")[0]


@pytest.mark.notebooks
def test_a_failing_cell_stops_the_build_and_the_notebook_stays_as_it_was(twin):
    notebook = build.notebook_of(twin)
    notebook.write_text("as it was")
    twin.write_text("# %%\n1 / 0\n")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        build.build(twin)
    assert notebook.read_text() == "as it was"


def test_an_unknown_name_is_one_sentence(capsys):
    assert cli.main(["build", "77"]) == 1
    said = capsys.readouterr().err.removesuffix("\n")
    assert said.startswith("No text twin begins with 77; there are ")
    assert is_one_sentence(said), said


def test_a_bare_number_means_the_lecture_of_that_number():
    paths = build.twins()
    for name, found in [("1", ["01"]), ("01", ["01"]), ("13", ["13"]), ("A1", ["A1"]), ("07_b", ["07"]), ("77", [])]:
        assert [path.stem[:2] for path in build.named(paths, name)] == found


def test_a_solution_that_fails_its_own_check_is_one_sentence(monkeypatch, capsys):
    def fails(twin):
        raise ValueError("02_x.py does not pass its own check 02-check-2-1: no output.")

    monkeypatch.setattr(pages, "update", lambda: None)
    monkeypatch.setattr(build, "build", lambda twin: twin)
    monkeypatch.setattr(build, "build_solution", fails)
    assert cli.main(["build", "2"]) == 1
    assert capsys.readouterr().err == "02_x.py does not pass its own check 02-check-2-1: no output.\n"


@pytest.mark.notebooks
@pytest.mark.audit
def test_the_example_in_contributing_becomes_a_lecture(tmp_path):
    example = (build.HOME / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [twin], [quiz] = (re.findall(rf"^```{kind}\n(.*?)^```", example, re.DOTALL | re.MULTILINE)
                      for kind in ("python", "toml"))
    for name in ("course_utils", "notebooks"):
        shutil.copytree(build.HOME / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.webp"))
    for page in build.HOME.glob("*.md"):
        shutil.copy(page, tmp_path)
    (tmp_path / "notebooks" / "text" / "14_example.py").write_text(twin, encoding="utf-8")
    (tmp_path / "course_utils" / "quizzes" / "14.toml").write_text(quiz, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "course_utils.tools.cli", "build", "14"], cwd=tmp_path, check=True,
                   env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True)
    title = twin.partition("# # ")[2].partition("\n")[0]
    assert f"| {title} | 20 min | [01](exercises/ex01_" in (tmp_path / "README.md").read_text(encoding="utf-8")
    cells = nbformat.read(tmp_path / "notebooks" / "14_example.ipynb", 4).cells
    assert "You need about 20 minutes" in cells[0].source
    assert "✓" in str(cells[2].outputs), "its quiz"
    assert "image/png" in cells[4].outputs[0].data
