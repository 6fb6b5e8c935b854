"""Every lab opens in JupyterLab, obeys the keyboard, and shows what its pure functions say."""

import pytest

from course_utils import labs
from tests.browser import jupyterlab

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
        const text = document.querySelector('.lab-{name} [role=status]')?.textContent || 'Training';
        return !text.startsWith('Training') && !text.startsWith('Compiling');
    }}""", timeout=120_000)
    page.wait_for_timeout(300)   # the picture travels beside the sentence
    return (page.locator(f".lab-{name} code").inner_text(), page.locator(f".lab-{name} [role=status]").inner_text(),
            jupyterlab.picture(page, f".lab-{name} img.widget-image"))


@pytest.mark.parametrize("name", NAMES)
def test_a_lab_shows_its_state_and_follows_the_keyboard(page, name):
    place = 1 + NAMES.index(name)
    page.evaluate(f"() => window.jupyterapp.shell.currentWidget.content.scrollToItem({place}, 'start')")
    page.wait_for_selector(f".lab-{name} img.widget-image", timeout=120_000)
    before = displayed(page, name)
    handle = page.locator(f".lab-{name} [role=slider]").first
    handle.focus()
    handle.press("ArrowRight")
    page.wait_for_function("([selector, before]) => document.querySelector(selector).textContent !== before",
                           arg=[f".lab-{name} code", before[0]], timeout=30_000)
    after = displayed(page, name)
    assert after[2] != before[2]
    reference = getattr(labs, name)()
    assert reference.wait(120)
    for line, sentence, picture in (before, after):
        state = reference.checked(eval(line.replace(f"labs.{name}", "dict")))
        expected_picture, expected_sentence = reference.render(state)
        assert sentence == expected_sentence
        assert picture == expected_picture
