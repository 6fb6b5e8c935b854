import json

import numpy as np
import pytest

from course_utils.experiments import emoji_curves, scoreboard
from course_utils.tools import measure


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """No curve is measured yet, and nothing trains; a list of the settings that were asked for."""
    asked = []

    def score(settings):
        asked.append(settings)
        values = [settings["knobs"]["train_size"] / 1000] * len(scoreboard.SEEDS)
        return {artist: {"accuracy": values} for artist in scoreboard.ARTISTS}

    monkeypatch.setattr(emoji_curves, "FILE", tmp_path / "emoji_curves.json")
    monkeypatch.setattr(emoji_curves, "CURVES", {
        name: (artist, score) for name, (artist, _) in emoji_curves.CURVES.items()})
    return asked


def test_a_curve_is_measured_at_its_sizes_and_stored_with_the_others(empty):
    for name, (artist, _) in emoji_curves.CURVES.items():
        assert name in measure.left()
        emoji_curves.measure(name)
        assert name not in measure.left()
        assert {settings["artist"] for settings in empty} == {artist}
        empty.clear()
    curves = emoji_curves.curves()
    assert list(curves) == list(emoji_curves.CURVES)
    both = curves["from scratch, both artists"]
    np.testing.assert_allclose(both.sel(artist="twitter", seed=3), both.train_size / 1000)


def test_the_stored_curves_are_complete():
    for name, accuracy in emoji_curves.curves().items():
        artist, _ = emoji_curves.CURVES[name]
        assert accuracy.train_size.values.tolist() == emoji_curves.SIZES[artist]
        assert accuracy.notnull().all()
    assert list(json.loads(emoji_curves.FILE.read_text(encoding="utf-8"))) == list(emoji_curves.CURVES)


@pytest.mark.audit
def test_features_of_few_images_are_scored_lower():
    settings = emoji_curves.SETTINGS | {"artist": "google"}
    few, many = (scoreboard.scores_of_features(settings | {"knobs": {"train_size": size}}, seeds=[0, 1])
                 for size in (111, 443))
    assert np.mean(few["google"]["accuracy"]) < np.mean(many["google"]["accuracy"])
