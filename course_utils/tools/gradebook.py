"""What a teacher does with the grades of a class: a page to look at, and files for other gradebooks.

All functions take the grades that `grading.grade` returns.
"""

import collections
import csv
import html
import io
import itertools
import json
import pathlib
import re

import jinja2

from course_utils import checks
from course_utils.files import write_atomically
from course_utils.tools import judging

LONGEST = 4000   # characters of the code that one check is about
FREQUENT = 3   # wrong lines of a question that are listed
NAMED = 5   # submissions that one sentence names
SYMBOLS = {"passed": "✓", "wrong": "✗", "not answered": "·", "could not be graded": "?"}
# Moodle names a download like this: Jo Doe_123456_assignsubmission_file_/ex02.ipynb. The first number counts, since
# learners choose what follows.
PARTICIPANT = re.compile(r"([^/]*?)_([0-9]+)_assignsubmission_")
WORKSHEET = ["Identifier", "Full name", "Grade", "Maximum grade", "Last modified (grade)", "Feedback comments"]
MOST = 100   # Moodle's maximum grade of an assignment, unless the teacher changes it
PAGES = jinja2.Environment(loader=jinja2.FileSystemLoader(pathlib.Path(__file__).with_name("templates")),
                           autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)


def answers(notebook, key):
    """The code that each check of the key is about: list of str.

    It is what stands between the previous check cell and the check's own cell in the learner's notebook, at most
    `LONGEST` characters; it is empty if the notebook doesn't have the check cell.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found, own = {}, []
    for cell, name in zip(code, judging.recognize(code, key), strict=True):
        if name:
            found.setdefault(name, "\n\n".join(own))
            own = []
        elif cell.source.strip():
            own.append(cell.source)
    return [_cut(found.get(cell.id, "")) for cell in key.cells]


def _cut(text):
    return (text if len(text) <= LONGEST else text[:LONGEST] + "\n…").encode("utf-8", "replace").decode()


def status(passed, line):
    """One of `SYMBOLS`, from the line that a check said."""
    if passed:
        return "passed"
    if line.startswith("·") or re.match(r"✗ \S+ has no answer: ", line):
        return "not answered"
    return "could not be graded" if re.match(r"✗ \S+ was not run, since ", line) else "wrong"


def clear(out):
    """Delete what `write` wrote about everybody's answers, so that no submission can read it while it is graded."""
    for path in _page(out), _document(out):
        path.unlink(missing_ok=True)


def _page(out):
    return out.with_name(f"{out.stem}_table.html")


def _document(out):
    return out.with_name(f"{out.stem}_all.json")


def write(grades, out, kind="csv"):
    """Write the page with all verdicts next to the grades, and the file for another gradebook.

    Parameters
    ----------
    grades : list of Grade
    out : pathlib.Path
        The table of the grades, e.g. ``grades.csv``.
    kind : "csv", "moodle" or "json"
        ``"csv"`` writes only the page, ``grades_table.html``, since the table exists. ``"moodle"`` also writes a
        `worksheets` for each exercise, e.g. ``grades_moodle_ex02_batch_normalization.csv``, and ``"json"`` the
        `document`, ``grades_all.json``.

    Returns
    -------
    str, a sentence about what was left out, or empty

    Raises
    ------
    ValueError
        Moodle could not know any of the learners.
    """
    write_atomically(_page(out), table(grades, f"{out.stem}_reports"))
    if kind == "json":
        write_atomically(_document(out), json.dumps(document(grades), ensure_ascii=False, indent=1) + "\n")
    if kind != "moodle":
        return ""
    unknown = [grade.submission for grade in grades if not participant(grade.submission)[1]]
    if len(unknown) == len(grades):
        raise ValueError("No submission has a participant number in its name, as in “Jo "
                         "Doe_123456_assignsubmission_file_”; grade what Moodle's “Download all submissions” gives "
                         "you, and rename nothing in it.")
    for exercise, text in worksheets(grades).items():
        write_atomically(out.with_name(f"{out.stem}_moodle_{exercise}.csv"), text)
    if not unknown:
        return ""
    names = ", ".join(unknown[:NAMED]) + (f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else "")
    return f"Left out for Moodle, because their names have no participant number: {names}."


def participant(submission):
    """Name and number of a learner in Moodle, from the name of a submission that Moodle packed; else two empty str."""
    match = PARTICIPANT.search(submission)
    return match.groups() if match else ("", "")


