"""The book in a real browser without a network, opened from the disk: formulas, search, light and dark, phones."""

import pytest

from tests.browser import jupyterlab
from tests.test_book import NOTEBOOKS, build_book

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
    sizes = page.evaluate("() => [...document.querySelectorAll('.math mjx-container, article img')].map(shown => "
                          "shown.getBoundingClientRect()).map(box => Math.min(box.width, box.height))")
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
