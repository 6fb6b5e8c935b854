"""For those who cannot see a figure, or not its colors: headings, texts, contrast, more than one sign."""

import itertools
import re

import jupytext
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from course_utils import accessible, claims, labs, plots, quiz
from course_utils.checks import exercise
from course_utils.tools import build
from tests.helpers.lab_states import closed

TWINS = [*build.twins(), *build.solutions()]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: f"{twin.parents[1].name}-{twin.stem}")
def test_headings_begin_with_one_title_and_skip_no_level(twin):
    text = "\n".join(cell.source for cell in jupytext.read(twin, fmt="py:percent").cells
                     if cell.cell_type == "markdown")
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    levels = [len(signs) for signs in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))


def is_a_finding(text):
    """Whether a text is more than the names of axes: two sentences, the first of which has three words."""
    sentences = re.split(r"(?<=[.?!…]) ", text)
    return len(sentences) > 1 and len(sentences[0].split()) > 2


@pytest.mark.parametrize("path", [build.notebook_of(twin) for twin in TWINS],
                         ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_figure_of_a_notebook_says_what_it_shows(path):
    for cell in nbformat.read(path, 4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt, words = output.metadata.get("image/png", {}).get("alt", ""), output.data["text/plain"]
                assert alt, f"A figure has no words; run `course build {path.stem[:2]}`."
                assert is_a_finding(alt) or alt.count(" ") > 15, alt   # the sentence of a lab may be one
                assert words == f"Figure: {alt}" or (words.startswith("labs.") and words.partition("\n")[2] == alt)


def test_names_of_axes_are_no_finding():
    assert not is_a_finding("Validation accuracy against learning rate: plain; batch norm.")
    assert is_a_finding("Dropout pays with noise. Accuracy against rate.")


def test_the_file_of_a_picture_carries_its_text(tmp_path):
    from PIL import Image

    ax = plots.axes()
    ax.figure.savefig(tmp_path / "figure.png", pil_kwargs={"pnginfo": accessible.described("“Naïve” rises – twice.")})
    plt.close(ax.figure)
    assert Image.open(tmp_path / "figure.png").text == {"Description": "“Naïve” rises – twice."}


def test_a_built_notebook_leaves_the_script_to_the_first_cell_that_is_run():
    for path in (build.notebook_of(twin) for twin in TWINS):
        assert "courseAccessible" not in path.read_text("utf-8"), path.name


def contrast(one, other):
    """Of two colors, as WCAG 2.2 defines it: from 1 to 21; what is transparent in the first lies on the other."""
    luminances = []
    *under, _ = to_rgba(other)
    for color in (one, other):
        *parts, alpha = to_rgba(color)
        parts = alpha * np.array(parts) + (1 - alpha) * np.array(under)
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        luminances.append(linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    return max(luminances) / min(luminances)


def test_contrast_is_that_of_the_standard():
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)
    assert contrast((0, 0, 0, 0.5), "white") == pytest.approx(contrast("0.5", "white"))


def test_text_and_lines_of_figures_stand_out():
    paper = plt.rcParams["figure.facecolor"]
    assert paper == plt.rcParams["axes.facecolor"]
    for text in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color"):
        assert contrast(plt.rcParams[text], paper) >= 4.5
    for look in plt.rcParams["axes.prop_cycle"]:
        assert contrast(look["color"], paper) >= 3, look


def test_colors_in_our_html_stand_out_in_both_themes():
    """Text takes the color of the page; what has a color of its own is seen on white and on JupyterLab's dark gray."""
    pages = [quiz.ask("07", "rates")._repr_html_(), claims.ledger()._repr_html_(), exercise.progress().table()]
    for page in pages:
        assert re.findall(r"[;'\"](?:color|background[^:]*):", page) == []
    colors = {color for page in pages for color in re.findall(r"#[0-9a-fA-F]{3,6}\b", page)}
    assert len(colors) == 1   # the rule beside a question
    assert min(contrast(color, paper) for color in colors for paper in ("white", "#111111")) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("name", labs.__all__)
def test_what_a_lab_compares_differs_in_more_than_color(name):
    lab = closed(getattr(labs, name))
    state = lab.checked({})
    figure, _ = lab.figure(state, lab.compute(state, lambda partial: True))   # as far as it is trained at first
    for ax in figure.axes:
        handles, names = ax.get_legend_handles_labels()
        handles = [handle[0] if isinstance(handle, ErrorbarContainer) else handle for handle in handles]
        assert len({sign(handle) for handle in handles}) == len(handles), names
        for handle in handles:
            if isinstance(handle, Line2D) and handle.get_linestyle() != "None":
                assert contrast(to_rgba(handle.get_color(), handle.get_alpha()), "white") >= 3, handle.get_label()


def sign(handle):
    """What stands in a legend, without its color."""
    if isinstance(handle, Line2D):
        filled = to_rgba(handle.get_markerfacecolor()) != to_rgba("white")
        return handle.get_linestyle(), str(handle.get_marker()), filled, handle.get_linewidth() > 2
    return type(handle).__name__, handle.get_fill(), str(handle.get_linestyle())