def worksheets(grades):
    """Moodle's offline grading worksheet for each exercise: dict exercise → CSV as text.

    MoodleDocs describe the worksheet as a feedback type of an assignment, without its columns ("Assignment settings" of
    Moodle 4.1, revision 144816). The columns are those that Moodle's importer looks for when the site's language is
    English (``mod/assign/feedback/offline/importgradeslib.php``, commit 9762977c of Moodle). It needs ``Identifier``,
    ``Grade``, and ``Last modified (grade)``; ``Feedback comments`` is HTML. Moodle skips a grade that is above the
    assignment's maximum. It also skips a learner who has a grade that is newer than ``Last modified (grade)``, unless
    the teacher allows it when uploading; ``-``, which Moodle itself writes where there is no grade yet, is older than
    any.

    A learner has one row. Of several submissions of an exercise, the best one counts. Submissions that could not be
    graded are left out, so that they change nothing in Moodle.
    """
    best = collections.defaultdict(dict)
    for grade in grades:
        name, number = participant(grade.submission)
        if number and grade.checks and grade.points >= best[grade.exercise].get(number, (0,))[0]:
            best[grade.exercise][number] = grade.points, name, grade
    return {exercise: _worksheet(learners) for exercise, learners in best.items()}


def _worksheet(learners):
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(WORKSHEET)
    for number, (passed, name, grade) in learners.items():
        lines = [f"{passed} of {grade.maximum} checks passed.",
                 *(line for _, good, line in grade.checks if not good)]
        # PHP takes \" for part of a field. No name begins like a formula: Moodle doesn't read it, but spreadsheets do.
        feedback = re.sub(r";(?=[=+@-])", "; ", "<br>".join(map(html.escape, lines)).replace("\\", "&#92;"))
        rows.writerow([f"Participant {number}", re.sub(r'^[^\w]+|["\\]', "", name),
                       f"{MOST * passed / grade.maximum:.2f}", f"{MOST:.2f}", "-", feedback])
    return text.getvalue()


def document(grades):
    """All that is known, as a dict for JSON; INSTRUCTORS.md documents it. What is there stays; more may be added."""
    return {"format": "course-grades", "version": 1, "submissions": [
        {"submission": grade.submission, "name": participant(grade.submission)[0],
         "participant": participant(grade.submission)[1], "exercise": grade.exercise, "problem": grade.problem,
         "passed": grade.points, "notes": list(grade.notes), "report": grade.report,
         "checks": [{"question": question, "status": verdict, "line": line, "answer": answer}
                    for question, verdict, line, answer in _verdicts(grade)]} for grade in grades]}


def _verdicts(grade):
    """Question, status, line, and the learner's code, for each check."""
    return [(question, status(passed, line), line, answer) for (question, passed, line), answer
            in itertools.zip_longest(grade.checks, grade.answers, fillvalue="")]


def _place(number):
    return [int(part) for part in number.split(".")]


def report(grade):
    """The HTML page about one submission, for its author."""
    title = f"{grade.submission} ({grade.exercise})" if grade.exercise else grade.submission
    return PAGES.get_template("report.html.j2").render(title=title, grade=grade)


def table(grades, reports):
    """The HTML page about the whole class, for its teacher; `reports` is the folder with the reports."""
    asked = {(grade.exercise, number) for grade in grades for number, _, _ in grade.checks}
    exercises = {name: sorted((number for exercise, number in asked if exercise == name), key=_place)
                 for name in sorted({exercise for exercise, _ in asked})}
    questions = {(exercise, number): {"exercise": exercise, "number": number, "counts": collections.Counter(),
                                      "lines": collections.Counter(), "stuck": []}
                 for exercise, numbers in exercises.items() for number in numbers}
    rows = []
    for grade in grades:
        verdicts = _verdicts(grade)
        for number, verdict, line, _ in verdicts:
            question = questions[grade.exercise, number]
            question["counts"][verdict] += 1
            if verdict == "wrong":
                question["lines"][line.partition(f"{number} ")[2]] += 1
        stuck = next((number for number, verdict, _, _ in verdicts
                      if verdict != "passed" and not checks.is_retired(number)), "")
        if stuck:
            questions[grade.exercise, stuck]["stuck"].append(grade.submission)
        rows.append({"submission": grade.submission, "exercise": grade.exercise, "problem": grade.problem,
                     "report": grade.report and f"{reports}/{grade.report}", "stuck": stuck,
                     "verdicts": {number: verdict for number, *verdict in verdicts}})
    for question in questions.values():
        question["lines"] = question["lines"].most_common(FREQUENT)
    return PAGES.get_template("table.html.j2").render(
        title="The grades of the class", symbols=SYMBOLS, exercises=exercises, questions=list(questions.values()),
        rows=rows)
