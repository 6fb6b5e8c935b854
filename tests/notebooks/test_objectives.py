"""What the course should teach is in its lectures, quizzes, and exercises."""

import pathlib
import re
import tomllib

from course_utils import checks
from course_utils.tools import build
from tests.notebooks.test_instructors import LECTURES
from tests.test_quiz import QUESTIONS

OBJECTIVES = tomllib.loads(pathlib.Path(__file__).with_name("objectives.toml").read_text(encoding="utf-8"))["objective"]
NOT_SHOWN = {"skip-execution", "live-only"}   # tags of code cells without stored outputs


def sections(twin):
    """Headings of the sections of a lecture in which code is run and its output is shown."""
    found, heading = set(), None
    for cell in build.read(twin).cells:
        if cell.cell_type == "markdown":
            heading = [heading, *re.findall(r"^## (.+)$", cell.source, flags=re.MULTILINE)][-1]
        elif not NOT_SHOWN.intersection(cell.metadata.get("tags", [])):
            found.add(heading)
    return found


def asked(solution):
    """Numbers of the questions of an exercise that are still asked."""
    numbers = re.findall(r'^# %% question="([\d.]+)"', solution.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {number for number in numbers if not checks.is_retired(number)}


def places():
    """All places that an objective can name."""
    return ({f"{twin.stem.split('_')[0]}: {heading}" for twin in build.twins() for heading in sections(twin)}
            | {f"quiz {lecture}: {key}" for lecture, key in QUESTIONS}
            | {f"exercise {number}" for solution in build.solutions() for number in asked(solution)})


def test_every_objective_is_taught():
    assert all(objective["where"] for objective in OBJECTIVES)
    known = places()
    missing = [f"{place} ({objective['topic']})" for objective in OBJECTIVES
               for place in objective["where"] if place not in known]
    assert not missing, "no such place, or no code is run there:\n" + "\n".join(missing)


def test_no_objective_is_named_twice():
    assert len({objective["topic"] for objective in OBJECTIVES}) == len(OBJECTIVES)


def test_there_are_thirteen_lectures_and_six_exercises_with_solutions():
    assert [twin.stem[:2] for twin in LECTURES] == [f"{number:02}" for number in range(1, 14)]
    assert [solution.stem[:4] for solution in build.solutions()] == [f"ex{number:02}" for number in range(1, 7)]
    for solution in build.solutions():   # test_notebooks runs the lectures; nbval compares what the checks print
        compared = [cell.id for cell in build.read(solution).cells if build.CHECKED in cell.metadata.get("tags", [])]
        assert {name.split("-check-")[1].replace("-", ".") for name in compared} == asked(solution)


def test_the_lecture_on_batch_norm_leads_to_the_reading_list():
    [twin] = [twin for twin in LECTURES if twin.stem.startswith("05_")]
    assert "](reading_batch_normalization.md)" in twin.read_text(encoding="utf-8")   # test_links follows it
