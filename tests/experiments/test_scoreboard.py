import dataclasses
import json

import numpy as np
import pytest

from course_utils import datasets
from course_utils.experiments import scoreboard
from course_utils.tools import measure
from tests.helpers.sentences import refused

SEEDS = scoreboard.SEEDS


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A scoreboard without rows, whose networks are not trained; a dict of the accuracy that each title gets."""
    accuracy = {}

    def scores(settings, name):
        value = [accuracy.get(name, 0.5) + seed / 1000 for seed in SEEDS]
        return {artist: dict.fromkeys(scoreboard.METRICS, value) for artist in scoreboard.ARTISTS}

    monkeypatch.setattr(scoreboard, "FILE", tmp_path / "scoreboard.json")
    monkeypatch.setattr(scoreboard, "ROWS", {
        name: dataclasses.replace(row, score=lambda settings, name=name: scores(settings, name))
        for name, row in scoreboard.ROWS.items()})
    return accuracy


def test_a_row_adds_its_change_to_the_best_row_so_far_and_never_to_a_side_branch(empty):
    empty |= {"schedule": 0.7, "scaled": 0.6, "both_artists": 0.9}
    for name in scoreboard.ROWS:
        scoreboard.measure(name)
    rows = scoreboard.results()
    assert rows["raw"]["compared_with"] is None
    assert {rows[name]["compared_with"] for name in list(rows)[3:]} == {"schedule"}
    assert rows["batch_norm"]["settings"] == rows["schedule"]["settings"] | {
        "structure": json.loads(json.dumps(scoreboard.FIRST["structure"])) | {"batch_norm": True}}
    gains = scoreboard.gains()
    np.testing.assert_allclose(gains["mean"].sel(row="scaled", artist="google"), -0.1)
    np.testing.assert_allclose(gains["mean"].sel(row="schedule", artist="twitter"), 0.2)


def test_a_row_needs_the_rows_before_it(empty):
    with refused(ValueError, match="raw, schedule"):
        scoreboard.measure("scaled")
    with refused(ValueError, match="no row 'droput'"):
        scoreboard.measure("droput")


def test_what_is_measured_is_skipped_unless_it_is_named(empty, capsys):
    assert measure.main(["raw"]) == 0
    empty["raw"] = 0.6
    assert measure.main(["scratch"]) == 0   # the rest
    assert set(scoreboard.results()) == set(measure.GROUPS["scratch"])
    assert scoreboard.results()["raw"]["scores"]["google"]["accuracy"][0] == 0.5
    assert measure.main(["raw"]) == 0   # again
    assert scoreboard.results()["raw"]["scores"]["google"]["accuracy"][0] == 0.6
    assert measure.main(["nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_networks_are_scored_on_the_validation_images_of_both_artists(monkeypatch):
    seen = {}

    class Trained:
        def __init__(self, run):
            self.seed = int(run.seed)

        def predict_on_batch(self, x):
            seen.setdefault(self.seed, []).append(x)
            return np.eye(7)[datasets.emoji(self.seed).y_val]   # all right

    import course_utils

    monkeypatch.setattr(course_utils, "trained_model", lambda build_model, run: Trained(run), raising=False)
    monkeypatch.setattr(scoreboard, "_trained", lambda settings, data, steps, weights: runs_of(data))
    found = scoreboard.scores_of_networks(scoreboard.FIRST, seeds=[2, 5])
    assert found == {artist: {metric: [1.0, 1.0] for metric in scoreboard.METRICS} for artist in scoreboard.ARTISTS}
    for seed, images in seen.items():
        for x, artist in zip(images, scoreboard.ARTISTS, strict=True):
            np.testing.assert_array_equal(x, datasets.emoji(seed, artist=artist, scaled=False).x_val)


def runs_of(seeds):
    import xarray as xr

    return xr.Dataset(coords={"seed": list(seeds)})


def test_a_network_trains_on_the_artist_of_its_row_with_its_schedule(monkeypatch):
    import course_utils

    seen = {}
    monkeypatch.setattr(course_utils, "fit_many", lambda *args, **options: seen.update(options, args=args),
                        raising=False)
    settings = scoreboard.FIRST | {"artist": "twitter", "epochs": 2, "optimizer": "adamw, cosine",
                                   "knobs": {"label_smoothing": 0.1}}
    scoreboard._trained(settings, scoreboard._data(settings, [0, 3]), scoreboard._steps(settings))
    build_model, data, grid = seen["args"]
    np.testing.assert_array_equal(data(3).x_train, datasets.emoji(3, artist="twitter", scaled=False).x_train)
    assert grid == {"seed": [0, 3], "label_smoothing": 0.1}
    assert build_model(input_shape=(32, 32, 3), classes=7).count_params() == 356_423
    assert seen["steps"] == seen["evaluate_every"] == 2 * (443 // 32)
    assert seen["batch_size"] == 32
    assert float(seen["optimizer"]._learning_rate(0)) == pytest.approx(1e-3)
    assert float(seen["optimizer"]._learning_rate(seen["steps"])) == pytest.approx(0, abs=1e-9)
    assert type(seen["optimizer"]).__name__ == "AdamW"


def test_the_three_metrics_are_told_apart():
    y, answers = np.array([0, 0, 0, 1]), np.eye(2)[[0, 0, 0, 0]]
    found = scoreboard._scores([(answers, y)], [lambda x: x])
    assert found == {"accuracy": [0.75], "balanced_accuracy": [0.5], "macro_f1": [pytest.approx(3 / 7)]}


@pytest.mark.audit
def test_features_are_scored_on_both_artists():
    found = scoreboard.scores_of_features(scoreboard.FIRST, seeds=[0])
    assert found["google"]["accuracy"][0] > found["twitter"]["accuracy"][0] > 0.6


def test_the_picture_has_a_panel_for_each_artist_and_a_bar_for_each_row(empty):
    for name in ("raw", "schedule"):
        scoreboard.measure(name)
    axes = scoreboard.plot().axes
    titles = [ax.get_title() or ax.get_title("left") for ax in axes]
    assert [title.partition(" ")[0] for title in titles] == ["Noto", "Twemoji"]
    assert [len(ax.patches) for ax in axes] == [2, 2]


def test_the_table_names_what_each_row_is_compared_with(empty):
    empty["scaled"] = 0.6
    for name in ("raw", "schedule", "scaled"):
        scoreboard.measure(name)
    *_, raw, _, scaled = scoreboard.table().splitlines()
    assert raw.startswith("| raw pixels |  | 50.4% |  | 50.4% |  |")
    assert scaled.startswith("| scaled to [0, 1] | raw pixels | 60.5% | +10.0 [+10.0, +10.0] | 60.5% |")


def test_the_stored_rows_are_those_of_the_code():
    for name, row in scoreboard.results().items():
        compared = row["compared_with"]
        base = scoreboard.results()[compared]["settings"] if compared else scoreboard.FIRST
        assert compared == scoreboard.best_before(name, scoreboard.results()), f"measure {name} again"
        expected = scoreboard._changed(base, scoreboard.ROWS[name].change)
        assert row["settings"] == json.loads(json.dumps(expected)), name
        assert {len(values) for scores in row["scores"].values() for values in scores.values()} == {len(SEEDS)}
