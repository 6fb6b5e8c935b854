"""Grading a class: ``course grade submissions/ --out grades.csv``.

Each submission is judged as `course check` judges one, but inside a fence (`sandbox`) and with limits. Its grade is
stored immediately, so that an interrupted run goes on where it stopped.
"""

import collections
import concurrent.futures
import csv
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import re
import stat
import threading
import unicodedata

import nbformat
import tqdm

from course_utils import checks
from course_utils.files import write_atomically
from course_utils.formatting import printable
from course_utils.tools import judging, sandbox
from course_utils.tools.gradebook import answers, report
from course_utils.tools.sandbox import Limits

LARGEST = 100 << 20   # bytes of a notebook that is read at all
READING = threading.Lock()   # one notebook is read at a time, since a large one may need a gigabyte of memory
OTHERS = 20   # failed cells in a report
LONGEST = 500   # characters of a line
NAME = 300   # characters of a submission's name in a line, so that the rest of the sentence fits
FORMULA = ("=", "+", "-", "−", "@")   # how formulas begin in a spreadsheet, which also takes full-width characters
# What is useful for cheating but not for an answer; a hint for the instructor, not a proof.
TAMPERING = re.compile(r"sys\.modules|\bbuiltins\b|__builtins__|\.events\.register|_transformers"
                       r"|course_utils[./](?:checks|remote)|\.looks\b|_course_identity")


@dataclasses.dataclass(frozen=True)
class Grade:
    """The result of one submission.

    `checks` are triples (question, passed, line), `cells` are pairs (line, source) of the learner's cells that failed,
    and `problem` is the sentence that says why there are neither. `report` is the file name of its page, and `answers`
    are the learner's code that each of the checks is about.
    """

    submission: str
    exercise: str = ""
    checks: tuple = ()
    cells: tuple = ()
    notes: tuple = ()
    problem: str = ""
    report: str = ""
    answers: tuple = ()

    @property
    def points(self):
        """How many checks passed; one of a question that is no longer asked makes up for another one."""
        return min(sum(passed for _, passed, _ in self.checks), self.maximum)

    @property
    def maximum(self):
        """How many questions are asked today."""
        return sum(not checks.is_retired(number) for number, _, _ in self.checks)


def grade(submissions, out, *, jobs=None, limits=Limits()):   # noqa: B008
    """Judge all notebooks in a folder, in parallel, and write the grades.

    Parameters
    ----------
    submissions : pathlib.Path
        A folder with notebooks, in subfolders too, or one notebook. Nothing is written there.
    out : pathlib.Path
        The table to write, e.g. ``grades.csv``: one row per submission and check. Next to it are written
        ``grades_totals.csv``, one row per submission, and the folder ``grades_reports``.
    jobs : int, optional
        Submissions that run at the same time; by default, as many as there are cores.
    limits : Limits

    Returns
    -------
    list of Grade, in order of the submissions' names

    Raises
    ------
    ValueError
        There is nothing to grade, or the grades would be written among the submissions.
    """
    submissions, out = pathlib.Path(submissions).absolute(), pathlib.Path(out).absolute()
    paths, root = _notebooks(submissions)
    reports = out.with_name(f"{out.stem}_reports")
    for path in (out, _totals(out), reports):
        if path.resolve().is_relative_to(submissions.resolve()):
            raise ValueError(f"{path} lies among the submissions, where nothing is written; choose a file outside "
                             f"{root}.")
    reports.mkdir(parents=True, exist_ok=True)
    hidden = [root, reports]
    package = pathlib.Path(checks.__file__).parents[1]
    rules = _digest(*sorted(package.rglob("*.py")), *sorted(checks.KEYS.glob("*.ipynb")),
                    *sorted(checks.PRISTINE.glob("*.ipynb")))
    interrupted = threading.Event()

    def judged(path, readable, state):   # None if it was interrupted
        key = _digest(path, words=[rules, str(limits)])
        if stored := _recall(state, key):
            return stored
        fence = sandbox.around(limits, hidden=hidden, is_over=interrupted.is_set)
        grade = _grade(path, readable, fence, limits)
        if interrupted.is_set():
            return None
        write_atomically(state, json.dumps({"key": key} | dataclasses.asdict(grade), ensure_ascii=False, indent=1))
        return grade

    def grade_one(path):
        name = os.fsencode(path.relative_to(root).as_posix())
        readable, page = _line(name.decode("utf-8", "replace"), NAME), reports / _page(name)
        try:
            problem = _refusal(path, readable)
            grade = Grade(readable, problem=problem) if problem else judged(path, readable, page.with_suffix(".json"))
            if grade:
                grade = dataclasses.replace(grade, report=page.name)
                write_atomically(page, report(grade))
            return grade
        except Exception as error:   # whatever happens to one submission, the others are graded
            return Grade(readable, problem=_failure(readable, error))

    with concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        try:
            futures = [pool.submit(grade_one, path) for path in paths]
            for _ in tqdm.tqdm(concurrent.futures.as_completed(futures), total=len(paths), unit="notebook"):
                pass
        except KeyboardInterrupt:
            interrupted.set()
            pool.shutdown(cancel_futures=True)
            raise
    grades = [future.result() for future in futures]
    _write_tables(grades, out)
    return grades


