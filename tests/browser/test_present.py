"""A lecture on a projector: walked by keyboard, its lab live, the notes on a page that follows; labs as pages."""

import contextlib
import re
import textwrap

import nbformat
import pytest

from course_utils.tools import build, present
from course_utils.tools.present import voila
from tests.helpers import jupyterlab
from tests.helpers.needed import needed
from tests.helpers.servers import free_ports, running

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

TWIN = textwrap.dedent('''\
    # %% [markdown]
    # # A question?

    # %% [markdown]
    # ## The idea
    #
    # Look here.

    # %% [markdown] tags=["instructor"]
    # Ask *before* you go on.

    # %%
    number = 6

    # %%
    from IPython.display import HTML

    HTML(f"<b>{7 * number}</b>")

    # %% [markdown]
    # ## The lab

    # %%
    from course_utils import labs

    labs.batch_norm_steps()
    ''')
READY = "() => document.querySelector('#place').textContent"
SAID = """() => [...document.querySelector('iframe').contentDocument.querySelectorAll('.lab-status')]
    .map(place => place.innerText)"""


@contextlib.contextmanager
def served(command, environment, folder, path, answers=200):
    """Run a server on a port of its own, until it answers at a path; yields its address."""
    [port] = free_ports()
    address = f"http://127.0.0.1:{port}"
    with running([*command, f"--port={port}"], folder / "log", asks=f"{address}/{path}", answers=answers,
                 env=environment):
        yield address


@pytest.fixture(scope="module")
def chromium():
    jupyterlab.require_chromium()
    with jupyterlab.browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def stage(tmp_path_factory, chromium):
    """The page of a small lecture, at its first step, from the address that the server prints."""
    folder = tmp_path_factory.mktemp("present")
    twin = folder / "notebooks" / "text" / "07_small.py"
    twin.parent.mkdir(parents=True)
    twin.write_text(TWIN, encoding="utf-8")
    notebook = build.read(twin)
    notebook.cells[3].outputs = [nbformat.v4.new_output("execute_result", {"text/html": "<b>stored</b>"},
                                                        execution_count=1)]
    nbformat.write(notebook, build.notebook_of(twin))
    made = folder / "made"
    present.prepare([twin], made)
    command, environment = present.command(made, twin.stem, browser=False)
    with served(command, environment, folder, "static/stage/lectures.json") as address:
        page = chromium.new_context(viewport={"width": 1920, "height": 1080}).new_page()
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.printed = re.search(rf"{address}/\S+", (folder / "log").read_text(encoding="utf-8"))[0]
        page.goto(page.printed)
        page.wait_for_function(READY, timeout=120_000)
        for said in ("A question?", "Look here.", "The lab"):   # JupyterLab draws text when it finds the time
            page.frame_locator("iframe").locator(".jp-RenderedMarkdown", has_text=said).wait_for(
                state="attached", timeout=120_000)
        yield page


def place(page):
    return page.locator("#place").text_content()


def shown(page):
    """What can be read of the notebook."""
    return page.frame_locator("iframe").locator(".jp-Notebook").inner_text()


def test_the_keyboard_walks_and_what_is_to_come_is_not_seen(stage):
    stage.keyboard.press("Home")
    assert place(stage) == "1 / 6"
    assert "A question?" in shown(stage)
    assert "The idea" not in shown(stage)
    stage.keyboard.press("ArrowRight")
    assert "Look here." in shown(stage)
    assert "A question?" not in shown(stage), "a heading begins a new screen"
    stage.keyboard.press("PageDown")
    assert place(stage) == "3 / 6"
    assert "number" in shown(stage)
    stage.keyboard.press("ArrowLeft")
    assert place(stage) == "2 / 6"
    stage.keyboard.press("]")
    assert place(stage) == "5 / 6"


def test_stored_output_is_there_at_once_and_code_unfolds_and_runs(stage):
    stage.keyboard.press("Home")
    for _ in range(3):
        stage.keyboard.press("ArrowRight")
    assert "stored" in shown(stage)
    cell = stage.frame_locator("iframe").locator(".jp-CodeCell").nth(1)
    assert not cell.locator(".jp-InputArea-editor").is_visible()
    stage.keyboard.press("c")
    cell.locator(".jp-InputArea-editor").wait_for(timeout=10_000)
    stage.keyboard.press("x")   # in JupyterLab this would cut the cell
    stage.keyboard.press("r")   # also what comes before it: `number`
    cell.locator("b", has_text="42").wait_for(timeout=120_000)
    assert place(stage) == "4 / 6"


