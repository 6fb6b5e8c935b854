"""Every lab opens in JupyterLab, obeys the keyboard, and shows what its pure functions say."""

import pytest

from course_utils import labs
from tests.helpers import axe, jupyterlab
from tests.helpers.lab_states import opens

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

NAMES = [name for name in labs.__all__ if name != "batch_norm"]   # that one has tests of its own
CELLS = "# %%\nfrom course_utils import labs\n" + "".join(f"\n# %%\nlabs.{name}()\n" for name in NAMES)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with jupyterlab.page(tmp_path_factory.mktemp("labs"), 1440, 1000) as page:
        jupyterlab.start(page, CELLS)
        yield page


def displayed(page, name):
    """The call below a lab, its sentence and its picture's bytes, when they have come to rest."""
    page.wait_for_function(f"""() => {{
        const text = document.querySelector('.lab-{name} [role=status]')?.textContent || '…';
        return !text.endsWith('…');   // as all words do that are said before the sentence
    }}""", timeout=120_000)
    page.wait_for_timeout(300)   # the picture travels beside the sentence
    # Not its inner text: that is empty as soon as the notebook has moved on, above or below the window.
    return (page.locator(f".lab-{name} .lab-call input").input_value(),
            page.locator(f".lab-{name} [role=status]").text_content(),
            jupyterlab.picture(page, f".lab-{name} img.widget-image"))


def moved(page, name, act):
    """Do something to a control; what is `displayed` then."""
    picture = f".lab-{name} img.widget-image"
    before = page.locator(picture).get_attribute("src")
    act()
    # The picture is the last to follow: the call changes at once, and the old sentence stays for a moment.
    page.wait_for_function("([selector, before]) => document.querySelector(selector).src !== before",
                           arg=[picture, before], timeout=60_000)
    return displayed(page, name)


def shown(page, name):
    """Bring a lab into the window, and wait for its picture."""
    place = 1 + NAMES.index(name)
    page.evaluate(f"() => window.jupyterapp.shell.currentWidget.content.scrollToItem({place}, 'start')")
    page.wait_for_selector(f".lab-{name} img.widget-image", timeout=120_000)


@pytest.mark.parametrize("name", NAMES)
def test_a_lab_shows_its_state_and_follows_the_keyboard(page, name):
    shown(page, name)
    before = displayed(page, name)
    after = moved(page, name, lambda: page.locator(f".lab-{name} [role=slider]").first.press("ArrowRight"))
    assert after[0] != before[0]
    assert after[2] != before[2]
    reference = getattr(labs, name)()
    assert reference.wait(120)
    for line, sentence, picture in (before, after):
        expected_picture, expected_sentence = reference.render(opens(line))
        assert sentence == expected_sentence
        assert picture == expected_picture


@pytest.mark.parametrize("name", NAMES)
def test_a_lab_is_no_barrier_and_a_slider_says_what_is_read_beside_it(page, name):
    shown(page, name)
    displayed(page, name)
    assert axe.barriers(page, f".lab-{name}") == []
    for slider in page.locator(f".lab-{name} .widget-slider").all():
        handle, label = slider.locator("[role=slider]"), slider.locator("label")
        assert handle.get_attribute("aria-label") == label.text_content()
        assert handle.get_attribute("aria-valuetext") == slider.locator(".widget-readout").text_content()
        assert handle.get_attribute("title").startswith("from ")


def cells(page):
    """Type and source of each cell, and which one is active."""
    return page.evaluate("""() => {
        const notebook = window.jupyterapp.shell.currentWidget.content;
        const cells = notebook.widgets.map(cell => [cell.model.type, cell.model.sharedModel.source]);
        return [notebook.activeCellIndex, cells];
    }""")


@pytest.mark.parametrize("control", ["select", "[role=slider]", "button:text-is('Reset')"])
def test_keys_pressed_in_a_lab_stay_in_the_lab(page, control):
    """In command mode JupyterLab would take them: a, m and x insert, turn and cut cells, arrows walk away."""
    shown(page, "halving")
    displayed(page, "halving")
    focused = page.locator(f".lab-halving {control}").first
    focused.focus()
    before = cells(page)
    for key in ("a", "x", "m", "Shift+M", "Enter", "Escape", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
        page.wait_for_timeout(100)
        assert focused.evaluate("element => element === document.activeElement"), key
    assert cells(page) == before


def test_a_choice_obeys_the_keyboard(page):
    shown(page, "halving")
    choice = page.locator(".lab-halving select").first
    moved(page, "halving", lambda: choice.select_option("none"))
    choice.focus()
    for key, value in (("ArrowDown", "median"), ("ArrowDown", "successive halving"), ("ArrowUp", "median"),
                       ("End", "Hyperband"), ("m", "median")):
        after = moved(page, "halving", lambda key=key: page.keyboard.press(key))
        assert choice.input_value() == value
        assert after[1].startswith(f"Pruner: {value}. ")


def test_shortcuts_with_ctrl_and_shift_enter_are_still_those_of_the_notebook(page):
    shown(page, "halving")
    page.locator(".lab-halving select").first.focus()
    place, _ = cells(page)
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.context.model.dirty = true; }")
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=10_000)
    page.keyboard.press("Shift+Enter")
    page.wait_for_function("place => window.jupyterapp.shell.currentWidget.content.activeCellIndex === place + 1",
                           arg=place, timeout=10_000)
