"""The pages that quote measurements: README and the welcome page, whose tables `course build` writes."""

import re

from course_utils import checks, claims, formatting, plots
from course_utils.tools import build, measured

PICTURES = build.HOME / "notebooks" / "pictures"   # not .github: JupyterLab shows no pictures from hidden folders


def render(text):
    """The text of README or welcome page with all that stands between its markers as it was last measured."""
    blocks = {"syllabus": syllabus("notebooks/", "exercises/"), "lectures": syllabus(), "claim": _claim(),
              "famous": repr(claims.ledger(claims.FAMOUS)), "verdicts": repr(claims.summary()),
              "ledger": repr(claims.ledger()), "costs": measured.cost_table(), "benchmarks": measured.table()}

    def written(found):
        lines = [found["marker"], "", *blocks[found["name"]].splitlines(), "", "<!-- end -->"]
        return "\n".join((found["comment"] + line).rstrip() for line in lines)

    return re.sub(rf"^(?P<comment>(# )?)(?P<marker><!-- (?P<name>{'|'.join(blocks)}): [^\n]*-->)\n.*?<!-- end -->$",
                  written, text, flags=re.DOTALL | re.MULTILINE)


def generated():
    """Paths of the pages that quote measurements."""
    return [build.HOME / "README.md", build.HOME / "notebooks" / "text" / "00_welcome.py"]


def update():
    """Write into these pages what was last measured."""
    for page in generated():
        page.write_text(render(page.read_text(encoding="utf-8")), encoding="utf-8")


def _claim():
    """The picture of the first famous claim, with its words; `make picture` draws it."""
    figure = claims.picture(claims.FAMOUS[0]).figure
    plots.plt.close(figure)
    return f"![{plots.alt_text(figure)}]({PICTURES.relative_to(build.HOME).as_posix()}/claim.png)"


def syllabus(lectures="", exercises=None):
    """All lectures as a Markdown table: minutes to work through one, seconds to run it here and on a slower machine,
    its exercise.

    Parameters
    ----------
    lectures, exercises : str
        Where the links lead, from the folder in which the table stands; without the latter exercises have none.
    """
    times = [measured.costs().get(name, {}) for name in ("seconds", "slower")]
    names = {path.stem[2:4]: path.name for path in checks.PRISTINE.glob("*.ipynb")}
    rows = []
    for twin in build.twins():
        lecture = build.lecture(twin)
        if "minutes" in lecture:   # the welcome page is not a lecture
            exercise = lecture.get("exercise", "")
            took = [f"{seconds[twin.stem]:.0f}" for seconds in times if twin.stem in seconds]
            rows.append([f"[{twin.stem[:2]}]({lectures}{twin.stem}.ipynb)", lecture["title"],
                         f"{lecture['minutes']} min", f"{' to '.join(took)} s" if took else "",
                         f"[{exercise}]({exercises}{names[exercise]})" if exercise and exercises else exercise])
    return formatting.table(["", "lecture", "takes you", "runs in", "exercise"], rows)
