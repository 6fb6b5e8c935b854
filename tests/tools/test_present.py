"""The instructor's notes stand in the text twins only; what a presentation is made of."""

import json
import textwrap

import nbformat
import pytest

from course_utils.tools import build, cli, present
from course_utils.tools.present import voila
from tests.helpers.sentences import is_one_sentence, refused

PLAIN = textwrap.dedent('''\
    # %% [markdown]
    # # A question?

    # %% question="2.1"
    answer = 1

    # %% tags=["nbval-check-output"] question="2.1"
    print("done")

    # %%
    2
    ''')
NOTED = PLAIN.replace("\n# %%\n2", textwrap.dedent('''
    # %% [markdown] tags=["instructor"]
    # Ask *before* you run it.
    #
    # - Two minutes.

    # %% [markdown] tags=["instructor"]
    # A second note.

    # %%
    2'''))


@pytest.fixture
def twins(tmp_path):
    """Two twins of the same name: without notes and with them."""
    def written(folder, text):
        path = tmp_path / folder / "text" / "07_test.py"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        return path
    assert NOTED != PLAIN
    return written("plain", PLAIN), written("noted", NOTED)


def test_learners_do_not_see_the_notes_and_no_id_moves(twins):
    plain, noted = twins
    assert nbformat.writes(build.read(noted)) == nbformat.writes(build.read(plain))
    assert nbformat.writes(build.exercise(noted)) == nbformat.writes(build.exercise(plain))
    nbformat.write(build.read(plain), build.notebook_of(noted))
    assert build.differences(noted, build.notebook_of(noted)) == []


def test_each_note_names_the_cell_it_follows(twins):
    plain, noted = twins
    assert build.notes(plain) == {}
    assert build.notes(noted) == {2: ["Ask *before* you run it.\n\n- Two minutes.", "A second note."]}
    assert build.read(noted).cells[2].source == 'print("done")'


@pytest.mark.parametrize("text", ['# %% tags=["instructor"]\n1\n', '# %% [markdown] tags=["instructor"]\n# First.\n'])
def test_a_note_that_is_code_or_follows_nothing_is_one_sentence(tmp_path, text):
    twin = tmp_path / "07_test.py"
    twin.write_text(text, encoding="utf-8")
    with refused(ValueError, match="^07_test.py: an instructor's note is a markdown cell"):
        build.notes(twin)


def cell(source, *outputs):
    return nbformat.v4.new_code_cell(source, outputs=[nbformat.v4.new_output("display_data", {kind: ""})
                                                      for kind in outputs])


@pytest.mark.parametrize(("folded", "source", "outputs"), [
    (True, "_ = plots.lines(runs, 'rate')", ["image/png"]),
    (True, "from course_utils import labs\n\nlabs.seeds()", ["text/html", "image/png"]),
    (True, "quiz.ask('07', 'rates')", ["text/html"]),
    (False, "runs = fit_many(models.mlp, digits, {})\n_ = plots.lines(runs, 'rate')", ["image/png"]),
    (False, "model.fit(x, y)\nplots.history(model)", ["image/png"]),
    (False, "def gap(runs):\n    return runs\n\nplots.against(gap(runs), 'rate')", ["image/png"]),
    (False, "print(2)", ["text/plain"]),
    (False, "import keras", []),
])
def test_code_is_folded_where_it_only_shows(folded, source, outputs):
    assert present.is_folded(cell(source, *outputs)) == folded


def test_each_lecture_can_be_prepared(tmp_path, monkeypatch):
    """Also that its labs need no cell before them, and that the learners' notebooks are left alone."""
    lectures = [twin for twin in build.twins() if "01" <= twin.stem[:2] <= "13"]
    monkeypatch.setattr(build, "differences", lambda *paths: [])   # another test sees to them
    before = {twin: build.notebook_of(twin).read_bytes() for twin in lectures}
    present.prepare(lectures, tmp_path)
    assert {twin: build.notebook_of(twin).read_bytes() for twin in lectures} == before
    assert list(json.loads((tmp_path / "static/stage/lectures.json").read_text())) == [twin.stem for twin in lectures]
    for twin in lectures:
        steps = json.loads((tmp_path / f"static/stage/{twin.stem}.json").read_text())
        cells = nbformat.read(tmp_path / "root" / f"{twin.stem}.ipynb", 4).cells
        assert len(steps) == len(cells)
        assert all(steps[number]["section"] <= number and steps[number]["title"] for number in range(len(steps)))
        opened = [one.source for one, step in zip(cells, steps, strict=True) if step["lab"]]
        assert opened
        for source in opened:
            assert source.startswith("from course_utils import labs\n")
            assert source.endswith(".story()")


def test_jupyter_can_append_its_token_to_the_address_of_a_lecture(twins, tmp_path):
    plain, _ = twins
    nbformat.write(build.read(plain), build.notebook_of(plain))
    present.prepare([plain], tmp_path / "made")
    for lecture in plain.stem, None:
        command, _ = present.command(tmp_path / "made", lecture)
        [page] = [word.split("=", 1)[1] for word in command if word.startswith("--LabApp.default_url=")]
        assert (tmp_path / "made" / page.lstrip("/")).is_file(), f"{page} should be a path without ? or #"


def test_a_notebook_that_is_not_in_step_is_one_sentence(twins, tmp_path, capsys):
    with refused(ValueError, match="07_test.ipynb is missing; run `course build 07`"):
        present.prepare([twins[0]], tmp_path / "new")
    assert cli.main(["present", "77"]) == 1
    said = capsys.readouterr().err.removesuffix("\n")
    assert said.startswith("No text twin begins with 77; there are ")
    assert is_one_sentence(said), said


def test_a_lab_that_is_not_there_is_one_sentence(capsys):
    assert cli.main(["voila", "nothing"]) == 1
    said = capsys.readouterr().err.removesuffix("\n")
    assert said.startswith("There is no lab 'nothing'; there are ")
    assert is_one_sentence(said), said


def test_our_javascript_stays_small():
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in present.STAGE.glob("*.js"))
    assert lines <= 150


def test_without_voila_one_sentence_names_the_lock(monkeypatch, capsys):
    monkeypatch.setattr(voila, "installed", lambda: False)
    assert cli.main(["voila", "seeds"]) == 1
    said = capsys.readouterr().err.removesuffix("\n")
    assert is_one_sentence(said), said
    assert "`pip install -r requirements-present.lock`" in said
