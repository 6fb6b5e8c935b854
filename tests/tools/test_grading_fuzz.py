"""Whatever is handed in, `course grade` gives it exactly one row.

Half of the cases are exercises in which something was changed at random; the other half are random trees of files and
folders. `make test` tries a few without running any code. `make audit` tries 2,000 more, runs the code of 50, and puts
faults into the grader, each of which has to be found.
"""

import contextlib
import copy
import csv
import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unicodedata

import hypothesis
import nbformat
import pytest
from hypothesis import strategies as st

from course_utils import checks
from course_utils.tools import grading, judging, sandbox
from tests.helpers import submissions as course

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="builds trees that only POSIX has")
LONGEST_PATH = 4095   # bytes, on Linux
LIMITS = sandbox.Limits(cell_seconds=8, seconds=120)
VALUES, CODE = 20_000, 60_000   # what a notebook may hold here; as much as in the course would take long to read


@pytest.fixture(scope="module", autouse=True)
def keys(tmp_path_factory):
    """The keys of the course and of the tiny exercise, which are read from their files only once."""
    folder = tmp_path_factory.mktemp("keys")
    for path in checks.KEYS.glob("*.ipynb"):
        shutil.copy(path, folder)
    nbformat.write(course.key(), folder / f"{course.NAME}.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "KEYS", folder)
        patch.setattr(nbformat, "read", functools.cache(nbformat.read))
        patch.setattr(judging, "VALUES", VALUES)
        patch.setattr(judging, "CODE", CODE)
        yield


@pytest.fixture
def stubbed(monkeypatch):
    """Nothing runs: all checks pass, and each of the learner's cells fails with what its code begins with."""
    def judge(notebook, key, **options):
        own = [cell for cell in judging.merge(notebook, key).cells if cell.id.startswith("cell-")]
        return [*(judging.Verdict(f"✗ {cell.id.replace('-', ' ')} stops at {cell.source[:200]}", False, False)
                  for cell in own),
                *(judging.Verdict(cell.outputs[0].text.strip(), True) for cell in key.cells)]

    monkeypatch.setattr(judging, "judge", judge)


# Trees of files: a dict from names to what is there


@dataclasses.dataclass(frozen=True)
class File:
    """A file; `problem` is a part of the sentence that it has to get, if that is known, and "" if it is valid."""

    content: bytes
    problem: str | None = None


@dataclasses.dataclass(frozen=True)
class Sparse:
    """A file that takes no room on the disk."""

    size: int


@dataclasses.dataclass(frozen=True)
class Link:
    target: bytes


@dataclasses.dataclass(frozen=True)
class Pipe:
    pass


@dataclasses.dataclass(frozen=True)
class Deep:
    """A folder in a folder in a folder …, `depth` of them, and a tree in the last one."""

    name: bytes
    depth: int
    tree: dict


def within(node):
    """What is in a folder; None if it is not a folder."""
    if isinstance(node, Deep):
        return {node.name: Deep(node.name, node.depth - 1, node.tree)} if node.depth else node.tree
    return node if isinstance(node, dict) else None


def write(tree, folder):
    """Write a tree into an existing folder, step by step: the system takes no path as long as its longest ones."""
    todo = [(tree, os.open(folder, os.O_RDONLY))]
    while todo:
        tree, at = todo.pop()
        for name, node in tree.items():
            if within(node) is not None:
                os.mkdir(name, dir_fd=at)
                todo.append((within(node), os.open(name, os.O_RDONLY, dir_fd=at)))
            elif isinstance(node, Link):
                os.symlink(node.target, name, dir_fd=at)
            elif isinstance(node, Pipe):
                os.mkfifo(name, dir_fd=at)
            else:
                with open(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=at), "wb") as file:
                    file.truncate(node.size) if isinstance(node, Sparse) else file.write(node.content)
        os.close(at)


