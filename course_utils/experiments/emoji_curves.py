"""Learning curves of the running example: more images, a second artist, or a pretrained network?

Each curve has the validation accuracy of ten seeds, each with its own training and validation concepts. The networks
take as many steps with few images as with many.

    make measure ARGS="curves"     trains what is missing and writes emoji_curves.json
"""

import json
from pathlib import Path

import xarray as xr

from course_utils import files
from course_utils.experiments import scoreboard

FILE = Path(__file__).with_suffix(".json")
SETTINGS = scoreboard.FIRST | {"scaled": True, "epochs": 30}
SIZES = {"google": [55, 111, 222, 443], "both": [111, 222, 443, 886]}
CURVES = {"from scratch": ("google", scoreboard.scores_of_networks),
          "from scratch, both artists": ("both", scoreboard.scores_of_networks),
          "features of a pretrained network": ("google", scoreboard.scores_of_features)}


def results():
    """dict curve → dict size, as text → what `scoreboard.scores_of_networks` returns."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def measure(curve):
    """Train the networks of one curve, and keep their scores."""
    artist, score = CURVES[curve]
    found = {size: score(SETTINGS | {"artist": artist, "knobs": {"train_size": size}}) for size in SIZES[artist]}
    files.write_atomically(FILE, json.dumps(results() | {curve: found}, indent=1, ensure_ascii=False) + "\n")


def curves():
    """Validation accuracies: dict curve → DataArray (train_size, artist, seed)."""
    return {curve: xr.DataArray(
        [[scores[artist]["accuracy"] for artist in scoreboard.ARTISTS] for scores in found.values()],
        dims=("train_size", "artist", "seed"),
        coords={"train_size": [int(size) for size in found], "artist": list(scoreboard.ARTISTS),
                "seed": list(scoreboard.SEEDS)}) for curve, found in results().items()}
