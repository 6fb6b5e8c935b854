"""Figures show what they are given: bands, axes, thresholds."""

import io
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from course_utils import claims, datasets, plots, stats
from tests.helpers.sentences import refused


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    return xr.DataArray(rng.normal(0.5, 0.1, (4, 2, 6)), dims=("learning_rate", "batch_norm", "seed"),
                        coords={"learning_rate": [0.01, 0.1, 1.0, 10.0], "batch_norm": [False, True]},
                        name="val_accuracy")


def test_lines_are_means_and_bands_are_intervals(scores):
    ax = plots.lines(scores, "learning_rate", by="batch_norm", title="A finding")
    band = stats.interval(scores)
    for line, shade, on in zip(ax.lines, ax.collections, (False, True), strict=True):
        np.testing.assert_allclose(line.get_ydata(), band["mean"].sel(batch_norm=on))
        edges = shade.get_paths()[0].vertices[:, 1]
        assert edges.min() == pytest.approx(float(band["low"].sel(batch_norm=on).min()))
        assert edges.max() == pytest.approx(float(band["high"].sel(batch_norm=on).max()))
    assert [text.get_text() for text in ax.get_legend().texts] == ["plain", "batch norm"]
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "learning rate", "validation accuracy")


def test_lines_differ_in_more_than_color(scores):
    ax = plots.lines(scores, "learning_rate", by="batch_norm")
    assert len({line.get_linestyle() for line in ax.lines}) == 2
    assert len({line.get_marker() for line in ax.lines}) == 2


def test_intervals_take_datasets_and_verdicts():
    claim = claims.get("bn-few-images")
    effects = {"one": stats.interval(xr.DataArray([1.0, 2.0, 3.0], dims="seed")),
               "two": claims.Verdict(claim, 0.5, 0.4, 0.6, 10)}
    ax = plots.intervals(effects, threshold=1.5, neutral=0.0)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    assert ax.containers[1].lines[0].get_xdata() == [0.5]
    assert [line.get_xdata()[0] for line in ax.lines[-2:]] == [0.0, 1.5]


def test_curves_leave_diverged_runs_out_and_count_them():
    loss = np.array([[3.0, 1.0], [2.0, 1.0], [np.nan, np.nan]])
    runs = xr.Dataset({"loss": (("seed", "epoch"), loss), "val_loss": (("seed", "epoch"), loss + 1),
                       "diverged": (("seed", "epoch"), np.isnan(loss))}, {"seed": range(3), "epoch": [1, 2]})
    ax = plots.curves(runs, title="A finding")
    assert [line.get_ydata().tolist() for line in ax.lines] == [[2.5, 1.0], [3.5, 2.0]]
    assert [text.get_text() for text in ax.get_legend().texts] == ["training", "validation"]
    assert ax.get_legend().get_title().get_text() == "1 of 3 runs diverged"
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("epoch", "loss", "")
    assert ax.get_title(loc="left") == "A finding"


def test_a_history_has_a_panel_for_each_metric_with_training_and_validation():
    left, right = plots.history({"loss": [2.0, 1.0], "val_loss": [3.0, 2.0], "accuracy": [0.5, 0.6]},
                                metrics=["loss", "accuracy"])
    assert [line.get_ydata().tolist() for line in left.lines] == [[2.0, 1.0], [3.0, 2.0]]
    assert [line.get_label() for line in left.lines] == ["training", "validation"]
    assert left.lines[0].get_xdata().tolist() == [1, 2]
    assert [line.get_label() for line in right.lines] == ["training"]
    with refused(ValueError, match="no 'mae'; it has loss, val_loss, accuracy"):
        plots.history({"loss": [2.0], "val_loss": [3.0], "accuracy": [0.5]}, metrics=["mae"])


def test_labels_stand_above_rows_that_have_their_own():
    gray, color = np.eye(3), np.ones((3, 3, 3))
    rows = [{"a": gray, "b": color}, {"a": gray, "b": color}, {"c": color, "d": gray}]
    labels = [ax.get_title() for ax in plots.images(rows).axes]
    assert labels == ["a", "b", "", "", "c", "d"]


def draw_a_pair(scores):
    figure, (left, right) = plots.panels(2)
    plots.lines(scores, "learning_rate", by="batch_norm", title="It learns wrong labels by heart …", ax=left)
    plots.lines(scores.rename("loss"), "learning_rate", by="batch_norm", title="… and pays", ax=right)
    return figure


def draw_a_scatter(ylabel="β of a unit"):
    ax = plots.axes()
    ax.plot([1, 2], [3, 4])
    ax.set(xlabel="γ of\na unit", ylabel=ylabel, yscale="log", title="Does each have a pair?")
    return ax.figure


def draw_bars():
    ax = plots.axes()
    ax.bar(["swish", "swirl"], [1, 2])
    ax.set(ylabel="accuracy", title="Swirl is best.")
    return ax.figure


EFFECTS = {"digits": claims.Verdict(None, 0.5, 0.4, 0.6, 10), "deep\ndigits": claims.Verdict(None, 0.5, 0.4, 0.6, 10)}


