"""The pages that quote measurements: README, the ledger, the benchmarks, INSTRUCTORS, the welcome page, and data.md.

`course build` writes their tables.
"""

import re

from course_utils import checks, claims, formatting, plots
from course_utils.claims import evidence
from course_utils.experiments import scoreboard
from course_utils.tools import build, measured

PICTURES = build.HOME / "notebooks" / "pictures"   # not .github: JupyterLab shows no pictures from hidden folders


def render(text):
    """The text of one of these pages, with everything between its markers as it was last measured."""
    blocks = {"syllabus": lambda: syllabus("notebooks/", "exercises/"), "lectures": syllabus, "claim": _claim,
              "evidence": evidence.table, "before": evidence.before, "multiplicity": evidence.multiplicity,
              "costs": measured.cost_table, "benchmarks": measured.table, "missed": measured.missed,
              "labs": measured.lab_table, "mutants": measured.mutants,
              "baselines": measured.baseline_table, "scoreboard": scoreboard.table}

    def block(match):
        lines = [match["marker"], "", *blocks[match["name"]]().splitlines(), "", "<!-- end -->"]
        return "\n".join((match["comment"] + line).rstrip() for line in lines)

    return re.sub(rf"^(?P<comment>(# )?)(?P<marker><!-- (?P<name>{'|'.join(blocks)}): [^\n]*-->)\n.*?<!-- end -->$",
                  block, text, flags=re.DOTALL | re.MULTILINE)


def generated():
    """Paths of the pages that quote measurements."""
    return [build.HOME / name for name in ("README.md", "LEDGER.md", "BENCHMARKS.md", "INSTRUCTORS.md",
                                           "notebooks/text/00_welcome.py", "notebooks/data.md")]


def update():
    """Write the last measurements into these pages."""
    for page in generated():
        page.write_text(render(page.read_text(encoding="utf-8")), encoding="utf-8")


def _claim():
    """The picture of the first claim, with its alternative text; `make picture` draws it."""
    figure = claims.forest(claims.FIRST).figure
    plots.plt.close(figure)
    return f"![{plots.alt_text(figure)}]({PICTURES.relative_to(build.HOME).as_posix()}/claim.png)"


def syllabus(lectures="", exercises=None):
    """All lectures as a Markdown table: minutes to work through, and exercise.

    Parameters
    ----------
    lectures, exercises : str
        The folders that the links lead to, from the folder of the page; without `exercises`, exercises have no links.
    """
    names = {path.stem[2:4]: path.name for path in checks.PRISTINE.glob("*.ipynb")}
    rows = []
    for twin in build.twins():
        lecture = build.lecture(twin)
        if "minutes" in lecture:   # the welcome page is not a lecture
            number, exercise = twin.stem.partition("_")[0], lecture.get("exercise", "")
            rows.append([f"[{number}]({lectures}{twin.stem}.ipynb)", lecture["title"],
                         f"{lecture['minutes']} min",
                         f"[{exercise}]({exercises}{names[exercise]})" if exercise and exercises else exercise])
    return formatting.table(["", "lecture", "self-study (estimate)", "exercise"], rows)
