"""What INSTRUCTORS.md and the instructor's notes promise exists."""

import re
import tomllib

import jupytext
import pytest

from course_utils import labs
from course_utils.labs import story
from course_utils.tools import build

PAGE = build.HOME / "INSTRUCTORS.md"
LECTURES = [twin for twin in build.twins() if re.match(r"(?!00)\d\d_", twin.stem)]
SAID = PAGE.read_text(encoding="utf-8")
PLANS = {number: plan for number, plan in re.findall(r"^### (\d\d) (.*?)(?=^##)", SAID, flags=re.DOTALL | re.MULTILINE)}
QUESTIONS = {question for key in (build.HOME / "course_utils" / "checks" / "keys").glob("*.toml")
             for question in tomllib.loads(key.read_text(encoding="utf-8"))}
every_lecture = pytest.mark.parametrize("twin", LECTURES, ids=lambda twin: twin.stem)


def words(text):
    return " ".join(text.split())


def questions(text):
    """Numbers of questions, such as 2.10, and nothing that only looks like one, such as the rate 0.5."""
    return set(re.findall(r"(?<![\d.])[1-6]\.\d+(?!\d)", text))


def slug(heading):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def headings(text):
    return re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)


@every_lecture
def test_a_lecture_has_notes_and_none_reaches_the_learner(twin):
    notes = [note for found in build.notes(twin).values() for note in found]
    assert 5 <= len(notes) <= 12
    shown = "\n".join(cell.source for cell in build.read(twin).cells)
    for note in notes:
        assert 20 <= len(note.split()) <= 120, f"{twin.name}: too short or too long: {note[:60]}"
        assert note not in shown


@every_lecture
def test_the_lab_and_the_first_prediction_have_a_note(twin):
    cells, notes = build.read(twin).cells, build.notes(twin)
    for what in ("labs.", "quiz.ask("):
        first = next(number for number, cell in enumerate(cells)
                     if cell.cell_type == "code" and re.search(rf"^{re.escape(what)}", cell.source, re.MULTILINE))
        assert first in notes, f"{twin.name}: no note behind its first {what}"


@every_lecture
def test_notes_type_no_number_that_a_cell_computes(twin):
    for found in build.notes(twin).values():
        for note in found:
            own = re.sub(r"“.*?”|\*\*Homework:.*", "", words(note))   # what people say may hold numbers
            assert not re.search(r"\d ?%|\d\.\d\d|[−+]\d", own), note


@every_lecture
def test_a_lecture_has_a_plan(twin):
    plan = PLANS[twin.stem[:2]]
    for part in ("Can do afterwards", "Do not skip", "Lab", "They say", "Homework"):
        assert f"**{part}:**" in plan, f"{part} is missing"
    lab = re.search(r"`labs\.(\w+)\.story\(\)`", plan)[1]
    assert re.search(rf"^labs\.{lab}\(", twin.read_text(encoding="utf-8"), re.MULTILINE), "another lecture's lab"
    assert lab in labs.__all__
    assert story.all_stories()[lab]
    quoted = re.findall(r"“(.+?)”", words(re.search(r"\*\*Do not skip:\*\*(.*?)\n- ", plan, re.DOTALL)[1]))
    code = words("".join(cell.source for cell in build.read(twin).cells if cell.cell_type == "code"))
    for title in quoted:   # a title may be one string or, in the code, two
        assert title in code.replace('" "', ""), f"no figure with the title {title!r}"


def test_minutes_of_a_lesson_add_up():
    rows = re.findall(r"^\| (\d\d) \| ([\d ·]+) \| ([\d ·]+) \|$", SAID, flags=re.MULTILINE)
    assert [number for number, *_ in rows] == [twin.stem[:2] for twin in LECTURES]
    for number, short, long in rows:
        for minutes, parts in ((45, short), (90, long)):
            assert (len(parts.split("·")), sum(map(int, parts.split("·")))) == (6, minutes), number


def test_every_question_is_homework_somewhere_and_every_homework_is_a_question():
    given = set().union(*(questions(plan.split("**Homework:**")[1].split("###")[0]) for plan in PLANS.values()))
    assert given == QUESTIONS
    for twin in LECTURES:
        for found in build.notes(twin).values():
            for home in re.findall(r"\*\*Homework:\*\*(.*)", words(" ".join(found))):
                assert questions(home) <= QUESTIONS, f"{twin.name}: {home}"


def test_links_of_the_page_lead_somewhere():
    anchors = {slug(heading) for heading in headings(SAID)}
    for link in re.findall(r"\]\(([^)\s]+)\)", SAID):
        target, _, place = link.partition("#")
        if "://" not in link:
            assert not target or (build.HOME / target).exists(), f"no {target}"
            assert target or not place or place in anchors, f"no heading #{place}"


def test_the_contents_name_every_section_in_its_order():
    contents = re.findall(r"^- \[(.+)\]\(#(.+)\)$", SAID.split("\n## ")[0], flags=re.MULTILINE)
    sections = re.findall(r"^## (.+)$", SAID, flags=re.MULTILINE)
    assert contents == [(section, slug(section)) for section in sections], "write the new section into the contents"


def test_notes_of_all_twins_stand_behind_a_cell():
    for twin in [*build.twins(), *build.solutions()]:
        build.notes(twin)   # raises where a note is code or belongs to no cell
        assert all(cell.cell_type == "markdown" for cell in jupytext.read(twin, fmt="py:percent").cells
                   if build.NOTE in cell.metadata.get("tags", []))
