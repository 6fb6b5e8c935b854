"""The book in a real browser without a network, opened from the disk: formulas, search, light and dark, phones."""

import pytest

from tests.book.test_pages import NOTEBOOKS, build_book
from tests.helpers import axe, jupyterlab

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build_book(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def browser():
    jupyterlab.require_chromium()
    with jupyterlab.browser() as chromium:
        yield chromium


@pytest.fixture
def page(site, browser):
    """A page without a network; ``complaints`` and ``foreign`` have what went wrong and what was asked of others."""
    context = browser.new_context(offline=True, color_scheme="light")
    page = context.new_page()
    page.complaints, page.foreign, page.asked = [], [], []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("requestfailed", lambda request: page.complaints.append(request.url))
    page.on("request", lambda request: page.asked.append(request.url))
    yield page
    assert page.complaints == []
    assert page.asked
    assert [url for url in page.asked if not url.startswith((site.as_uri(), "data:"))] == []
    context.close()


def address(site, name, anchor=""):
    return f"{(site / name).as_uri()}.html{anchor}"


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_a_page_shows_its_formulas_and_figures_and_fits_a_phone(page, site, name):
    page.goto(address(site, name))
    page.wait_for_function("() => document.querySelectorAll('.math').length"
                           " === document.querySelectorAll('.math mjx-container').length")
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    assert page.locator(".lab, article img:visible").count() >= page.locator("article img:not(details img)").count()
    sizes = page.evaluate("""() => [...document.querySelectorAll('.math mjx-container, article img, .lab svg')].filter(
        shown => shown.checkVisibility()).map(shown => shown.getBoundingClientRect()).map(
        box => Math.min(box.width, box.height))""")
    assert min(sizes, default=9) > 2
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_search_finds_the_lecture(page, site):
    page.goto(address(site, "01_learning_curves"))
    page.get_by_role("textbox", name="Search").fill("inverted dropout")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results a")
    results = page.locator("#search-results li a")
    assert "09_dropout.html" in [result.get_attribute("href").partition("?")[0] for result in results.all()]
    results.filter(has_text="09 · Dropout").first.click()
    page.wait_for_selector("h1:has-text('Dropout: when does noise pay?')")


def test_a_word_that_is_nowhere_is_not_found(page, site):
    page.goto(address(site, "search", "?q=xylophone"))
    page.wait_for_selector("text=did not match any documents")


def brightness(page):
    """Of the page behind the text, from 0 to 255."""
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, color[4:-1].split(", "))) / 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["00_welcome", "12_hyperparameter_search", "A2_why_batch_norm_works", "search"])
def test_nothing_in_a_page_is_a_barrier(page, site, name, scheme):
    """A page of each kind: words, a lab that moves, formulas, search."""
    page.emulate_media(color_scheme=scheme)
    page.goto(address(site, name, "?q=dropout" if name == "search" else ""))
    page.wait_for_selector("#search-results a" if name == "search" else "article h1")
    assert (brightness(page) < 60) == (scheme == "dark")
    if page.locator(".lab").count():
        assert page.locator(".lab svg").is_visible()
    assert axe.barriers(page) == []


def test_dark_stays_dark_on_the_next_page(page, site):
    page.goto(address(site, "05_batch_norm_from_scratch"))
    assert brightness(page) > 200
    toggle = page.locator(".theme-toggle-content button")
    for _ in range(3):
        toggle.click()
        if page.evaluate("document.body.dataset.theme") == "dark":
            break
    assert brightness(page) < 60
    page.goto(address(site, "06_batch_norm_in_keras"))
    assert brightness(page) < 60


def test_the_first_page_leads_on(page, site):
    page.goto(address(site, "index"))
    page.wait_for_url("**/00_welcome.html")
    page.get_by_role("link", name="07 · Batch normalization on trial").click()
    page.wait_for_selector("h1:has-text('Batch normalization on trial')")


def test_a_quiz_answers_to_the_keyboard(page, site):
    page.goto(address(site, "00_welcome"))
    answer = page.locator("details").first
    answer.locator("summary").focus()
    page.keyboard.press("Enter")
    assert answer.locator("p").is_visible()