def _notebooks(submissions):
    """Paths of everything that was handed in, in order, and the folder that their names are relative to.

    Links are not followed. Linked folders, unreadable folders, and whatever else has .ipynb in its name, such as
    x.ipynb.txt, are among the paths, so that each gets a row.
    """
    if submissions.is_file():
        return [submissions], submissions.parent
    paths, folders = set(), [submissions]
    while folders:   # recursion would fail in folders that are nested too deep
        folder = folders.pop()
        try:
            for entry in list(os.scandir(folder)):
                if entry.name == ".ipynb_checkpoints":
                    continue
                path = pathlib.Path(entry.path)
                is_folder, name = entry.is_dir(follow_symlinks=False), entry.name.lower()
                if is_folder:
                    folders.append(path)
                if (name.endswith(".ipynb") or (".ipynb" in name and not is_folder)
                        or (entry.is_symlink() and os.path.isdir(path))):
                    paths.add(path)
        except OSError:
            paths.add(folder)
    if paths <= {submissions}:
        raise ValueError(f"There is no notebook in {submissions}; name the folder with the files that end in .ipynb.")
    return sorted(paths), submissions


def _refusal(path, name):
    """Why a submission is not even opened, in one sentence; empty for an ordinary file."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):   # it may lead to somebody else's work
            return _line(f"{name} is a link, which is not followed; hand in the notebook itself.")
        if stat.S_ISDIR(status.st_mode):
            os.scandir(path).close()   # if it cannot be read, this says why
        if not stat.S_ISREG(status.st_mode):   # reading from a pipe would never end
            return _line(f"{name} is not a file; hand in the notebook itself.")
        if ".ipynb" in path.name.lower() and not path.name.lower().endswith(".ipynb"):
            return _line(f"{name} does not end in .ipynb, as a notebook does; rename it and hand it in again.")
        if status.st_size > LARGEST:
            return _line(f"{name} has more than {LARGEST >> 20} MB; clear its outputs and save it again.")
    except OSError as error:
        return _line(f"{name} cannot be read: {error.strerror}.")
    return ""


def _grade(path, name, fence, limits):
    """Judge one submission, whatever it is."""
    exercise = ""
    try:
        with READING:
            exercise, notebook, key = judging.read(path)
        verdicts = judging.judge(notebook, key, timeout=limits.cell_seconds, fence=fence)
    except ValueError as error:
        return Grade(name, exercise, problem=_line(str(error).replace(str(path), name)))
    except OSError as error:
        return Grade(name, exercise, problem=_line(f"{name} cannot be read: {error.strerror}."))
    except Exception as error:
        return Grade(name, exercise, problem=_failure(name, error))
    judged = [(cell.id.split("check-")[1].replace("-", "."), verdict.passed, _line(verdict.line)) for cell, verdict in
              zip(key.cells, (verdict for verdict in verdicts if verdict.is_check), strict=True)]
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    failed = [(_line(verdict.line), _source(sources, verdict.line)) for verdict in verdicts if not verdict.is_check]
    notes = _notes(exercise, notebook, key)
    if path.suffix.lower() == ".ipynb" != path.suffix:
        notes.insert(0, f"its name ends in {path.suffix}, so JupyterLab does not open it as a notebook")
    return Grade(name, exercise, tuple(judged), tuple(failed[:OTHERS]), tuple(notes[:OTHERS]),
                 answers=tuple(answers(notebook, key)))


def _notes(exercise, notebook, key):
    """What looks like cheating in the lines that learners wrote; the course's own lines don't count."""
    cells, path = list(key.cells), checks.PRISTINE / f"{exercise}.ipynb"
    if path.exists():
        cells += nbformat.read(path, 4).cells
    given = {line for cell in cells for line in judging.lines(cell.source)}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notes = []
    for number, (cell, name) in enumerate(zip(code, judging.recognize(code, key), strict=True), 1):
        own = "\n".join(line for line in judging.lines(cell.source) if line not in given)
        if not name and (match := TAMPERING.search(own)):   # the code of a check cell does not run
            notes.append(f"cell {number} speaks of {match[0].strip()}, which no answer needs")
    return notes


def _source(sources, line):
    number = re.match(r"✗ cell (\d+)", line)
    return sources[int(number[1]) - 1][:5000].encode("utf-8", "replace").decode() if number else ""


def _line(text, longest=LONGEST):
    """One line of printable characters."""
    text = printable(str(text).strip())
    return text if len(text) <= longest else text[:longest] + " …"


def _failure(name, error):
    return _line(f"{name} could not be graded ({type(error).__name__}: {error}).")


def _page(name):
    """The file name of a report: it begins like the submission's, and the hash keeps any two apart."""
    readable = re.sub(r"\W+", "-", name.decode("utf-8", "replace").removesuffix(".ipynb"))[:40]
    return f"{readable}-{hashlib.sha256(name).hexdigest()[:12]}.html".lstrip("-")