def content(folder):
    """Everything in a folder: path, kind and rights, size, time of writing."""
    seen, todo = set(), [("", os.open(folder, os.O_RDONLY))]
    while todo:
        path, at = todo.pop()
        for entry in os.scandir(at):
            status = entry.stat(follow_symlinks=False)
            seen.add((f"{path}/{entry.name}", status.st_mode, status.st_size, status.st_mtime_ns))
            if entry.is_dir(follow_symlinks=False):
                todo.append((f"{path}/{entry.name}", os.open(entry.name, os.O_RDONLY, dir_fd=at)))
        os.close(at)
    return seen


def is_closed(folder):
    """Whether nobody may read a folder; root could, so that `graded` replaces the function that lists it."""
    return isinstance(folder, bytes | str | os.PathLike) and os.path.basename(os.fsencode(folder)).startswith(b"closed")


def expected(tree, folder):
    """What has to have a row, with a part of its problem, or None if any will do: dict path → text."""
    rows, todo = {}, [(tree, os.fsencode(folder))]
    while todo:
        tree, at = todo.pop()
        for name, node in tree.items():
            if name == b".ipynb_checkpoints":
                continue
            path, lower = at + b"/" + name, name.lower()
            is_folder, is_long = within(node) is not None, len(at + b"/" + name) > LONGEST_PATH
            is_named = lower.endswith(b".ipynb") or (b".ipynb" in lower and not is_folder)
            if is_folder and (is_long or is_closed(name)):
                rows[path] = "cannot be read: "
            elif is_folder:
                todo.append((within(node), path))
            if path in rows or not (is_named or (isinstance(node, Link) and os.path.isdir(path))):
                continue
            rows[path] = ("cannot be read: " if is_long else "is a link" if isinstance(node, Link) else
                          "is not a file" if is_folder or isinstance(node, Pipe) else
                          "does not end in .ipynb" if not lower.endswith(b".ipynb") else
                          "has more than 100 MB" if isinstance(node, Sparse) else node.problem)
    return rows


# The property


@contextlib.contextmanager
def handed_in(tree):
    """A folder with a tree, and the table to write."""
    home = tempfile.mkdtemp()
    try:
        os.mkdir(f"{home}/all")
        write(tree, f"{home}/all")
        yield pathlib.Path(home, "all"), pathlib.Path(home, "grades.csv")
    finally:
        subprocess.run(["rm", "-rf", home], check=True)   # shutil.rmtree fails in deep folders


def grade(folder, out):
    """The grades, with closed folders."""
    def scan(path=".", scan=os.scandir):
        if is_closed(path):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", scan)
        return grading.grade(folder, out, jobs=2, limits=LIMITS)


def check(tree):
    """Everything that was handed in gets exactly one grade, the right one where it is known, and one row."""
    with handed_in(tree) as (folder, out):
        before, rows = content(folder), expected(tree, folder)
        if not rows:
            with pytest.raises(ValueError, match="There is no notebook"):
                grade(folder, out)
            return
        grades = grade(folder, out)
        assert content(folder) == before
        reports = {name for _, _, names in os.walk(out.with_name("grades_reports")) for name in names}
        paths = sorted(map(pathlib.Path, map(os.fsdecode, rows)))
        assert len(grades) == len(paths)
        for one, path in zip(grades, paths, strict=True):
            name = os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")
            assert one.submission == grading._line(name, grading.NAME)
            assert "could not be graded" not in one.problem, one.problem
            assert bool(one.problem) != bool(one.checks)
            problem = rows[os.fsencode(path)]
            assert problem is None or (problem in one.problem and bool(problem) == bool(one.problem)), one.problem
            assert one.report in reports
        check_table(out, sum(len(one.checks) or 1 for one in grades))
        check_table(out.with_name("grades_totals.csv"), len(grades))


