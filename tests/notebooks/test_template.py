"""The template runs unchanged on each kind of data, and on the files of a learner who edits the marked cells only."""

import re
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from course_utils.datasets import split as splits
from course_utils.tools import build

pytestmark = pytest.mark.notebooks

TWIN = build.HOME / "notebooks" / "text" / "template_own_data.py"
CELLS = [cell.source for cell in build.read(TWIN).cells if cell.cell_type == "code"]
FAST = {"EPOCHS": 3, "SEEDS": range(2), "TRIALS": 4}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs all cells in this process, with other values on the lines that assign these names."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(splits, "_opened", set())   # as in a fresh kernel

    def run(**values):
        code = "\n".join(CELLS)
        for name, value in (FAST | values).items():
            code, found = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", code, flags=re.MULTILINE)
            assert found == 1, name
        names = {}
        exec(compile(code, TWIN.name, "exec"), names)
        return names

    yield run
    plt.close("all")


def parts(names):
    return [names[part] for part in ("train", "val", "test")]


@pytest.mark.parametrize(("kind", "task", "split"), [
    ("table", "classification", "grouped"), ("images", "classification", "grouped"),
    *(pytest.param(*example, marks=pytest.mark.audit) for example in (
        ("table", "regression", "random"), ("table", "regression", "time"), ("images", "regression", "random"),
        ("arrays", "classification", "random"), ("arrays", "regression", "random")))])
def test_an_example_runs_to_its_report(kind, task, split, run, capsys):
    names = run(KIND=kind, TASK=task, SPLIT=split)
    assert "Verdict     the network is " in capsys.readouterr().out
    rows = parts(names)
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(len(names["y"])))
    np.testing.assert_allclose([len(part) / len(names["y"]) for part in rows], [0.6, 0.2, 0.2], atol=0.1)
    if split == "grouped":
        train, val, test = (set(names["groups"][part]) for part in rows)
        assert not train & val
        assert not (train | val) & test
    if split == "time":
        train, val, test = (names["times"][part] for part in rows)
        assert train.max() < val.min() <= val.max() < test.min()
    assert (names["split"].classes is None) == (task == "regression")
    assert np.isfinite(names["ours"]).all()
    assert set(names["result"].trials.state) == {"COMPLETE"}


def test_a_table_with_gaps_words_and_an_identifier(run, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"patient": np.repeat(np.arange(60), 4), "dose": rng.normal(50, 5, 240),
                          "site": rng.choice(["north", "south"], 240), "device": "A"})
    table["healthy"] = np.where(table.dose + rng.normal(0, 2, 240) > 50, "yes", "no")
    table.loc[:9, "dose"] = np.nan
    table.to_csv(tmp_path / "own.csv", index=False)
    names = run(KIND="table", TASK="classification", SPLIT="grouped", MY_DATA=str(tmp_path / "own.csv"),
                TARGET="healthy", UNUSED=["patient"], **{"GROUP, TIME": ("patient", None)})
    assert names["x"].shape == (230, 4)
    assert list(names["names"]) == ["no", "yes"]
    assert names["scores"]["linear model"] < 0.2 < names["scores"]["guess"]


def test_arrays_in_large_units_with_dates(run, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(1e4, 100, (300, 6))
    days = np.datetime64("2020-01-01") + rng.integers(100, size=300)
    np.savez(tmp_path / "own.npz", x=x, y=1e6 + 1e3 * (x[:, 0] - 1e4) + rng.normal(0, 1e4, 300), time=days.astype(str))
    names = run(KIND="arrays", TASK="regression", SPLIT="time", MY_DATA=str(tmp_path / "own.npz"), EPOCHS=20)
    train, val, test = parts(names)
    assert max(names["times"][train]) < min(names["times"][val])
    assert max(names["times"][val]) < min(names["times"][test])
    assert names["rival"] == "linear model"
    assert 5e3 < names["theirs"].mean() < 15e3   # in the unit of the file: the noise has a mean of 8e3
    assert names["ours"].mean() < names["scores"]["guess"]
    check_that_groups_widen_the_interval(names)


def check_that_groups_widen_the_interval(names):
    """Ten copies of each number contain no more information than one."""
    values = np.repeat(np.random.default_rng(0).normal(size=40), 10)
    widths = []
    for block in (np.arange(400), np.arange(400) // 10):
        names["block"] = block
        low, high = names["interval"](values)
        widths.append(high - low)
    assert 2.5 < widths[1] / widths[0] < 4   # the square root of ten


def test_a_split_that_the_data_do_not_allow_is_refused_before_anything_is_trained(run):
    with pytest.raises(ValueError, match="A time split needs a group or a time for each sample: return them"):
        run(KIND="images", TASK="classification", SPLIT="time")
