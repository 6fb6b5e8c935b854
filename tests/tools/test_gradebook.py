"""What teachers get besides the table of grades: a page about the class, and files for other gradebooks."""

import csv
import io
import json
import re

import nbformat
import pytest
from bs4 import BeautifulSoup

from course_utils import checks
from course_utils.tools import build, cli, gradebook, grading, judging
from tests.helpers import axe, jupyterlab
from tests.helpers import submissions as course

OK, NG, OPEN = "✓ 9.1 doubled", "✗ 9.1 3 does not become 6: multiply by two", "· 9.1 not answered yet"
MOODLE = "Jo Doe_123456_assignsubmission_file_/small.ipynb"


def grade(name, first=OK, second="✓ 9.2 found", exercise="09_small", answers=("double = 1", "flaws = 2"), **more):
    verdicts = tuple((line.split()[1], line.startswith("✓"), line) for line in (first, second))
    return grading.Grade(name, exercise, verdicts, answers=answers, report="page.html", **more)


CLASS = [grade("a.ipynb"), grade("b.ipynb", NG, "· 9.2 not answered yet"), grade("c.ipynb", NG), grade("d.ipynb", OPEN),
         grade("e.ipynb", "✗ 9.1 another", "✗ 9.2 was not run, since the kernel died before"),
         grading.Grade("f.ipynb", problem="f.ipynb cannot be read: no."),
         grade("g.ipynb", "✓ 3.1 right", "✗ 3.2 wrong", "03_other")]


def page(grades):
    return BeautifulSoup(gradebook.table(grades, "grades_reports"), "html.parser")


def texts(tags):
    return [" ".join(tag.get_text(" ").split()) for tag in tags]


# The code that a check is about


def answers(*cells):
    return gradebook.answers(nbformat.v4.new_notebook(cells=list(cells)), course.key())


def test_the_code_of_a_check_is_what_stands_between_the_check_before_it_and_itself():
    book = course.notebook(first="import math")
    assert gradebook.answers(book, course.key()) == ["import math\n\ndef double(x):\n    return 2 * x", 'flaws = {"a"}']
    for cell in book.cells:
        del cell["id"]   # as some services do
    assert gradebook.answers(book, course.key())[1] == 'flaws = {"a"}'
    book.cells[3:4] = [nbformat.v4.new_code_cell("  "), nbformat.v4.new_markdown_cell("No code")]   # no check 9.1
    assert gradebook.answers(book, course.key()) == [
        "", 'import math\n\ndef double(x):\n    return 2 * x\n\nflaws = {"a"}']


def test_the_first_of_several_copies_of_a_check_counts():
    book = course.notebook()
    twice = nbformat.NotebookNode(cells=[*book.cells, *book.cells[3:]])
    assert gradebook.answers(twice, course.key()) == gradebook.answers(book, course.key())


def test_the_code_of_a_check_is_limited():
    checked = course.notebook().cells[3]
    long = [nbformat.v4.new_code_cell("x" * 100) for _ in range(1000)]
    for cells in ([nbformat.v4.new_code_cell("x" * 10_000_000)], long):
        code, none = answers(*cells, checked)
        assert code.endswith("x\n…")
        assert (len(code), none) == (gradebook.LONGEST + 2, "")
    exact = "x" * gradebook.LONGEST
    assert answers(nbformat.v4.new_code_cell(exact), checked)[0] == exact


def test_code_that_is_not_valid_text_can_be_written():
    assert answers(nbformat.v4.new_code_cell('name = "\ud800"'), course.notebook().cells[3])[0] == 'name = "?"'


# What a line means


@pytest.mark.parametrize(("passed", "line", "status"), [
    (True, OK, "passed"), (False, NG, "wrong"), (False, OPEN, "not answered"),
    (False, "✗ 9.1 the result has no answer: none", "wrong")])
def test_every_line_has_a_status(passed, line, status):
    assert gradebook.status(passed, line) == status


# The page about the class


