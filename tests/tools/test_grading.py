"""`course grade` gives every submission of a class its verdict, and leaves nothing behind."""

import csv
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import unicodedata

import nbformat
import psutil
import pytest

from course_utils import checks
from course_utils.tools import build, cli, gradebook, grading, judging, sandbox
from tests.helpers import submissions as course

LIMITS = sandbox.Limits(cell_seconds=8, seconds=60)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A folder with the key of the tiny exercise, in place of the course's."""
    folder = tmp_path_factory.mktemp("keys")
    nbformat.write(course.key(), folder / f"{course.NAME}.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "KEYS", folder)
        yield folder


needs_bubblewrap = pytest.mark.skipif(bool(sandbox.lacks()), reason=sandbox.lacks())


def hand_in(folder, names):
    """Write submissions into a folder, as learners hand them in."""
    for name in names:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.ipynb").write_bytes(course.SUBMISSIONS[name][0])
    return folder


def content(folder):
    """Everything in a folder: path → hash and time of writing."""
    return {path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) if path.is_file() else None
            for path in folder.rglob("*")}


def left_behind():
    """What submissions started and still runs; a submission that ended takes a moment to be gone."""
    end = time.monotonic() + 30
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                words, environment = process.cmdline(), process.environ()
            except psutil.Error:
                continue
            if "3141" in words or sandbox.MARK in environment:
                found.append(words)
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.1)


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def graded(keys, tmp_path_factory):
    """A class whose members hand in all there is, graded at once: grades by name, and the folder.

    Without a fence, some of them would harm this machine.
    """
    if sandbox.lacks():
        pytest.skip(sandbox.lacks())
    home = tmp_path_factory.mktemp("class")
    handed_in = hand_in(home / "submissions", course.SUBMISSIONS)
    before = content(handed_in)
    grades = grading.grade(handed_in, home / "grades.csv", jobs=2, limits=LIMITS)
    assert content(handed_in) == before
    return {one.submission.removesuffix(".ipynb"): one for one in grades}, home


# Real submissions


@pytest.mark.notebooks
@pytest.mark.parametrize("name", course.SUBMISSIONS)
def test_every_submission_gets_its_verdict(name, graded):
    grade, wanted = graded[0][name], course.SUBMISSIONS[name][1]
    if isinstance(wanted, str):
        assert (grade.problem, grade.checks) == (wanted.format(name=f"{name}.ipynb"), ())
    else:
        assert grade.problem == ""
        assert [question for question, _, _ in grade.checks] == ["9.1", "9.2"]
        for (_, passed, line), beginning in zip(grade.checks, wanted, strict=True):
            assert line.startswith(beginning)
            assert passed == line.startswith("✓")


@pytest.mark.notebooks
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.skipif(
    name == "2000 children" and hasattr(os, "geteuid") and os.geteuid() == 0,
    reason="Linux does not limit the number of root's processes")) for name in course.CELLS])
def test_the_line_of_a_failed_cell_says_what_to_look_for(name, graded):
    assert graded[0][name].cells[0][0].startswith(course.CELLS[name])
    assert graded[0][name].cells[0][1] == nbformat.reads(course.SUBMISSIONS[name][0], 4).cells[1].source


@pytest.mark.notebooks
@pytest.mark.parametrize(("name", "status"), [
    ("right", "passed"), ("wrong", "wrong"), ("unanswered", "not answered"), ("missing answer", "not answered"),
    ("killed kernel", "could not be graded"), ("endless loop in an answer", "wrong")])
def test_whatever_keeps_a_check_from_passing_has_a_status(name, status, graded):
    _, passed, line = graded[0][name].checks[0]
    assert gradebook.status(passed, line) == status


@pytest.mark.notebooks
def test_no_process_is_left_behind(graded):
    assert left_behind() == []


@pytest.mark.notebooks
def test_a_right_submission_has_no_failed_cells_and_no_notes(graded):
    assert (graded[0]["right"].cells, graded[0]["right"].notes) == ((), ())


