"""The batch-norm lab as a learner meets it: JupyterLab, a mouse, a keyboard."""

import base64
import re

import nbformat
import pytest

from course_utils import labs
from tests.helpers import jupyterlab
from tests.helpers.lab_states import opens

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

LAB = """# %%
from course_utils import labs

lab = labs.batch_norm(learning_rate=0.3)
lab
"""
PICTURE = ".lab-batch_norm img.widget-image"
STATUS = ".lab-batch_norm [role=status]"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with jupyterlab.page(tmp_path_factory.mktemp("lab")) as page:
        jupyterlab.start(page, LAB)
        page.wait_for_selector(PICTURE, timeout=120_000)
        settled(page)
        yield page


def settled(page):
    """Wait until the sentence below the picture is the final one."""
    page.wait_for_function(f"""() => {{
        const text = document.querySelector({STATUS!r})?.textContent || '';
        return text.startsWith('Validation accuracy') || text.startsWith('Stopped early');
    }}""", timeout=90_000)


def changed(page, act):
    """Do something to a control and wait for the new final picture."""
    before = page.locator(PICTURE).get_attribute("src")
    act()
    page.wait_for_function("([selector, before]) => document.querySelector(selector).src !== before",
                           arg=[PICTURE, before], timeout=90_000)
    settled(page)
    page.wait_for_timeout(100)   # the picture travels beside the sentence


def slider(page, label):
    return page.locator(f".lab-batch_norm .widget-slider:has(label:text-is('{label}')) [role=slider]")


def displayed(page):
    """State, picture bytes and sentence on the screen."""
    line = page.locator(".lab-batch_norm .lab-call input").input_value()
    return opens(line), jupyterlab.picture(page, PICTURE), page.locator(STATUS).inner_text()


@pytest.fixture(scope="module")
def reference():
    lab = labs.batch_norm()
    lab.wait(120)
    return lab


def expect_the_displayed_state(page, reference):
    state, picture, sentence = displayed(page)
    expected_picture, expected_sentence = reference.render(state)
    assert sentence == expected_sentence
    assert picture == expected_picture
    assert page.get_by_role("img", name=sentence, exact=True).count() == 1
    return state


def test_it_opens_in_the_state_it_was_called_with(page, reference):
    assert expect_the_displayed_state(page, reference)["learning_rate"] == 0.3


def test_the_batch_norm_box_exchanges_the_arms(page, reference):
    changed(page, lambda: page.get_by_role("checkbox", name="batch norm").click())
    assert expect_the_displayed_state(page, reference)["batch_norm"] is False
    changed(page, lambda: page.get_by_role("checkbox", name="batch norm").click())
    assert expect_the_displayed_state(page, reference)["batch_norm"] is True


def test_the_slider_obeys_the_keyboard(page, reference):
    handle = slider(page, "learning rate")
    handle.focus()
    changed(page, lambda: handle.press("ArrowRight"))
    assert expect_the_displayed_state(page, reference)["learning_rate"] > 0.3


def test_the_slider_obeys_the_mouse_and_waits_for_the_release(page, reference):
    handle = slider(page, "learning rate")
    box = handle.bounding_box()
    before = page.locator(PICTURE).get_attribute("src")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 60, box["y"] + box["height"] / 2, steps=5)
    page.wait_for_timeout(400)
    assert page.locator(PICTURE).get_attribute("src") == before
    changed(page, page.mouse.up)
    assert expect_the_displayed_state(page, reference)["learning_rate"] < 0.3


def test_twenty_quick_changes_end_in_the_last_state(page, reference):
    handle = slider(page, "learning rate")
    handle.focus()
    for _ in range(20):
        handle.press("ArrowRight")
    shown = page.locator(".lab-batch_norm .widget-slider:has(label:text-is('learning rate')) .widget-readout")
    last = float(shown.inner_text())
    assert last > 0.3
    page.wait_for_function("""([line, rate]) => {
        const told = /learning_rate=([^,)]+)/.exec(document.querySelector(line).value);
        return told && Math.abs(told[1] - rate) < 0.01 * rate;
    }""", arg=[".lab-batch_norm .lab-call input", last], timeout=60_000)
    page.wait_for_selector(f"{STATUS}:has-text('learning rate {last:.3g},')", timeout=60_000)
    page.wait_for_timeout(300)
    assert expect_the_displayed_state(page, reference)["learning_rate"] == pytest.approx(last, rel=0.01)


def test_a_structural_change_says_that_it_compiles_and_stop_stops(page):
    page.locator(".lab-batch_norm .widget-dropdown:has(label:text-is('hidden layers')) select").select_option("6")
    page.wait_for_function(f"() => document.querySelector({STATUS!r}).textContent.startsWith('Compiling')")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function(f"() => document.querySelector({STATUS!r}).textContent.startsWith('Stopped early')",
                           timeout=90_000)
    assert re.search(r"after \d+ epoch", page.locator(STATUS).inner_text())


def test_the_browser_has_nothing_to_complain_about(page):
    assert page.complaints == []


def test_without_a_kernel_the_saved_notebook_shows_the_static_picture(page):
    stored = page.locator(".jp-RenderedImage img")
    assert stored.count() == 1
    assert not stored.is_visible()   # while the lab is alive
    page.evaluate(jupyterlab.SAVE)
    outputs = [output.data for output in nbformat.read(page.root / "lab.ipynb", 4).cells[0].outputs]
    assert base64.b64decode(outputs[-1]["image/png"]).startswith(b"\x89PNG")
    assert outputs[-1]["text/plain"].startswith("labs.batch_norm(learning_rate=0.3)\nValidation accuracy")
    page.evaluate("async () => { const app = window.jupyterapp;"
                  " await app.shell.currentWidget.sessionContext.shutdown(); }")
    jupyterlab.open_notebook(page, page.address, "lab.ipynb")
    page.wait_for_function("() => document.querySelector('.jp-RenderedImage img')?.offsetHeight > 100")
    page.wait_for_timeout(3000)   # whatever complains does so by now
    assert not page.locator("text=Error displaying widget").is_visible()
