"""Links of the lectures and of the pages beside them lead to files and headings, in JupyterLab and on GitHub."""

import re

import pytest

from book.anchors import anchor
from course_utils.tools import build
from tests.notebooks.test_instructors import headings, slug

FOLDER = build.HOME / "notebooks"
PAGES = sorted(FOLDER.glob("*.md"))
GUIDE = FOLDER / "whats_wrong.md"


def prose(path):
    """The Markdown of a page, or of all cells of a text twin, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(cell.source for cell in build.read(path).cells if cell.cell_type == "markdown")


def anchors(path):
    """The anchors of a page or a notebook; JupyterLab finds only those that need no escape in an address."""
    twin = FOLDER / "text" / f"{path.stem}.py"
    found = headings(prose(twin if path.suffix == ".ipynb" else path))
    return {anchor(heading.replace("`", "")) for heading in found if heading.isascii()}


@pytest.mark.parametrize("path", [*PAGES, *build.twins()], ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        name, _, place = link.partition("#")
        if "://" not in link:
            target = FOLDER / name if name else path
            assert target.exists(), f"no {name}"
            assert not place or place in anchors(target), f"no heading #{place} in {target.name}"


def test_the_contents_of_the_guide_name_every_symptom_in_its_order():
    text = prose(GUIDE)
    contents = re.findall(r"^  - \[(.+?)\]\(#(.+?)\)", text, flags=re.MULTILINE)
    symptoms = re.findall(r"^### (.+)$", text, flags=re.MULTILINE)
    assert len(symptoms) >= 19
    assert contents == [(symptom, anchor(symptom.replace("`", ""))) for symptom in symptoms]
    for _, place in contents:   # GitHub does not mind upper case
        assert slug(place.replace("-", " ")) == place.lower()


def test_every_symptom_has_its_meaning_an_experiment_and_something_to_read():
    for entry in re.split(r"^### ", prose(GUIDE), flags=re.MULTILINE)[1:]:
        assert re.findall(r"^\*\*(.+?):\*\*", entry, flags=re.MULTILINE) == [
            "Usually means", "Find out in two minutes", "Read"], entry.splitlines()[0]