@pytest.mark.notebooks
@pytest.mark.parametrize(("name", "note"), [
    ("patched modules", "cell 1 speaks of sys.modules, which no answer needs"),
    ("patched print", "cell 1 speaks of builtins, which no answer needs"),
    ("patched checks", "cell 1 speaks of course_utils.checks, which no answer needs"),
    ("forged records", "cell 1 speaks of .looks, which no answer needs")])
def test_an_attempt_to_cheat_is_noted_for_the_instructor_only(name, note, graded):
    grades, home = graded
    assert grades[name].notes == (note,)
    assert note not in (home / "grades_reports" / grades[name].report).read_text(encoding="utf-8")


@pytest.mark.notebooks
def test_the_table_has_a_row_for_each_submission_and_check(graded):
    grades, home = graded
    rows, totals = read(home / "grades.csv"), read(home / "grades_totals.csv")
    assert [row["submission"] for row in totals] == sorted(f"{name}.ipynb" for name in course.SUBMISSIONS)
    assert len(rows) == sum(len(one.checks) or 1 for one in grades.values())
    assert [row for row in rows if row["submission"] == "wrong.ipynb"] == [
        {"submission": "wrong.ipynb", "exercise": "09_small", "check": "9.1", "passed": "False",
         "line": "✗ 9.1 3 does not become 6: multiply by two"},
        {"submission": "wrong.ipynb", "exercise": "09_small", "check": "9.2", "passed": "True",
         "line": course.RIGHT[1]}]
    assert [row for row in rows if row["submission"] == "a list.ipynb"] == [
        {"submission": "a list.ipynb", "exercise": "", "check": "", "passed": "False",
         "line": course.NO_NOTEBOOK.format(name="a list.ipynb")}]
    assert next(row for row in totals if row["submission"] == "wrong.ipynb") == {
        "submission": "wrong.ipynb", "exercise": "09_small", "passed": "1", "checks": "2", "problem": "", "notes": "",
        "report": grades["wrong"].report}


@pytest.mark.notebooks
def test_every_submission_has_a_report(graded):
    grades, home = graded
    for name, one in grades.items():
        page = (home / "grades_reports" / one.report).read_text(encoding="utf-8")
        assert page == grading.report(one), name
    assert "<li class='failed'>✗ 9.1 3 does not become 6: multiply by two</li>" in grading.report(grades["wrong"])
    assert "1 of 2 checks passed" in grading.report(grades["wrong"])
    assert "values[7]</pre>" in grading.report(grades["an error"])


def test_a_report_shows_what_a_learner_wrote_and_runs_none_of_it():
    page = grading.report(grading.Grade(
        "<i>BODY.ipynb", "09_small", (("9.1", False, "✗ <script>alert(1)</script>"),), (("✗ <b>", "<img src=x>"),)))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("&lt;i&gt;BODY.ipynb") == 2
    assert not any(tag in page for tag in ("<script", "<i>", "<b>", "<img"))


@pytest.mark.notebooks
def test_a_large_notebook_is_graded(keys, tmp_path):
    book = course.printed(json.loads(course.raw(course.notebook())), 50)
    path = tmp_path / "large.ipynb"
    path.write_text(json.dumps(book))
    assert path.stat().st_size > 50e6
    one, = grading.grade(path, tmp_path / "grades.csv")
    assert [line for _, _, line in one.checks] == course.RIGHT


def test_a_notebook_that_is_too_large_is_one_sentence(keys, tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "LARGEST", 1 << 10)
    one, = grading.grade(hand_in(tmp_path / "all", ["right"]), tmp_path / "grades.csv")
    assert one.problem == "right.ipynb has more than 0 MB; clear its outputs and save it again."


# Limits