def _digest(*paths, words=()):
    """A hash of everything that a grade depends on."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in paths:
        try:
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            digest.update(str(error).encode("utf-8", "replace"))   # a name may not be valid text
    return digest.hexdigest()


def _recall(state, key):
    """The grade that was stored for exactly this submission under exactly these rules, or None."""
    try:
        stored = json.loads(state.read_text(encoding="utf-8"))
        known = stored.pop("key") == key and "answers" in stored and "could not be graded" not in stored["problem"]
        return Grade(**stored) if known else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write_tables(grades, out):
    """One row per submission and check, and one row per submission."""
    rows = [(grade.submission, grade.exercise, question, passed, line) for grade in grades
            for question, passed, line in grade.checks or [("", False, grade.problem)]]
    _write_table(out, ["submission", "exercise", "check", "passed", "line"], rows)
    totals = [(grade.submission, grade.exercise, grade.points, grade.maximum, grade.problem,
               "; ".join(grade.notes), grade.report) for grade in grades]
    _write_table(_totals(out),
                 ["submission", "exercise", "passed", "checks", "problem", "notes", "report"], totals)


def _totals(out):
    return out.with_name(f"{out.stem}_totals.csv")


def _write_table(path, columns, rows):
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(map(_cell, row) for row in [columns, *rows])
    write_atomically(path, table.getvalue())


def _cell(value):
    """A cell of a table in which a name like "=1+1.ipynb" stays text, even where semicolons separate the cells."""
    if not isinstance(value, str):
        return value
    return ";".join("'" + part if unicodedata.normalize("NFKC", part.lstrip(' "')[:1]).startswith(FORMULA) else part
                    for part in printable(value).split(";"))


def summary(grades):
    """What was graded, in one or more sentences."""
    problems = [grade.problem for grade in grades if grade.problem]
    counts = collections.Counter(grade.exercise for grade in grades if not grade.problem)
    by_exercise = ", ".join(f"{number} of {name}" for name, number in sorted(counts.items()))
    return "\n".join([f"{len(grades) - len(problems)} of {len(grades)} submissions graded"
                      + (f": {by_exercise}." if counts else "."), *problems])