def check_table(path, rows):
    """A table has this many rows, and no cell begins a formula, whichever character separates the cells."""
    text = path.read_text(encoding="utf-8")
    with open(path, encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    assert len(table) == rows + 1
    assert {len(row) for row in table} == {len(table[0])}
    for row in [*table, *csv.reader(text.splitlines(), delimiter=";")]:
        for cell in row:
            assert not unicodedata.normalize("NFKC", cell.strip(' \t\r\n"')[:1]).startswith(tuple("=+-−@")), cell


def fuzz(property, cases, examples, *, shrinks=True):
    """Try a property with the same examples every time; what fails is made small, then raised."""
    phases = [hypothesis.Phase.generate, *[hypothesis.Phase.shrink] * shrinks]
    checks = list(hypothesis.HealthCheck)
    hypothesis.settings(derandomize=True, database=None, deadline=None, max_examples=examples, phases=phases,
                        report_multiple_bugs=False, suppress_health_check=checks)(hypothesis.given(cases)(property))()


# Changed exercises


@functools.cache
def bases():
    """Notebooks that are valid submissions, as they are stored."""
    return [course.raw(course.notebook()), *(path.read_bytes() for path in sorted(checks.PRISTINE.glob("*.ipynb")))]


ODD = ["", "x", "=1+1", "＝1", "a;=1", "\ud800", "\x00", "\x1b[31m", "code", "é😀", "../../x", "# NBVAL_SKIP",
       "#" * 5000, "from course_utils import (", "from course_utils import augmented, a.b.c",
       "from course_utils." + "a." * 2000]
JUNK = st.one_of(
    st.sampled_from(ODD), st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from([[], {}, [[]], [{}], [1], {"source": 1}, {"get": 1, "cells": 2}, 10 ** 400, ["x", 1], ["=1\n", "x"],
                     [7, {"cell_type": "code"}], {"exercise": ["../../x"]}, {"splitlines": 1, "cell_type": "code"}])
).map(copy.deepcopy)   # later changes may be inside
NAMES_IN_CELLS = ["id", "source", "cell_type", "metadata", "outputs", "execution_count", "input", "attachments"]
NAMES_IN_BOOK = ["cells", "metadata", "nbformat", "nbformat_minor", "worksheets"]


def change_anything(book, draw):
    """Replace, remove, or repeat any part of the JSON."""
    node = book
    while isinstance(node, dict | list) and node:
        places = list(node) if isinstance(node, dict) else range(len(node))
        place = draw(st.sampled_from(places))
        if not isinstance(node[place], dict | list) or not node[place] or draw(st.integers(0, 3)) == 0:
            break
        node = node[place]
    else:
        return
    match draw(st.sampled_from(["replace", "remove", "repeat"])):
        case "replace":
            node[place] = draw(JUNK)
        case "remove":
            del node[place]
        case "repeat" if isinstance(node, list):
            node.insert(place, copy.deepcopy(node[place]))


def change_cell(book, draw):
    """Give a cell another type, source, id, …, or none."""
    cells = book.get("cells")
    if isinstance(cells, list) and cells and isinstance(cell := draw(st.sampled_from(cells)), dict):
        cell[draw(st.sampled_from(NAMES_IN_CELLS))] = draw(JUNK)


def change_ids(book, draw):
    """Give many cells the same id, an odd one, or none."""
    new = draw(JUNK)
    for cell in book["cells"] if isinstance(book.get("cells"), list) else []:
        if isinstance(cell, dict) and draw(st.booleans()):
            cell.pop("id", None) if new is None else cell.update(id=new)


def change_book(book, draw):
    """Replace or remove a part of the notebook as a whole."""
    name = draw(st.sampled_from(NAMES_IN_BOOK))
    if draw(st.booleans()):
        book.pop(name, None)
    else:
        book[name] = draw(JUNK)


def change_order(book, draw):
    """Shuffle the cells, and leave some out."""
    if isinstance(book.get("cells"), list):
        book["cells"] = draw(st.permutations(book["cells"]))[:draw(st.integers(0, len(book["cells"])))]


def change_version(book, draw):
    """Store it in the format of 2014."""
    if isinstance(book.get("cells"), list):
        book |= {"nbformat": 3, "worksheets": [{"cells": book.pop("cells")}]}


def truncated(raw, draw):
    return raw[:draw(st.integers(0, len(raw)))]


def overwritten(raw, draw):
    place = draw(st.integers(0, len(raw)))
    new = draw(st.one_of(st.binary(max_size=20), st.sampled_from([b'"', b"\\", b"[" * 100_000, b"{", b"\0" * 100])))
    return raw[:place] + new + raw[place + len(new):]


def recoded(raw, draw):
    codec = draw(st.sampled_from(["utf-8-sig", "utf-16", "utf-32", "latin-1", "utf-7"]))
    return raw.decode("utf-8", "replace").encode(codec, "replace")


CHANGES = [change_anything, change_cell, change_ids, change_book, change_order, change_version]
RECODINGS = [truncated, overwritten, recoded]
FILE_NAMES = ["x.ipynb", "Jo_123_02_batch_normalization (1).ipynb", "ex03_dropout.ipynb", "=1+1.ipynb", "x.IPYNB"]


@st.composite
def changed(draw):
    """A tree with one exercise that was changed."""
    book = json.loads(draw(st.sampled_from(bases())))
    for change in draw(st.lists(st.sampled_from(CHANGES), max_size=4)):
        change(book, draw)
    raw = json.dumps(book, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    raw = raw.encode("utf-8", "surrogatepass")
    for change in draw(st.lists(st.sampled_from(RECODINGS), max_size=1)):
        raw = change(raw, draw)
    return {draw(st.sampled_from(FILE_NAMES)).encode(): File(raw)}


# Random trees


def with_source(source, **metadata):
    return course.raw(course.notebook(first=source, **metadata))


def with_values(number):
    """A valid notebook with this many empty values in its metadata."""
    return with_source("pass", values=["here"]).replace(b'"here"', b"{}," * number + b"{}")


STEMS = ["x", "", "a;=1+1", "=1+1", "＝1+1", "＋1", "﹣1", "\t=1", "\r@x", '"=1', " -1", "new\nline", "\x1b[31m",
         "closed", "#" * 100, "y" * 235, "z" * 249, "é" * 120, "02_batch_normalization"]
ENDINGS = [".ipynb"] * 4 + [".IPYNB", ".ipynb.txt", ".ipynb.json", ".html", ".json", "", ".ipynb~"]
NAMES = st.one_of(
    st.builds(lambda stem, ending: os.fsencode(stem + ending)[:255], st.sampled_from(STEMS), st.sampled_from(ENDINGS)),
    st.sampled_from([b"\xff\xfe.ipynb", b".ipynb_checkpoints", b"grades.csv", b"grades_reports", b"...ipynb"]),
    st.builds(lambda stem: stem.replace(b"/", b"").replace(b"\0", b"")[:200] + b".ipynb", st.binary(max_size=250)),
).filter(lambda name: name not in (b"", b".", b".."))
VALID = [File(raw, "") for raw in (
    course.raw(course.notebook()), with_source("#" * 20_000), with_source("x = '=1;=2'"), with_source("=1+1"),
    with_source("pass", course={"exercise": ["../../x"]}), with_source("pass", tags=[[], {}, 1] * 1000))]
INVALID = [File(b""), File(b"[" * 100_000), File(b'"\\' * 100_000), File(b"{}"), File(bytes(1000)), File(b"[{}]"),
           File(with_values(2 * VALUES), f"stores more than {VALUES:,} values"),
           File(with_source("#" * 2 * CODE), f"has more than {CODE:,} characters of code")]
LEAVES = st.one_of(
    st.sampled_from(VALID), st.sampled_from(VALID), st.sampled_from(INVALID), st.builds(File, st.binary(max_size=100)),
    st.builds(Link, st.sampled_from([b"x.ipynb", b"..", b".", b"nowhere", b"/", b"x", b"../x.ipynb", b"l" * 4000])),
    st.just(Pipe()), st.just(Sparse(grading.LARGEST + 1)))


@st.composite
def folders(draw, nodes):
    """A folder of files and folders, some of which are named like what the grader may write."""
    tree = draw(st.dictionaries(NAMES, nodes, max_size=4))
    for name in list(tree):
        if len(name) < 250 and draw(st.integers(0, 2)) == 0:
            stem, _, _ = name.rpartition(b".ipynb")
            other = draw(st.sampled_from([name + b".json", name + b".html", stem + b".html", stem + b".json"]))
            tree[other] = {draw(NAMES): draw(nodes)}
    return tree


def inner(nodes):
    """Folders, and folders that are so deep that the paths of their files are about as long as a path may be."""
    near = [(b"d", range(1000, 2100)), (b"e" * 250, range(14, 18)), (b"f" * 99, range(38, 42))]
    return st.one_of(folders(nodes), folders(nodes), st.sampled_from(near).flatmap(
        lambda chain: st.builds(Deep, st.just(chain[0]), st.sampled_from(chain[1]), folders(nodes))))


TREES = folders(st.recursive(LEAVES, inner, max_leaves=4))


# What is tried


@pytest.mark.parametrize("cases", [changed(), TREES], ids=["changed exercises", "trees"])
def test_everything_that_is_handed_in_has_one_row(cases, stubbed):
    fuzz(check, cases, 20)


@pytest.mark.audit
@pytest.mark.parametrize("cases", [changed(), TREES], ids=["changed exercises", "trees"])
def test_everything_that_is_handed_in_has_one_row_in_many_cases(cases, stubbed):
    fuzz(check, cases, 1000)


@pytest.mark.audit
@pytest.mark.notebooks
@pytest.mark.parametrize("cases", [changed(), TREES], ids=["changed exercises", "trees"])
def test_everything_that_is_handed_in_has_one_row_when_it_runs(cases):
    fuzz(check, cases, 25)


# Time


UNITS = ["#", "# ", "#\n", "# NBVAL_", "\n", " ", "\t", "(", ",", ".", "from course_utils import (\n", "a, ", "a.",
         "from ", "plots.", "sys.", "\x1b[", "=1;", "\r", "é"]
STARTS = ["", "from course_utils import ", "from course_utils import augmented, ", "from course_utils.", "# NBVAL_"]
RAW_UNITS = [b'"', b"\\", b'"\\', b"[", b"{", b"[],", b'{"a":', b"\xff", b"1", b"1.", b"-", b"\0",
             b'{"id": "x"},', b'"a",']
PLACES = ["source", "lines", "cells", "metadata", "tags", "file", "name", "text cell"]


def sized(place, start, units, size):
    """The bytes of a file that holds units that are repeated until they have about this size."""
    text, raw = units
    if place == "file":
        return raw * (size // len(raw))
    text = start + text * (size // len(text)) + "!"
    book = json.loads(course.raw(course.notebook()))
    match place:
        case "source":
            book["cells"][1]["source"] = text
        case "lines":
            book["cells"][1]["source"] = list(text)
        case "cells":
            book["cells"] += [book["cells"][1] | {"source": text[:20]}] * (size // 2000)
        case "metadata":
            book["metadata"]["x"] = [{}, []] * (size // 8)
        case "tags":
            book["cells"][1]["metadata"]["tags"] = [[number] for number in range(size // 8)] + [{}, "x"]
        case "name":
            book["metadata"]["course"]["exercise"] = text
        case "text cell":
            book["cells"][0]["source"] = text
    return json.dumps(book).encode()


def check_time(case):
    """Sixteen times the size takes about sixteen times the time; this is only wrong if it is wrong three times."""
    def seconds(size):
        with handed_in({b"x.ipynb": File(sized(*case, size))}) as (folder, out):
            start = time.process_time()
            grade(folder, out)
            return time.process_time() - start

    seconds(10)
    for _ in range(3):
        first, second, third = map(seconds, (2_000, 8_000, 32_000))
        grown = (third - second) / max(second - first, 0.1)   # 4 if linear, 16 if quadratic
        if grown < 9:
            return
    raise AssertionError(f"{case} takes {first:.2f} s, {second:.2f} s, and {third:.2f} s for four times the size each")


TIMED = st.tuples(st.sampled_from(["source", "source", *PLACES]), st.sampled_from(STARTS),
                  st.tuples(st.sampled_from(UNITS), st.sampled_from(RAW_UNITS)))


def test_time_is_linear(stubbed):
    fuzz(check_time, TIMED, 8)


@pytest.mark.audit
def test_time_is_linear_in_many_cases(stubbed):
    fuzz(check_time, TIMED, 400)


# Faults that the fuzzer has to find


def mirrored(ending):
    """Reports in folders like those of the submissions."""
    def fault(patch):
        def write(path, text, write=grading.write_atomically):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, text)

        patch.setattr(grading, "_page", lambda name: os.fsdecode(name) + ending)
        patch.setattr(grading, "write_atomically", write)
    return fault


def listed(change):
    """Another list of what was handed in."""
    return lambda patch: patch.setattr(grading, "_notebooks", lambda folder, listed=grading._notebooks: (
        lambda paths, root: (change(paths), root))(*listed(folder)))


def leaves_a_note(patch):
    def refusal(path, name, refusal=grading._refusal):
        with contextlib.suppress(OSError):
            path.with_name("seen").touch()
        return refusal(path, name)

    patch.setattr(grading, "_refusal", refusal)


def with_one_quadratic_pattern(patch):
    marker = re.compile(r"#[#\s]*(?:NBVAL|PYTEST_VALIDATE)_[A-Z_]+")
    patch.setattr(judging, "_plain", lambda source: marker.sub("", source).encode("utf-8", "replace").decode())


FAULTS = {   # name: what puts it into the grader, where it has to be found, and what is said then, if that is known
    "reports collide with folders": (mirrored(".html"), check, TREES, "(FileExists|NotADirectory|IsADirectory)Error"),
    "paths of reports are too long": (mirrored(".report.html"), check, TREES, "File name too long"),
    "links are followed": (lambda patch: patch.setattr(pathlib.Path, "lstat", pathlib.Path.stat), check, TREES),
    "files of any size are read": (lambda patch: patch.setattr(grading, "LARGEST", 1 << 60), check, TREES),
    "any number of values is read": (lambda patch: patch.setattr(judging, "VALUES", 1 << 60), check, TREES),
    "any amount of code is read": (lambda patch: patch.setattr(judging, "CODE", 1 << 60), check, TREES),
    "cells begin formulas": (lambda patch: patch.setattr(grading, "_cell", lambda value: value), check, TREES),
    "cells begin full-width formulas": (lambda patch: patch.setattr(grading, "_cell", lambda value: (
        "'" + value if isinstance(value, str) and value.startswith(tuple("=+-@")) else value)), check, TREES),
    "cells begin formulas after semicolons": (lambda patch: patch.setattr(
        grading, "_cell", lambda value, cell=grading._cell: cell(value.replace(";", "\u037e")).replace("\u037e", ";")
        if isinstance(value, str) else value), check, TREES),
    "odd names have no row": (listed(lambda paths: [path for path in paths if path.suffix == ".ipynb"]), check, TREES),
    "a submission has two rows": (listed(lambda paths: [*paths, paths[-1]]), check, changed()),
    "something is written among the submissions": (leaves_a_note, check, changed()),
    "anything may be in a notebook": (lambda patch: patch.setattr(
        judging, "_notebook", lambda content: nbformat.reads(content.decode(), 4)), check, changed()),
    "a pattern takes quadratic time": (with_one_quadratic_pattern, check_time, TIMED, "for four times the size each"),
}


@pytest.mark.audit
@pytest.mark.filterwarnings("ignore")   # what nbformat says of odd notebooks
@pytest.mark.parametrize("fault", FAULTS)
def test_the_fuzzer_finds_a_fault(fault, stubbed, monkeypatch):
    put, property, cases, *message = FAULTS[fault]
    put(monkeypatch)
    tried = []

    def check(case):
        tried.append(case)
        property(case)

    with pytest.raises(AssertionError, match=message[0] if message else None) as caught:
        fuzz(check, cases, 300, shrinks=False)
    print(f"{fault}: found in case {len(tried)}: {str(caught.value)[:300]}")