def test_on_paper_nothing_is_cut_off_and_every_answer_is_open(page, site):
    page.goto(address(site, "05_batch_norm_from_scratch"))
    page.wait_for_selector(".math mjx-container")
    page.set_viewport_size({"width": 700, "height": 1000})
    page.emulate_media(media="print")
    assert page.locator(".sidebar-drawer").is_hidden()
    assert page.locator("details p").first.is_visible()
    assert page.evaluate("""() => [...document.querySelectorAll('pre, div.math, article img')].filter(
        shown => shown.scrollWidth > shown.clientWidth + 1).map(shown => shown.outerHTML.slice(0, 200))""") == []


def shown(page):
    """What a lab shows: its picture, its sentence, its call."""
    lab = page.locator(".lab")
    return lab.locator("svg").inner_html(), lab.get_by_role("status").inner_text(), lab.locator("code").inner_text()


def test_a_lab_answers_to_the_keyboard(page, site):
    page.goto(address(site, "12_hyperparameter_search"))
    lab = page.locator(".lab")
    first = shown(page)
    assert first[2] == "labs.search()"
    assert "36 trials" in first[1]
    trials, images = (lab.get_by_role("slider", name=name) for name in ("trials", "validation images"))
    trials.focus()
    page.keyboard.press("ArrowLeft")
    second = shown(page)
    assert trials.get_attribute("aria-valuetext") == lab.locator("span").first.inner_text() == "16"
    assert second[2] == "labs.search(trials=16)"
    assert "16 trials" in second[1]
    assert second[0] != first[0]
    page.keyboard.press("Tab")
    assert images.evaluate("control => control === document.activeElement")
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert lab.get_by_role("checkbox", name="open the test set").is_checked()
    assert shown(page)[2] == "labs.search(trials=16, images=50, open_test=True)"
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("End")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert shown(page) == first


def test_every_state_of_a_lab_can_be_chosen_and_is_drawn(page, site):
    page.goto(address(site, "13_search_at_scale"))
    seen = set()
    for pruner in ("median", "successive halving"):
        page.get_by_role("combobox", name="pruner").select_option(pruner)
        for first in ("Home", "End"):
            page.get_by_role("slider", name="epochs to the first rung").press(first)
            picture, sentence, call = shown(page)
            assert sentence.lower().startswith(f"pruner: {pruner}")
            assert ("first=2" in call) == (first == "End")
            assert ("median" in call) == (pruner == "median")
            assert page.locator(".lab svg text", has_text="Accuracy in one search").is_visible()
            seen |= {picture, sentence}
    assert len(seen) == 8


def test_a_lab_takes_the_place_of_its_stored_figure_but_not_on_paper(page, site):
    page.goto(address(site, "12_hyperparameter_search"))
    stored = page.locator(".cell_output:has(.lab)").locator("img, .lab-said")
    assert [part.is_visible() for part in stored.all()] == [False, False]
    assert page.locator(".lab svg").is_visible()
    page.emulate_media(media="print")
    assert [part.is_visible() for part in stored.all()] == [True, True]
    assert page.locator(".lab").is_hidden()


def test_without_scripts_a_lab_is_its_stored_figure(site, browser):
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(address(site, "12_hyperparameter_search"))
    stored = page.locator(".cell_output:has(.lab)").locator("img, .lab-said")
    assert [part.is_visible() for part in stored.all()] == [True, True]
    assert page.locator(".lab").is_hidden()
    context.close()


def test_a_lab_keeps_its_white_paper_in_the_dark(page, site):
    page.emulate_media(color_scheme="dark")
    page.goto(address(site, "12_hyperparameter_search"))
    assert brightness(page) < 60
    picture = page.locator(".lab svg")
    assert picture.evaluate("shown => getComputedStyle(shown).backgroundColor") == "rgb(255, 255, 255)"
    assert picture.locator("text").first.evaluate("shown => getComputedStyle(shown).fill") == "rgb(0, 0, 0)"