def test_the_lab_is_live_and_tells_its_story(stage):
    stage.keyboard.press("End")
    frame = stage.frame_locator("iframe")
    stage.wait_for_function(f"() => ({SAID})().some(said => said.startsWith('Mean and variance of 256'))",
                            timeout=240_000)
    button = frame.get_by_role("button", name="A batch of one")
    button.focus()
    stage.keyboard.press("Enter")
    stage.wait_for_function(f"() => ({SAID})().some(said => said.includes('Only β is left'))", timeout=120_000)
    assert "nothing of the feature is left" in shown(stage)
    frame.get_by_role("button", name="▶ A batch of one").wait_for(timeout=10_000)
    assert place(stage) == "6 / 6"
    picture = frame.locator(".lab .widget-image").bounding_box()
    assert picture["width"] > 1000, "it fills more than half of the screen"
    assert picture["y"] + picture["height"] <= 1080, "and all of it is seen"
    stage.keyboard.press("Escape")
    stage.keyboard.press("ArrowLeft")
    assert place(stage) == "5 / 6"


def test_the_notes_follow_on_a_page_of_their_own(stage):
    stage.keyboard.press("Home")
    with stage.expect_popup() as opened:
        stage.keyboard.press("n")
    notes = opened.value
    notes.get_by_role("heading", name="A question?").wait_for(timeout=30_000)
    assert "No note for this step." in notes.inner_text("main")
    stage.keyboard.press("ArrowRight")
    notes.get_by_text("Ask before you go on.").wait_for(timeout=30_000)
    assert notes.locator("em").text_content() == "before"
    assert "Next: number = 6" in notes.inner_text("footer")
    notes.get_by_role("button", name="next →").click()
    stage.wait_for_function("() => document.querySelector('#place').textContent === '3 / 6'", timeout=30_000)
    assert "Ask" not in shown(stage)
    notes.close()


def test_a_second_tab_of_the_same_lecture_walks_on_its_own(stage):
    stage.keyboard.press("Home")
    second = stage.context.new_page()
    second.goto(stage.printed)
    second.wait_for_function(READY, timeout=60_000)
    second.keyboard.press("ArrowRight")
    assert place(second) == "2 / 6"
    second.frame_locator("iframe").locator(".jp-RenderedMarkdown", has_text="Look here.").wait_for(timeout=60_000)
    second.wait_for_function(f"() => ({SAID})().some(said => said.startsWith('Mean and variance of 256'))",
                             timeout=120_000)
    assert place(stage) == "1 / 6"
    second.evaluate("""() => {
        window.heard = [];
        window.listener = new BroadcastChannel("present 07_small");
        window.listener.onmessage = ({data}) => window.heard.push(data);
    }""")
    second.keyboard.press("ArrowRight")
    second.wait_for_timeout(1000)
    assert second.evaluate("window.heard") == [{"at": 2}], "the tabs answer one another"
    second.close()


def test_nothing_comes_from_another_host(stage):
    assert {url.split("/")[2].split(":")[0] for url in stage.asked if url.startswith("http")} == {"127.0.0.1"}


def test_a_lab_is_a_page_without_code(tmp_path, chromium):
    needed(voila.installed(), "Voila", "make present-packages")
    voila.prepare(["batch_norm_steps", "halving"], tmp_path)
    command, environment = voila.command(["batch_norm_steps", "halving"], tmp_path, browser=False)
    with served([*command, "--Voila.ip=127.0.0.1"], environment, tmp_path, "nothing", 404) as address:
        page, asked = chromium.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        assert [link.inner_text() for link in page.get_by_role("link").all()] == ["batch norm steps", "halving"]
        page.get_by_role("link", name="batch norm steps").click()
        page.get_by_text("Mean and variance of 256").wait_for(timeout=240_000)
        page.get_by_role("button", name="A batch of one").click()
        page.get_by_text("Only β is left").wait_for(timeout=120_000)
        assert page.get_by_role("heading", level=1).inner_text().startswith("Batch norm steps")
        assert "from course_utils" not in page.inner_text("body")
        assert {url.split("/")[2].split(":")[0] for url in asked if url.startswith("http")} == {"127.0.0.1"}