@pytest.mark.notebooks
def test_a_submission_that_takes_too_long_is_stopped_and_keeps_what_it_has(keys, tmp_path):
    book = course.notebook(flaws="import time\ntime.sleep(900)")
    (tmp_path / "slow.ipynb").write_bytes(course.raw(book))
    one, = grading.grade(tmp_path / "slow.ipynb", tmp_path / "grades.csv", limits=sandbox.Limits(seconds=20))
    assert [line for _, _, line in one.checks] == [
        course.RIGHT[0], "✗ 9.2 was not run, since all cells together took longer than 20 s"]
    assert left_behind() == []


FILL = """import pathlib, sys, time
for number in range(9):
    (pathlib.Path(sys.argv[-1]).parent / f"{number}").write_bytes(bytes(10 << 20))
time.sleep(900)"""


@pytest.mark.notebooks
@needs_bubblewrap
def test_the_folder_of_the_judge_is_limited(keys, tmp_path):
    (tmp_path / "large.ipynb").write_bytes(course.raw(course.notebook(flaws=FILL)))
    limits = sandbox.Limits(folder=30 << 20)
    one, = grading.grade(tmp_path / "large.ipynb", tmp_path / "grades.csv", limits=limits)
    assert [line for _, _, line in one.checks] == [
        course.RIGHT[0], "✗ 9.2 was not run, since its files have more than 31 MB"]


@pytest.mark.notebooks
def test_computing_time_is_limited(keys, tmp_path):
    (tmp_path / "slow.ipynb").write_bytes(course.raw(course.notebook(first=course.STUBBORN)))
    one, = grading.grade(tmp_path / "slow.ipynb", tmp_path / "grades.csv", limits=sandbox.Limits(cpu_seconds=10))
    assert one.cells[0][0] == ("✗ cell 1 was not finished, since the kernel died: "
                               "it used more computing time than it may")