def test_the_table_has_a_row_for_each_submission_and_a_column_for_each_question():
    table = page(CLASS).find_all("table")[1]
    exercises, numbers = table.thead.find_all("tr")
    assert [(cell.get_text(), cell["colspan"]) for cell in exercises.find_all(scope="colgroup")] == [
        ("03_other", "2"), ("09_small", "2")]
    assert texts(numbers.find_all("th")) == ["3.1", "3.2", "9.1", "9.2"]
    rows = table.tbody.find_all("tr")
    assert texts(row.th for row in rows) == [one.submission for one in CLASS]
    assert [texts(row.find_all("summary")) for row in rows] == [
        ["✓ passed", "✓ passed"], ["✗ wrong", "· not answered"], ["✗ wrong", "✓ passed"],
        ["· not answered", "✓ passed"], ["✗ wrong", "? could not be graded"], [], ["✓ passed", "✗ wrong"]]
    assert {tuple(cell["class"]) for cell in table.find_all("td", class_=True)} == {
        ("passed",), ("wrong",), ("not-answered",), ("could-not-be-graded",)}
    for row in rows:   # every row is as wide as the head
        assert sum(int(cell.get("colspan", 1)) for cell in row.find_all(["th", "td"])) == 6
    assert texts(rows[5].find_all("td", class_=True)) == ["? f.ipynb cannot be read: no."]
    assert rows[0].th.a["href"] == "grades_reports/page.html"


def test_a_verdict_opens_to_its_line_and_its_code():
    cell = page(CLASS).find_all("table")[1].tbody.find_all("tr")[1].find("td", class_="wrong")
    assert cell.details.p.get_text() == NG
    assert cell.details.pre.get_text() == "double = 1"
    without = page([grade("a.ipynb", answers=())]).find("td", class_="passed")
    assert without.pre is None
    assert "no code" in without.get_text()


def test_the_summary_says_who_is_stuck_on_what():
    found = page(CLASS)
    assert texts(found.find_all("p"))[0] == "7 submissions, of which 1 could not be graded at all."
    rows = found.find_all("table")[0].tbody.find_all("tr")
    assert [texts(row.find_all("td"))[1:5] for row in rows] == [
        ["1", "0", "0", "0"], ["0", "1", "0", "0"], ["1", "3", "1", "0"], ["3", "0", "1", "1"]]
    assert texts(row.th for row in rows) == ["3.1", "3.2", "9.1", "9.2"]
    assert texts(rows[2].find_all("p")) == ["2 × 3 does not become 6: multiply by two", "1 × another"]
    assert [texts(row.find_all("li")) for row in rows] == [
        [], ["g.ipynb"], ["b.ipynb", "c.ipynb", "d.ipynb", "e.ipynb"], []]
    assert texts(row.find_all("td")[0] for row in found.find_all("table")[1].tbody.find_all("tr")) == [
        "all passed", "9.1", "9.1", "9.1", "9.1", "", "3.2"]


def test_only_the_most_frequent_wrong_lines_are_listed():
    grades = [grade(f"{number}.ipynb", f"✗ 9.1 mistake {number % 9}") for number in range(10)]
    found = texts(page(grades).find("table").tbody.tr.find_all("p"))
    assert found[0] == "2 × mistake 0"
    assert len(found) == gradebook.FREQUENT


def test_nothing_that_a_learner_wrote_becomes_part_of_the_page():
    bad = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    grades = [grade(f"a{bad}", f"✗ 9.1 {bad}", answers=(bad, "</pre>" + bad)),
              grading.Grade(f"b{bad}", problem=f"{bad} cannot be read.")]
    found = page(grades)
    assert found.find_all(["script", "img"]) == []
    assert [pre.get_text() for pre in found.find_all("pre")] == [bad, "</pre>" + bad]
    assert found.find("meta", {"http-equiv": "Content-Security-Policy"})["content"].startswith("default-src 'none';")
    assert texts(found.find_all("table")[1].find_all("th", scope="row")) == [f"a{bad}", f"b{bad}"]


