"""The book: every notebook is a page, and no page needs a kernel, a network or a picture's sight."""

import functools
import importlib.util
import itertools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from bs4 import BeautifulSoup
from packaging.requirements import Requirement

from book import states
from course_utils import labs
from tests.helpers.lab_states import closed
from tests.helpers.needed import needed

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FEW = {   # states of labs that only look up, for the book of the tests
    "search": {"trials": [16, 36], "images": [50, 100], "open_test": [False, True]},
    "halving": {"pruner": ["median", "successive halving"], "first": [1, 2]}}
OPTIONS = ["--quiet", "--fail-on-warning", "--keep-going", "--fresh-env", "--conf-dir", "book"]

pytestmark = pytest.mark.slow   # builds all pages


def require_sphinx():
    """Skip the test where the book's packages are not installed; in CI fail."""
    needed(importlib.util.find_spec("myst_nb"), "Sphinx with myst-nb", "make book-packages")


@functools.cache
def build_book(temporary):
    """The book in a temporary folder with a `FEW` states, built once for all tests; a warning is an error."""
    require_sphinx()
    folder = temporary / "book"
    for name, values in FEW.items():
        states.update(name, folder / "labs", values)
    done = subprocess.run([sys.executable, "-m", "sphinx", *OPTIONS, "--define", f"labs={folder / 'labs'}",
                           "--doctree-dir", folder / "doctrees", "notebooks", folder / "site"],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build_book(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def pages(site):
    """Every page of the book, parsed, by its name."""
    return {path.stem: BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in sorted(site.glob("*.html"))}


def cells(path, kind="code"):
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def stored(path, mime):
    """Outputs of the cells of a notebook that have this MIME type."""
    return [output for cell in cells(path) for output in cell["outputs"] if mime in output.get("data", {})]


def test_every_notebook_is_a_page_and_stands_in_the_contents_in_order(pages):
    names, lists = [path.stem for path in NOTEBOOKS], sorted(path.stem for path in (ROOT / "notebooks").glob("*.md"))
    assert len(names) >= 15
    assert {*names, *lists, "search", "index"} == set(pages)
    for page in [pages[name] for name in names]:
        linked = [link["href"].removesuffix(".html") for link in page.select(".sidebar-tree a")]
        here = page.select_one(".sidebar-tree .current-page a")   # its address is "#"
        assert bool(here) == (page is not pages["00_welcome"])
        expected = [*names[1:], *lists]
        assert linked == ["#" if page is pages[name] else name for name in expected]
    for path in NOTEBOOKS[1:]:
        title = cells(path, "markdown")[0]["source"][0].removeprefix("# ").strip().replace("`", "")
        assert pages[path.stem].h1.get_text().startswith(f"{path.stem.partition('_')[0]} · {title}")
    assert pages["index"].select_one("meta[http-equiv]")["content"] == "0; url=00_welcome.html"


def test_no_page_loads_anything_from_another_host(site, pages):
    foreign = re.compile(r"^([a-z]+:)?//", re.IGNORECASE)
    loaded = [(name, element[attribute]) for name, page in pages.items() for element in page.find_all(True)
              for attribute in ("src", "srcset", "data", "poster", "href")
              if attribute in element.attrs and (attribute != "href" or element.name == "link")]
    assert len(loaded) > 200
    assert [one for one in loaded if foreign.match(one[1])] == []
    styles = [path.read_text("utf-8") for path in site.rglob("*.css")] + [
        style.get_text() for page in pages.values() for style in page.find_all("style")]
    assert [text for text in styles if re.search(r"""(url\(|@import)\s*["']?([a-z]+:)?//""", text)] == []


def test_every_file_and_every_place_that_a_page_names_is_there(site, pages):
    ids = {name: {element["id"] for element in page.find_all(id=True)} for name, page in pages.items()}
    wrong = []
    for name, page in pages.items():
        for element in page.find_all(["a", "link", "script", "img"]):
            address = urlsplit(element.get("href") or element.get("src") or "")
            if address.scheme or address.netloc:
                continue
            target = site / unquote(address.path) if address.path else site / f"{name}.html"
            known = not address.fragment or element.name != "a" or target.suffix != ".html" or (
                unquote(address.fragment) in ids.get(target.stem, ()))
            if not (target.is_file() and known):
                wrong.append((name, element.get("href") or element.get("src")))
    assert wrong == []
    welcome = [link["href"] for link in pages["00_welcome"].select("article a")]
    assert {"07_batch_norm_on_trial.html", "reading_batch_normalization.html"} <= set(welcome)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_shows_what_its_notebook_has_stored(path, pages):
    page = pages[path.stem]
    pictures, quizzes = stored(path, "image/png"), ["".join(one["data"]["text/html"])
                                                    for one in stored(path, "text/html")]
    texts = [picture["metadata"]["image/png"]["alt"] for picture in pictures]
    shown = [image for image in page.select(".cell_output img") if not image["src"].startswith("data:")]
    assert [image["alt"] for image in shown] == texts   # pictures inside HTML, such as the doctor's, have their own
    folded = [*quizzes, *("".join(cell["source"]) for cell in cells(path, "markdown"))]
    assert len(page.select("details")) == sum(text.count("<details") for text in folded)
    assert len(page.select(".cell_input")) == len([cell for cell in cells(path) if cell["source"]])
    words = ["".join(picture["data"]["text/plain"]).partition("\n")[::2] for picture in pictures]
    shown = [(call, sentence) for call, sentence in words if call.startswith("labs.")]
    uses = any(re.match(r"labs\.\w+\(", line) for cell in cells(path) for line in cell["source"])
    assert bool(shown) == uses
    said = [[part.get_text() for part in lab.select("p, code")] for lab in page.select(".lab-said")]
    assert [(call, sentence) for sentence, _, call in said] == shown
    for lab, (_, sentence) in zip(page.select(".lab-said"), shown, strict=True):
        assert lab.find_previous("img")["alt"] == sentence
    assert "widget" not in page.select_one("article").get_text().lower().replace("ipywidgets", "")


def test_labs_have_their_controls_where_their_states_are_known(pages):
    moved = {name: [label.get_text() for label in page.select(".lab label")] for name, page in pages.items()}
    assert {name: labels for name, labels in moved.items() if labels} == {
        "12_hyperparameter_search": ["trials", "validation images", "open the test set"],
        "13_search_at_scale": ["pruner", "epochs to the first rung"]}
    for page in [page for page in pages.values() if page.select(".lab")]:
        assert page.select_one(".lab").has_attr("hidden")   # until the script has started
        for control in page.select(".lab :is(input, select)"):
            assert page.select(f"label[for={control['id']}]")
        assert page.select_one(".lab svg")["aria-labelledby"] == page.select_one(".lab [role=status]")["id"]


@pytest.mark.parametrize(("name", "page", "places"), [
    ("search", "12_hyperparameter_search", {0: {"trials": 16, "images": 50, "open_test": False},
                                            7: {"trials": 36, "images": 100, "open_test": True}}),
    ("halving", "13_search_at_scale", {1: {"pruner": "median", "first": 2}, 2: {"pruner": "successive halving"}})])
def test_a_state_in_the_page_is_that_of_the_lab(name, page, places, pages):
    script = pages[page].select_one(".lab script").string
    found, lab = json.loads(script), closed(getattr(labs, name))
    assert len(script.encode()) < 100_000
    assert len(found["states"]) == np.prod([len(values) for values in FEW[name].values()])
    for place, chosen in places.items():
        sentence, call, *drawn = found["states"][place]
        state = lab.checked(chosen)
        figure, said = lab.figure(state, lab.compute(state, lambda partial: False))
        assert (sentence, call) == (said, lab.call(state))
        assert [found["pieces"][piece] for piece in drawn] == states.drawn(figure)


def test_every_figure_has_a_text(pages):
    texts = [image.get("alt", "") for page in pages.values() for image in page.find_all("img")]
    assert len(texts) > 100
    assert [text for text in texts if len(text) < 10 or text.endswith(".png")] == []


def test_headings_begin_with_one_title_and_skip_no_level(pages):
    for name, page in pages.items():
        levels = [int(heading.name[1]) for heading in page.select("h1, h2, h3, h4, h5, h6")]
        assert levels.count(1) == 1, name
        assert all(below <= above + 1 for above, below in itertools.pairwise(levels)), name


def test_no_heading_of_a_table_is_empty(pages):
    headings = [cell.get_text() for page in pages.values() for cell in page.find_all("th")]
    assert len(headings) > 20
    assert "" not in map(str.strip, headings)


def test_every_formula_is_one(pages):
    for page in pages.values():
        article = page.select_one("article") or page
        for element in article.select("pre, code, script"):
            element.extract()
        assert "$" not in article.get_text()
    assert len(pages["05_batch_norm_from_scratch"].select(".math")) > 20


def test_only_make_book_packages_installs_what_the_book_needs():
    lock = (ROOT / "requirements-book.lock").read_text("utf-8").splitlines()
    course = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    wanted = {Requirement(line).name for line in extras["book"]}
    assert wanted <= {line.split("==")[0] for line in lock}
    assert not wanted & {line.split("==")[0] for line in course}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "\t@$(ADD) requirements-book.lock\n" in makefile
    assert f"-m sphinx {' '.join(OPTIONS)} " in makefile
    assert re.search(r"^book: book-packages .*\n\t@\$\(PY\) -m book.states\n", makefile, re.MULTILINE)