def inside(code, **options):
    """What Python code prints inside the fence."""
    words = sandbox.around(options.pop("limits", sandbox.Limits()), **options).words
    done = subprocess.run([*words, sys.executable, "-c", code], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


@needs_bubblewrap
def test_the_fence_closes_the_network_and_hides_folders(tmp_path):
    import pwd  # not on Windows

    (tmp_path / "secret").write_text("other")
    home, root, checked = pwd.getpwuid(os.geteuid()).pw_dir, str(build.HOME), str(checks.PRISTINE.parent)
    seen = inside(f"""
import os, socket
print(os.listdir("."), os.path.isdir({str(tmp_path)!r}), os.listdir({root!r}), os.listdir({checked!r}))
print([name for name in os.listdir({home!r}) if name not in {sys.base_prefix!r}])
try:
    socket.create_connection(("192.0.2.1", 80), 3)
except OSError as error:
    print(error.strerror)
print(sorted(name for name in os.listdir("/proc") if name.isdigit())[:1], "SECRET" in os.environ)
for path in ("/etc/new", {root!r} + "/new", {sandbox.__file__!r}):
    try:
        open(path, "a")
    except OSError as error:
        print(type(error).__name__)
import multiprocessing
multiprocessing.Lock()
""", hidden=[tmp_path]).splitlines()
    assert seen[0].startswith("[] False ")
    assert seen[0].endswith(" []")   # the checks
    assert "course_utils" in seen[0]
    assert "solutions" not in seen[0]
    assert seen[1:4] == ["[]", "Network is unreachable", "['1'] False"]
    assert len(seen) == 7


@needs_bubblewrap
def test_the_fence_takes_all_rights_away():
    seen = inside("import os; print(*[line.split()[1] for line in open('/proc/self/status') if line[:3] == 'Cap'], "
                  "os.getuid(), os.getgroups())")
    assert set(seen.split()[:5]) == {"0" * 16}
    assert seen.split()[5] == sandbox.USER


@needs_bubblewrap
def test_files_together_are_limited():
    limits = sandbox.Limits(folder=20 << 20)
    for folder in (".", "/dev/shm"):
        assert "No space left" in inside(
            f"for n in range(9):\n    open(f'{folder}/{{n}}', 'wb').write(bytes(10 << 20))", limits=limits)


@needs_bubblewrap
def test_the_environment_of_the_instructor_stays_outside(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "secret")
    assert inside("import os; print(os.environ.get('MY_TOKEN'), os.environ['HOME'] != os.path.expanduser('~root'))"
                  ) == "None True"


@pytest.fixture
def no_bubblewrap(monkeypatch):
    monkeypatch.setattr(sandbox, "lacks", lambda: "It lacks much.")


@pytest.mark.notebooks
def test_without_bubblewrap_the_limits_remain_and_nothing_is_left_behind(no_bubblewrap, keys, tmp_path, capsys):
    names = ["8 GB", "endless loop in an answer"]
    handed_in = hand_in(tmp_path / "all", names)
    (handed_in / "children.ipynb").write_bytes(course.raw(course.notebook(
        first="import os, subprocess\nfor _ in range(20):\n"
              '    subprocess.Popen(["sleep", "3141"], start_new_session=True)\nos._exit(0)')))
    status = cli.main(["grade", str(handed_in), "--out", str(tmp_path / "grades.csv"), "--cell-timeout", "6"])
    assert (status, capsys.readouterr().err) == (0, "It lacks much.\n")
    rows = {}
    for row in read(tmp_path / "grades.csv"):
        rows.setdefault(row["submission"].removesuffix(".ipynb"), []).append(row["line"])
    for name, wanted in [("children", course.GONE), *((name, course.SUBMISSIONS[name][1]) for name in names)]:
        assert all(map(str.startswith, rows[name], wanted))
    assert left_behind() == []


# The command


def command(*words, **options):
    """The command in a process of its own, with the key of the tiny exercise."""
    code = ("import pathlib, sys; from course_utils import checks; from course_utils.tools import cli; "
            "checks.KEYS = pathlib.Path(sys.argv.pop(1)); sys.exit(cli.main(sys.argv[1:]))")
    return subprocess.Popen([sys.executable, "-c", code, *map(str, words)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=os.environ | {"TQDM_DISABLE": "1"}, **options)


@pytest.mark.notebooks
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda kill: kill.name)
def test_interrupted_it_ends_what_it_started_and_continues_when_rerun(kill, keys, tmp_path, monkeypatch):
    if kill == signal.SIGKILL and sandbox.lacks():
        pytest.skip("needs bubblewrap")
    handed_in = hand_in(tmp_path / "all", ["a list", "right"])
    (handed_in / "slow.ipynb").write_bytes(course.raw(course.notebook(first=course.ENDLESS)))
    words = ["grade", handed_in, "--out", tmp_path / "grades.csv", "--jobs", "1"]
    running = command(keys, *words)
    noted = functools.partial((tmp_path / "grades_reports").glob, "right-*.json")
    end = time.monotonic() + 300
    while not list(noted()) and time.monotonic() < end:
        time.sleep(0.1)
    assert list(noted())
    time.sleep(1)   # now it is busy with the slow one
    running.send_signal(kill)
    _, said = running.communicate(timeout=120)
    assert running.returncode == {signal.SIGKILL: -signal.SIGKILL}.get(kill, 130)
    assert said == ("" if kill == signal.SIGKILL else "Stopped; the same command goes on from here.\n")
    assert left_behind() == []
    assert not (tmp_path / "grades.csv").exists()

    (handed_in / "slow.ipynb").write_bytes(course.SUBMISSIONS["unanswered"][0])
    judged = []
    monkeypatch.setattr(judging, "judge", lambda *given, judge=judging.judge, **options: (
        judged.append(given), judge(*given, **options))[1])
    assert cli.main([str(word) for word in words]) == 1   # one of them is no notebook
    assert len(judged) == 1
    assert [row["line"] for row in read(tmp_path / "grades.csv")][1:] == [*course.RIGHT, *course.OPEN]


def fake(monkeypatch):
    """Judge nothing, but note what would be judged."""
    judged = []
    monkeypatch.setattr(judging, "judge", lambda notebook, key, **options: judged.append(notebook) or [
        judging.Verdict(cell.outputs[0].text.strip(), True) for cell in key.cells])
    return judged


def test_only_what_changed_is_graded_anew(keys, tmp_path, monkeypatch):
    judged = fake(monkeypatch)
    handed_in = hand_in(tmp_path / "all", ["right", "wrong", "a list"])
    first = grading.grade(handed_in, tmp_path / "grades.csv")
    table = (tmp_path / "grades.csv").read_bytes()
    page = tmp_path / "grades_reports" / first[1].report
    page.unlink()
    assert grading.grade(handed_in, tmp_path / "grades.csv", jobs=3) == [
        grading.Grade(**json.loads(json.dumps(vars(one)))) for one in first]
    assert ((tmp_path / "grades.csv").read_bytes(), len(judged)) == (table, 2)
    assert page.exists()
    hand_in(handed_in, ["unanswered"]).joinpath("unanswered.ipynb").replace(handed_in / "wrong.ipynb")
    grading.grade(handed_in, tmp_path / "grades.csv")
    assert len(judged) == 3
    grading.grade(handed_in, tmp_path / "grades.csv", limits=sandbox.Limits(seconds=99))
    assert len(judged) == 5
    page.with_suffix(".json").write_text("{")
    grading.grade(handed_in, tmp_path / "grades.csv", limits=sandbox.Limits(seconds=99))
    assert len(judged) == 6


def test_names_do_not_collide_and_stay_text(keys, tmp_path, monkeypatch):
    fake(monkeypatch)
    names = ["a/x.ipynb", "b/x.ipynb", "a x.ipynb", "=1+1.ipynb", "new\nline.ipynb", "x" * 240 + ".ipynb",
             "x.html.ipynb"]
    for name in [*names, ".ipynb_checkpoints/x.ipynb"]:
        (tmp_path / "all" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "all" / name).write_bytes(course.SUBMISSIONS["right"][0])
    with open(os.fsencode(tmp_path / "all") + b"/\xff.ipynb", "wb") as file:
        file.write(course.SUBMISSIONS["right"][0])
    grades = grading.grade(tmp_path / "all", tmp_path / "grades.csv")
    assert len(grades) == 8
    assert not any(one.problem for one in grades)
    assert {row["submission"] for row in read(tmp_path / "grades.csv")} == {
        "a/x.ipynb", "b/x.ipynb", "a x.ipynb", "'=1+1.ipynb", "new line.ipynb", "x" * 240 + ".ipynb", "x.html.ipynb",
        "�.ipynb"}
    assert len(list((tmp_path / "grades_reports").glob("*.html"))) == 8
    assert {row["report"].rpartition("-")[0] for row in read(tmp_path / "grades_totals.csv")} == {
        "a-x", "b-x", "1-1", "new-line", "x" * 40, "x-html", ""}


def test_a_report_and_a_submission_never_have_the_same_name(keys, tmp_path, monkeypatch):
    fake(monkeypatch)
    deep = tmp_path / "all"
    while len(os.fsencode(deep)) < 3800:
        deep /= "d" * 200
        deep.mkdir(parents=True)
    names = ["x.ipynb", "x.ipynb.json/y.ipynb", "x.html/y.ipynb", "x.json/y.ipynb",
             (deep / ("y" * (4080 - len(os.fsencode(deep))) + ".ipynb")).relative_to(tmp_path / "all")]
    for name in names:
        (tmp_path / "all" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "all" / name).write_bytes(course.SUBMISSIONS["right"][0])
    for _ in range(2):   # the second time from what was noted
        grades = grading.grade(tmp_path / "all", tmp_path / "grades.csv")
        assert [(one.problem, len(one.checks)) for one in grades] == [("", 2)] * len(names)
        for one in grades:
            page = tmp_path / "grades_reports" / one.report
            assert page.read_text(encoding="utf-8") == grading.report(one)


@pytest.mark.parametrize("step", ["_refusal", "_digest", "_recall", "_grade", "write_atomically", "report"])
def test_whatever_goes_wrong_with_one_submission_costs_its_own_row_only(step, keys, tmp_path, monkeypatch):
    fake(monkeypatch)
    handed_in = hand_in(tmp_path / "all", ["right", "unanswered"])
    works = getattr(grading, step)

    def fails(*given, **options):
        if "unanswered" in str(given[0]):   # the tables, too, contain this name, but not in their path
            raise MemoryError("no room")
        return works(*given, **options)

    monkeypatch.setattr(grading, step, fails)
    grading.grade(handed_in, tmp_path / "grades.csv")
    assert [row["problem"] for row in read(tmp_path / "grades_totals.csv")] == [
        "", "unanswered.ipynb could not be graded (MemoryError: no room)."]
    assert [row["line"] for row in read(tmp_path / "grades.csv")][:-1] == course.RIGHT


def test_a_folder_that_cannot_be_read_has_a_row(keys, tmp_path, monkeypatch):
    fake(monkeypatch)
    handed_in = hand_in(tmp_path / "all", ["right"])
    closed = os.fsencode(handed_in) + b"/closed \xff"
    os.mkdir(closed)

    def scan(folder, scan=os.scandir):
        if os.fsencode(folder) == closed:
            raise PermissionError(13, "Permission denied", folder)   # for root there is no such folder
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scan)
    grades = grading.grade(handed_in, tmp_path / "grades.csv")
    assert [one.problem for one in grades] == ["closed � cannot be read: Permission denied.", ""]