def test_the_page_names_its_headers_and_regions():
    found = page(CLASS)
    assert found.html["lang"] == "en"
    assert all(cell.get("scope") for cell in found.find_all("th"))
    for region in found.find_all(role="region"):
        assert region["tabindex"] == "0"   # so that it can be scrolled with the keyboard
        assert found.find(id=region["aria-labelledby"]).get_text()
    assert len(found.find_all(role="region")) == len(found.find_all("table")) == len(found.find_all("caption")) == 2


@pytest.mark.parametrize("grades", [[], [grading.Grade("f.ipynb", problem="f.ipynb cannot be read: no.")]])
def test_a_class_without_a_verdict_has_a_page(grades):
    body = page(grades).find_all("table")[1].tbody
    assert len(body.find_all("tr")) == len(grades)
    assert [cell["colspan"] for cell in body.find_all(colspan=True)] == ["1"] * len(grades)


@pytest.mark.browser
def test_nothing_in_the_page_is_a_barrier_and_the_keyboard_opens_a_verdict(tmp_path):
    jupyterlab.require_chromium()
    gradebook.write(CLASS, tmp_path / "grades.csv")
    with jupyterlab.browser() as chromium:
        context = chromium.new_context(offline=True, bypass_csp=True)
        opened = context.new_page()
        opened.goto((tmp_path / "grades_table.html").as_uri())
        verdict = opened.locator("td.wrong details").first
        verdict.locator("summary").press("Enter")
        assert verdict.locator("pre").is_visible()
        assert axe.barriers(opened) == []
        context.close()


# Moodle


def worksheet(*grades):
    text, = gradebook.worksheets(grades).values()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(("submission", "name", "number"), [
    (MOODLE, "Jo Doe", "123456"),
    ("Jo Doe_123456_assignsubmission_file_small.ipynb", "Jo Doe", "123456"),   # without folders
    ("Group A-Jo Doe_7_assignsubmission_file/small.ipynb", "Group A-Jo Doe", "7"),
    ("Participant_99_assignsubmission_file_/x.ipynb", "Participant", "99"),   # anonymous submissions
    ("class 1/Jö_5_assignsubmission_file_/x.ipynb", "Jö", "5"),
    ("Jo Doe_1_assignsubmission_file_Eve_2_assignsubmission_file_.ipynb", "Jo Doe", "1"),   # whoever names a file so
    ("Jo Doe_1_assignsubmission_file_/Eve_2_assignsubmission_file_.ipynb", "Jo Doe", "1"),
    ("Jo_123_02.ipynb", "", ""),
    ("Jo Doe_٣_assignsubmission_file_/x.ipynb", "", "")])
def test_moodles_names_hold_the_participant(submission, name, number):
    assert gradebook.participant(submission) == (name, number)


def test_a_worksheet_has_the_columns_that_moodles_importer_looks_for():
    text = gradebook.worksheets([grade(MOODLE, NG)])["09_small"]
    assert text.splitlines() == [
        "Identifier,Full name,Grade,Maximum grade,Last modified (grade),Feedback comments",
        "Participant 123456,Jo Doe,50.00,100.00,-,1 of 2 checks passed.<br>" + NG]


def test_grades_stay_between_0_and_moodles_maximum():
    rows = worksheet(*(grade(f"Jo_{number}_assignsubmission_file_/x.ipynb", *lines) for number, lines in enumerate(
        [(NG, "✗ 9.2 no"), (NG,), (OPEN,), (OK,)])))
    assert [row["Grade"] for row in rows] == ["0.00", "50.00", "50.00", "100.00"]
    assert {row["Maximum grade"] for row in rows} == {"100.00"}


