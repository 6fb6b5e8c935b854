"""Our parts of JupyterLab for those who use the keyboard or a screen reader: names, values, focus, no barriers."""

import jupytext
import nbformat
import pytest

from course_utils import labs
from course_utils.tools import build
from tests.helpers import axe, jupyterlab

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

CELLS = """# %%
from course_utils import claims, labs, quiz

labs.seeds()

# %%
labs.search()

# %%
quiz.ask("07", "rates")

# %%
claims.ledger()

# %%
import xarray as xr
from course_utils import plots

scores = xr.DataArray([[0.5, 0.6], [0.7, 0.9]], dims=("epoch", "seed"), coords={"epoch": [1, 2]}, name="val_accuracy")
_ = plots.lines(scores, "epoch", title="Naïve or not, it rises")

# %%
from course_utils import environment

environment.slider()

# %%
from course_utils.checks.exercise import progress

progress()
"""
FIGURE = "Naïve or not, it rises. Validation accuracy against epoch."
OURS = ".jp-OutputArea"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    # So high that nothing has to be scrolled: axe-core passes over what is out of sight.
    with jupyterlab.page(tmp_path_factory.mktemp("accessible"), 1400, 5000) as page:
        notebook = jupytext.reads(CELLS, fmt="py:percent")
        notebook.metadata = {"kernelspec": build.KERNEL, "course": {"exercise": "ex02_batch_normalization"}}
        nbformat.write(notebook, page.root / "mine.ipynb")
        jupyterlab.open_notebook(page, page.address, "mine.ipynb")
        page.evaluate(jupyterlab.RUN_ALL)   # returns when all cells have run
        page.get_by_role("button", name="Check my work").wait_for(timeout=120_000)
        for name in ("seeds", "search"):
            page.wait_for_function("name => document.querySelector(`.lab-${name} [role=status]`)?.textContent.length"
                                   " > 40", arg=name, timeout=120_000)
        for answer in page.locator("summary").all():
            answer.click()
        yield page


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_nothing_of_ours_is_a_barrier_in_any_theme(page, theme):
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme, timeout=30_000)
    page.wait_for_timeout(1000)   # colors fade
    assert axe.barriers(page, OURS) == []


def test_a_barrier_would_be_seen(page):
    page.evaluate("""() => {
        const bad = document.createElement("p");
        bad.id = "bad";
        bad.innerHTML = '<img src="data:,"><span style="color: #ccc; background: white">pale</span><input>';
        document.querySelector(".lab-seeds").append(bad);
    }""")
    found = axe.barriers(page, OURS)
    page.evaluate("() => document.querySelector('#bad').remove()")
    assert {line.split()[0] for line in found} == {"image-alt", "color-contrast", "label"}


def described(page):
    """Of all that the browser tells a screen reader: role, name, value and description of each thing that is told."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]

    def said(node, part):
        return str(node.get(part, {}).get("value", ""))

    return [tuple(said(node, part) for part in ("role", "name", "value", "description"))
            for node in tree if not node["ignored"]]


def test_every_control_of_a_lab_is_told_with_its_name_and_its_value(page):
    told = described(page)
    for lab in (labs.seeds, labs.search):
        for control in lab.controls.values():
            found = {(role, value) for role, name, value, _ in told if name == control.label}
            controls = [(role, value) for role, value in found if role in ("slider", "combobox", "checkbox")]
            assert len(controls) == 1, control.label
            assert controls[0][1] or controls[0][0] == "checkbox", control.label
    sliders = [(name, value, more) for role, name, value, more in told if role == "slider"]
    assert {("difference in points", "from 0 to 2"), ("search number", "from 1 to 10"),
            ("move me", "from 1 to 10")} == {(name, more) for name, _, more in sliders}
    assert all(value for _, value, _ in sliders)
    names = {(role, name) for role, name, *_ in told}
    assert {("group", "lab seeds"), ("group", "lab search"), ("button", "Stop"), ("button", "Reset"),
            ("textbox", "difference in points: type a number"), ("table", "Progress"), ("group", "Question"),
            ("image", FIGURE)} <= names
    assert {value for role, _, value, _ in told if role == "progressbar"} <= {"100", "0"}   # all is done, or not begun


def test_the_place_of_the_sentence_stays_when_its_words_change(page):
    place = page.locator(".lab-seeds [role=status]").element_handle()
    before = place.text_content()
    page.locator(".lab-seeds [role=slider]").press("ArrowRight")
    page.wait_for_function("([place, before]) => !place.textContent.endsWith('…')"
                           " && place.textContent !== before", arg=[place, before], timeout=60_000)
    assert place.evaluate("place => place.isConnected && place.getAttribute('role') === 'status'")
    slider = page.locator(".lab-seeds [role=slider]")
    assert slider.get_attribute("aria-valuetext") == page.locator(".lab-seeds .widget-readout").inner_text() == "1.10"


FOCUSED = """() => {
    const element = document.activeElement, look = getComputedStyle(element);
    return [element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent,
            look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2];
}"""


def test_tab_walks_through_a_lab_in_order_and_the_focus_is_seen(page):
    page.locator(".lab-search select").first.focus()
    page.keyboard.press("Tab")   # now it is the keyboard that moves the focus
    page.keyboard.press("Shift+Tab")
    walked = [page.evaluate(FOCUSED)]
    while walked[-1][0] != "Show this state":
        page.keyboard.press("Tab")
        walked.append(page.evaluate(FOCUSED))
        assert len(walked) < 20
    labels = [control.label for control in labs.search.controls.values()]
    at = labels.index("search number") + 1
    assert [name for name, _ in walked] == [*labels[:at], "search number: type a number", *labels[at:], "Reset",
                                            "Compare", "Show this state"]   # nothing is left to stop
    assert [name for name, seen in walked if not seen] == []


def test_a_number_can_be_typed_and_a_box_ticked(page):
    typed = page.get_by_role("textbox", name="search number: type a number")
    typed.focus()
    page.keyboard.press("Control+a")   # all of the number, not all cells of the notebook
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    call = "document.querySelector('.lab-search .lab-call input').value"
    page.wait_for_function(f"() => {call}.includes('number=7')", timeout=60_000)
    page.get_by_role("checkbox", name="open the test set").focus()
    page.keyboard.press("Space")
    page.wait_for_function(f"() => {call}.includes('open_test=True')", timeout=60_000)
    sentence = page.locator(".lab-search [role=status]")
    page.wait_for_function("place => /test/.test(place.textContent) && !/closed/.test(place.textContent)",
                           arg=sentence.element_handle(), timeout=120_000)


def test_an_answer_of_a_quiz_opens_with_the_keyboard(page):
    answer = page.locator("details").first
    for opened in (False, True):   # the fixture has opened all
        answer.locator("summary").focus()
        page.keyboard.press("Enter")
        assert (answer.get_attribute("open") is not None) == opened


def test_figures_have_their_text(page):
    texts = page.locator(".jp-RenderedImage img").evaluate_all("images => images.map(image => image.alt)")
    assert len(texts) == 3
    assert FIGURE in texts
    assert all(len(text) > 40 for text in texts)


def test_the_browser_has_nothing_to_complain_about(page):
    assert page.complaints == []