def test_folders_may_be_nested_too_deep(keys, tmp_path, monkeypatch):
    fake(monkeypatch)
    handed_in = hand_in(tmp_path / "all", ["right"])
    for name, times in {"d": 1200, "e" * 250: 20}.items():
        folder = os.open(handed_in, os.O_RDONLY)
        for _ in range(times):   # step by step: the whole path of the last ones is too long for the system
            os.mkdir(name, dir_fd=folder)
            inner = os.open(name, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
        with open("x.ipynb", "wb", opener=lambda path, flags, into=folder: os.open(path, flags, dir_fd=into)) as file:
            file.write(course.SUBMISSIONS["right"][0])
        os.close(folder)
    try:
        deep, too_deep, right = grading.grade(handed_in, tmp_path / "grades.csv")
    finally:
        subprocess.run(["rm", "-rf", handed_in], check=True)   # shutil.rmtree, which pytest uses, cannot
    assert (deep.problem, right.problem) == ("", "")
    assert too_deep.problem.endswith(" … cannot be read: File name too long.")


def test_links_are_not_followed(keys, tmp_path, monkeypatch):
    judged = fake(monkeypatch)
    hand_in(tmp_path / "elsewhere", ["wrong"])
    handed_in = tmp_path / "all"
    (handed_in / "eve").mkdir(parents=True)
    hand_in(handed_in / "bob", ["right"])
    for name, target in {"a.ipynb": "../bob/right.ipynb", "b.ipynb": "nowhere", "c": "../bob", "d": "..",
                         "e": tmp_path / "elsewhere", "f.txt": "../bob/right.ipynb", "g": "g"}.items():
        (handed_in / "eve" / name).symlink_to(target)
    grades = grading.grade(handed_in, tmp_path / "grades.csv")
    assert [(one.submission, one.problem) for one in grades] == [("bob/right.ipynb", "")] + [
        (f"eve/{name}", f"eve/{name} is a link, which is not followed; hand in the notebook itself.")
        for name in ("a.ipynb", "b.ipynb", "c", "d", "e")]
    assert len(judged) == 1


def test_a_file_is_not_read_before_its_size_is_known(keys, tmp_path, monkeypatch):
    with open(tmp_path / "sparse.ipynb", "wb") as file:
        file.truncate(10 << 30)   # it takes no room on the disk
    read = []
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: read.append(file.name) or hashlib.sha256())
    one, = grading.grade(tmp_path / "sparse.ipynb", tmp_path / "grades.csv")
    assert one.problem == "sparse.ipynb has more than 100 MB; clear its outputs and save it again."
    assert str(tmp_path / "sparse.ipynb") not in read