def test_every_learner_has_one_row_in_the_worksheet_of_each_exercise():
    grades = [grade(MOODLE, NG), grade(MOODLE.replace("small", "again")), grade(MOODLE.replace("small", "z"), NG),
              grade(MOODLE, OPEN, exercise="03_other"), grading.Grade(MOODLE, problem="It cannot be read."),
              grade("plain.ipynb")]
    sheets = gradebook.worksheets(grades)
    assert [len(text.splitlines()) for text in sheets.values()] == [2, 2]
    assert [sheet.splitlines()[1].split(",")[2] for sheet in sheets.values()] == ["100.00", "50.00"]


def test_what_learners_wrote_harms_neither_moodle_nor_a_spreadsheet():
    row, = worksheet(grade('=cmd|"x\\_3_assignsubmission_file_/x.ipynb', '✗ 9.1 <b>"a", b\\'))
    assert row["Full name"] == "cmd|x"
    assert row["Feedback comments"].endswith("✗ 9.1 &lt;b&gt;&quot;a&quot;, b&#92;")
    # Moodle reads with PHP, for which \" does not end a field.
    assert "\\" not in gradebook.worksheets([grade('a\\_3_assignsubmission_file_/x.ipynb', "✗ 9.1 \\")])["09_small"]


def test_whom_moodle_cannot_know_is_named(tmp_path):
    out, others = tmp_path / "grades.csv", [grade(f"{number}.ipynb") for number in range(7)]
    assert gradebook.write([grade(MOODLE)], out, "moodle") == ""
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["grades_moodle_09_small.csv", "grades_table.html"]
    assert gradebook.write([grade(MOODLE), *others], out, "moodle") == (
        "Left out for Moodle, because their names have no participant number: 0.ipynb, 1.ipynb, 2.ipynb, 3.ipynb, "
        "4.ipynb and 2 more.")
    with pytest.raises(ValueError, match="^No submission has a participant number in its name, as in “Jo "):
        gradebook.write(others, out, "moodle")


# JSON


def test_the_json_has_the_documented_structure(tmp_path):
    gradebook.write([grade(MOODLE, NG, notes=("cell 1 speaks of builtins, which no answer needs",)), CLASS[5]],
                    tmp_path / "grades.csv", "json")
    assert json.loads((tmp_path / "grades_all.json").read_text(encoding="utf-8")) == {
        "format": "course-grades", "version": 1, "submissions": [
            {"submission": MOODLE, "name": "Jo Doe", "participant": "123456", "exercise": "09_small", "problem": "",
             "passed": 1, "notes": ["cell 1 speaks of builtins, which no answer needs"], "report": "page.html",
             "checks": [{"question": "9.1", "status": "wrong", "line": NG, "answer": "double = 1"},
                        {"question": "9.2", "status": "passed", "line": "✓ 9.2 found", "answer": "flaws = 2"}]},
            {"submission": "f.ipynb", "name": "", "participant": "", "exercise": "",
             "problem": "f.ipynb cannot be read: no.", "passed": 0, "notes": [], "report": "", "checks": []}]}


def test_a_question_that_is_no_longer_asked_makes_up_for_another_one(monkeypatch):
    monkeypatch.setattr(checks, "RETIRED", {"09_small": {"9.1": "judge(double)"}})
    new = grading.Grade("Jo_3_assignsubmission_file_/x.ipynb", "09_small", (("9.2", True, "✓ 9.2 found"),))
    old = [grade(f"Jo_{number}_assignsubmission_file_/x.ipynb", *lines)
           for number, lines in enumerate([(OK,), (OK, "✗ 9.2 no"), (NG,)])]
    assert [row["Grade"] for row in worksheet(*old, new)] == ["100.00"] * 4
    rows = page([*old, new]).find_all("table")[1].tbody.find_all("tr")
    assert texts(row.find_all("td")[0] for row in rows) == ["all passed", "9.2", "all passed", "all passed"]
    assert [len(row.find_all("td")) for row in rows] == [3] * 4   # each verdict in its own column