@pytest.mark.parametrize(("draw", "text"), [
    (draw_a_pair, "It learns wrong labels by heart … and pays. Validation accuracy and training loss against learning "
                  "rate: plain; batch norm."),
    (lambda _: draw_a_scatter(), "Does each have a pair? β of a unit against γ of a unit."),
    (lambda _: draw_a_scatter(ylabel=""), "Does each have a pair? γ of a unit."),   # and no powers of ten
    (lambda _: draw_bars(), "Swirl is best. Accuracy: swish; swirl."),
    (lambda _: plots.intervals(EFFECTS, neutral=0, xlabel="gained", title="Both gain").figure,
     "Both gain. Gained: digits; deep digits."),
    (lambda _: plots.images([{"as it is": np.eye(3), "mirrored": np.eye(3)}], title="Still an L?"),
     "Still an L? as it is; mirrored."),
    (lambda _: draw_bars().axes[0].set(title="", ylabel="") and plt.gcf(), "Swish; swirl."),
    (lambda _: plots.axes().figure, "")], ids=range(8))
def test_a_figure_in_words_is_its_titles_axes_and_names(draw, text, scores):
    assert plots.alt_text(draw(scores)) == text


def test_asking_for_words_leaves_the_picture_as_it_is(scores):
    def picture(ask):
        figure, file = draw_a_pair(scores), io.BytesIO()
        ask(figure)
        figure.savefig(file, bbox_inches="tight")
        return file.getvalue()

    assert picture(plots.alt_text) == picture(lambda figure: None)


def test_the_names_of_values():
    assert plots.value_label("batch_norm", np.bool_(True)) == "batch norm"
    assert plots.value_label("learning_rate", 0.1) == "learning rate 0.1"
    assert plots.value_label("activation", "relu") == "activation relu"


@pytest.mark.parametrize(("ends", "suffix"), [
    ((0.0, 0.03, 0.99), ""), ((0.97, 0.9, 0.02), ""), ((1.0, 1.0), ""), ((0.5,), ""),
    ((0.1, 0.11), "\n(3 of 10 diverged)"), ((0.95, 0.96), "\n(10 of 10 diverged)")])
def test_labels_of_lines_are_inside_the_axes_apart_and_beside_the_curves(ends, suffix):
    figure = Figure(figsize=(3.6, 3.2))
    ax = figure.subplots()
    for number, end in enumerate(ends):
        ax.plot([0, 1, 10], [0.5, end, end], label=f"line {number}{suffix}")
    ax.plot([0, 10], [0.7, 0.7], label="_without a label")
    ax.set(xlim=(0, 10), ylim=(0, 1))
    plots.label_lines(ax)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer).transformed(ax.transAxes.inverted()) for text in ax.texts]
    assert sorted(text.get_text() for text in ax.texts) == [f"line {number}{suffix}" for number in range(len(ends))]
    for box in boxes:
        assert 0 <= box.y0 < box.y1 <= 1
        assert 0 <= box.x0 < box.x1 <= 1
        assert not any(box.y0 < y < box.y1 for y in (*ends, 0.7))
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_labels_follow_lines_that_are_not_drawn_to_the_end():
    ax = Figure().subplots()
    ax.plot([0, 5], [0.2, 0.4], label="half")
    ax.set(xlim=(0, 10), ylim=(0, 1))
    plots.label_lines(ax)
    assert ax.texts[0].get_position()[0] == pytest.approx(0.59)   # never so far left that it leaves the axes
    ax.plot([0, 4, 8], [np.nan, 0.2, 0.1], label="longer")
    ax.texts[0].remove()
    plots.label_lines(ax)
    assert {text.get_text(): round(text.get_position()[0], 2) for text in ax.texts} == {"half": 0.59, "longer": 0.79}


def test_fewer_than_two_seeds_have_no_interval_and_no_line(scores):
    ax, scores = plots.axes(), scores.sel(batch_norm=True)
    assert plots.over_seeds(ax, scores.learning_rate, scores.isel(seed=[0])) is None
    assert not ax.lines
    xr.testing.assert_equal(plots.over_seeds(ax, scores.learning_rate, scores),
                            stats.interval(scores).isel(learning_rate=-1))
    assert len(ax.lines) == 1


def test_a_boundary_is_where_the_probability_passes_one_half():
    data = datasets.moons()
    plane = plots.plane(data, size=40)
    assert (plane[0, 0] < data.x_train.min(0)).all()
    assert (plane[-1, -1] > data.x_train.max(0)).all()
    ax = plots.axes()
    plots.boundary(ax, data, xr.DataArray(plane[..., 1].ravel() > 10, dims="point"))   # nowhere in the plane
    assert not ax.collections
    plots.boundary(ax, data, xr.DataArray(0.3 + plane[..., 1].ravel(), dims="point"))
    np.testing.assert_allclose(ax.collections[0].get_paths()[0].vertices[:, 1], 0.2, atol=1e-6)