def test_whatever_is_named_like_a_notebook_has_a_row(keys, tmp_path, monkeypatch):
    fake(monkeypatch)
    handed_in = hand_in(tmp_path / "all", ["right"])
    (handed_in / "right.ipynb").rename(handed_in / "right.IPYNB")
    (handed_in / "folder.ipynb").mkdir()
    (handed_in / "x.ipynb.json").mkdir()
    os.mkfifo(handed_in / "pipe.ipynb")   # to open it would wait for ever
    for name in ("y.ipynb.txt", "y.IPYNB~"):
        (handed_in / name).write_bytes(course.SUBMISSIONS["right"][0])
    grades = grading.grade(handed_in, tmp_path / "grades.csv")
    assert [one.problem for one in grades] == [
        *(f"{name}.ipynb is not a file; hand in the notebook itself." for name in ("folder", "pipe")), "",
        *(f"{name} does not end in .ipynb, as a notebook does; rename it and hand it in again."
          for name in ("y.IPYNB~", "y.ipynb.txt"))]
    assert [line for _, _, line in grades[2].checks] == course.RIGHT
    assert grades[2].notes == ("its name ends in .IPYNB, so JupyterLab does not open it as a notebook",)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "−1", "＝1", "＋1", "－1", "＠x", "﹦1", " =1", "\t=1",
                                  "\r=1", '"=1', "x;=1", "x; ＝1", 'x;"=1', "x;y;-1", "=\u03381"])