def test_the_instructors_page_documents_both_formats():
    page = (build.HOME / "INSTRUCTORS.md").read_text(encoding="utf-8").partition("### Into another gradebook")[2]
    written = gradebook.document([grade(MOODLE, NG)])
    one = written["submissions"][0]
    assert re.findall(r'"(\w+)":', page) == [*written, *one, *one["checks"][0]]
    for term in [*(f"`{column}`" for column in gradebook.WORKSHEET), *(f'"{word}"' for word in gradebook.SYMBOLS),
                 f"{gradebook.LONGEST} characters", f"maximum grade at {gradebook.MOST}"]:
        assert term in " ".join(page.split())


# The command


@pytest.fixture
def handed_in(tmp_path, monkeypatch):
    """A folder as Moodle packs it, with one submission of the tiny exercise, of which nothing is run."""
    (tmp_path / "keys").mkdir()
    nbformat.write(course.key(), tmp_path / "keys" / f"{course.NAME}.ipynb")
    monkeypatch.setattr(checks, "KEYS", tmp_path / "keys")
    monkeypatch.setattr(judging, "judge", lambda notebook, key, **options: [
        judging.Verdict(line, line in course.RIGHT) for line in (NG, course.RIGHT[1])])
    path = tmp_path / "all" / MOODLE
    path.parent.mkdir(parents=True)
    path.write_bytes(course.SUBMISSIONS["wrong"][0])
    return tmp_path / "all"


@pytest.mark.parametrize(("options", "written"), [
    ([], []), (["--format", "csv"], []), (["--format", "json"], ["grades_all.json"]),
    (["--format", "moodle"], ["grades_moodle_09_small.csv"])])
def test_the_command_writes_what_the_format_says(options, written, handed_in, tmp_path):
    assert cli.main(["grade", str(handed_in), "--out", str(tmp_path / "grades.csv"), *options]) == 0
    assert sorted(path.name for path in tmp_path.glob("grades*")) == sorted(
        ["grades.csv", "grades_reports", "grades_table.html", "grades_totals.csv", *written])
    found = BeautifulSoup((tmp_path / "grades_table.html").read_text(encoding="utf-8"), "html.parser")
    assert [pre.get_text() for pre in found.find_all("pre")] == [
        "import math\n\ndef double(x):\n    return x", 'flaws = {"a"}']
    assert (tmp_path / found.find("th", scope="row").find_next("a")["href"]).is_file()


def test_no_submission_can_read_what_others_answered(handed_in, tmp_path, monkeypatch):
    words = ["grade", str(handed_in), "--out", str(tmp_path / "grades.csv"), "--format", "json", "--timeout"]
    cli.main([*words, "60"])
    there, judge = [], judging.judge
    monkeypatch.setattr(judging, "judge", lambda *given, **options: (
        there.extend(path.name for path in tmp_path.glob("grades_[!r]*")), judge(*given, **options))[1])
    cli.main([*words, "61"])   # with another limit everything is judged again
    assert there == ["grades_totals.csv"]


def test_a_grade_that_was_stored_without_its_code_is_judged_again(handed_in, tmp_path):
    words = ["grade", str(handed_in), "--out", str(tmp_path / "grades.csv")]
    cli.main(words)
    state, = (tmp_path / "grades_reports").glob("*.json")
    stored = json.loads(state.read_text(encoding="utf-8"))
    del stored["answers"]
    state.write_text(json.dumps(stored), encoding="utf-8")
    cli.main(words)
    assert "answers" in json.loads(state.read_text(encoding="utf-8"))


def test_what_the_format_lacks_is_one_sentence(handed_in, tmp_path, capsys):
    (handed_in / "plain.ipynb").write_bytes(course.SUBMISSIONS["wrong"][0])
    words = ["--out", str(tmp_path / "grades.csv"), "--format", "moodle"]
    assert cli.main(["grade", str(handed_in), *words]) == 0
    assert "Left out for Moodle, because their names have no participant number: plain.ipynb.\n" in (
        capsys.readouterr().err)
    assert cli.main(["grade", str(handed_in / "plain.ipynb"), *words]) == 1
    assert "No submission has a participant number in its name" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["grade", str(handed_in), "--format", "excel"])