def test_no_cell_begins_a_formula_even_where_semicolons_separate_the_cells(text, tmp_path):
    grading._write_table(tmp_path / "x.csv", ["a", "b"], [("x", text), (text, "x")])
    written = (tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()
    for delimiter in ",;":
        cells = [cell.strip(' "\t') for row in csv.reader(written, delimiter=delimiter) for cell in row]
        assert not any(unicodedata.normalize("NFKC", cell[:1]).startswith(tuple("=+-−@")) for cell in cells)
    assert len(list(csv.reader(written))) == 3


def test_other_cells_stay_as_they_are(tmp_path):
    row = ["a=1; b", "✗ 2.1 −1 is not −2; x+1", "x-y, @z", "3", "", "'=1"]
    grading._write_table(tmp_path / "x.csv", row, [(*row[:-2], 3, -1)])
    with open(tmp_path / "x.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [row, [*row[:-2], "3", "-1"]]


def test_one_notebook_is_read_at_a_time(keys, tmp_path, monkeypatch):
    fake(monkeypatch)
    reading, most = [], []

    def read(path, read=judging.read):
        reading.append(path)
        time.sleep(0.05)   # so that others would begin
        most.append(len(reading))
        reading.remove(path)
        return read(path)

    monkeypatch.setattr(judging, "read", read)
    handed_in = hand_in(tmp_path / "all", ["right", "wrong", "no ids", "Colab"])
    grading.grade(handed_in, tmp_path / "grades.csv", jobs=4)
    assert most == [1] * 4


def without_ids(notebook):
    for cell in notebook.cells:
        cell.pop("id")
    notebook.nbformat_minor = 4


def with_given_code_pasted(notebook):
    """Every cell begins with what the course wrote in the others."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[0].source = "\n".join(cell.source for cell in code)


@pytest.mark.parametrize("change", [lambda notebook: None, without_ids, with_given_code_pasted],
                         ids=["as built", "without ids", "pasted"])
def test_what_the_course_wrote_is_not_noted(change, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "KEYS", checks.PRISTINE.with_name("keys"))
    fake(monkeypatch)
    (tmp_path / "all").mkdir()
    paths = [*map(build.notebook_of, build.solutions()), *checks.PRISTINE.glob("*.ipynb")]
    for path in paths:
        notebook = nbformat.read(path, 4)
        change(notebook)
        nbformat.write(notebook, tmp_path / "all" / f"{path.parent.name}-{path.name}")
    grades = grading.grade(tmp_path / "all", tmp_path / "grades.csv")
    assert len(grades) == len(paths)
    assert [(one.problem, one.notes) for one in grades] == [("", ())] * len(grades)


def test_what_a_learner_wrote_into_given_code_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "KEYS", checks.PRISTINE.with_name("keys"))
    fake(monkeypatch)
    name = "ex05_data_augmentation.ipynb"
    notebook = nbformat.read(checks.PRISTINE / name, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    number, given = next((number, cell) for number, cell in enumerate(code, 1)
                         if "import augmentation_manuscript" in cell.source)
    given.source += "\nimport builtins"
    nbformat.write(notebook, tmp_path / name)
    one, = grading.grade(tmp_path / name, tmp_path / "grades.csv")
    assert one.notes == (f"cell {number} speaks of builtins, which no answer needs",)


def test_a_failure_of_the_grader_costs_one_row_and_is_tried_again(keys, tmp_path, monkeypatch):
    handed_in = hand_in(tmp_path / "all", ["right"])
    monkeypatch.setattr(judging, "judge", lambda *_, **options: 1 / 0)
    words = ["grade", str(handed_in), "--out", str(tmp_path / "grades.csv")]
    assert cli.main(words) == 1
    assert [row["line"] for row in read(tmp_path / "grades.csv")] == [
        "right.ipynb could not be graded (ZeroDivisionError: division by zero)."]
    assert len(fake(monkeypatch)) == 0
    assert cli.main(words) == 0


def test_what_cannot_be_graded_is_one_sentence(keys, tmp_path, capsys):
    handed_in = hand_in(tmp_path / "all", ["right"])
    before = content(handed_in)
    (tmp_path / "empty").mkdir()
    hand_in(tmp_path / "all_reports", ["right"])
    for words, said in {
            (handed_in, "--out", handed_in / "grades.csv"): "lies among the submissions, where nothing is written; "
            "choose a file outside",
            (tmp_path / "all_reports", "--out", tmp_path / "all.csv"): "lies among the submissions",
            (handed_in / "right.ipynb", "--out", handed_in / "right.ipynb"): "lies among the submissions",
            (tmp_path / "empty",): "There is no notebook in",
            (tmp_path / "nowhere",): "There is no notebook in"}.items():
        assert cli.main(["grade", *map(str, words)]) == 1
        assert said in capsys.readouterr().err
    for words in (["--jobs", "0"], ["--timeout", "-1"], ["--memory", "much"]):
        with pytest.raises(SystemExit):
            cli.main(["grade", str(handed_in), *words])
    assert content(handed_in) == before


def test_the_fence_says_what_it_lacks(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda word: None if word == "bwrap" else word)
    found = sandbox.lacks.__wrapped__()
    assert "bubblewrap is not installed" in found
    assert "the answer keys" in found
    assert "not limited" not in found
    monkeypatch.setattr(sandbox.shutil, "which", lambda word: None)
    assert "Memory, files, and computing time are not limited either." in sandbox.lacks.__wrapped__()


@pytest.mark.audit
@pytest.mark.notebooks
def test_forty_submissions_at_once_on_two_cores(keys, tmp_path):
    for number in range(40):
        hand_in(tmp_path / "all", ["right"]).joinpath("right.ipynb").rename(tmp_path / "all" / f"{number:02d}.ipynb")
    grades = grading.grade(tmp_path / "all", tmp_path / "grades.csv", jobs=40)
    assert [[line for _, _, line in one.checks] for one in grades] == [course.RIGHT] * 40
    assert left_behind() == []
