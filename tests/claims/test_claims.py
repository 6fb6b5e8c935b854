"""Verdicts follow from intervals; every claim is complete; what a trial tunes on measures nothing."""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr

from course_utils import claims, datasets, formatting
from course_utils.tools import cli
from tests.helpers.sentences import is_one_sentence, refused

CLAIM = claims.Claim("test", "Coffee helps.", "common slip", "99", "points gained", trial=lambda task, seeds: None,
                     effect=lambda runs: runs.points, threshold=2.0, neutral=0.0, smallest_effect=1.0, pilot_sd=1.0)


def verdict(low, high, **changes):
    return claims.Verdict(dataclasses.replace(CLAIM, **changes), (low + high) / 2, low, high, 10)


@pytest.mark.parametrize(("low", "high", "word"), [
    (2.1, 3, "holds"), (1.9, 3, "undecided"), (-5, 3, "undecided"), (0.1, 1.9, "holds in part"),
    (-0.1, 1.9, "does not hold"), (-3, 0, "does not hold"), (-3, -1, "reverses")])
def test_the_verdict_follows_from_the_interval(low, high, word):
    assert verdict(low, high).verdict == word


def test_without_a_middle_nothing_holds_in_part():
    assert verdict(0.1, 1.9, neutral=None).verdict == "does not hold"


@pytest.mark.parametrize(("numbers", "text"), [
    ((0.0123, 0.0101, 0.0145), "0.0123 [0.0101, 0.0145]"), ((-0.05, -0.06, -0.04), "−0.050 [−0.060, −0.040]"),
    ((3.42, 3.1, 3.8), "3.42 [3.10, 3.80]"), ((1234, 1100, 1400), "1234 [1100, 1400]"),
    ((1, 1, 1), "1.000 [1.000, 1.000]")])
def test_numbers_have_the_digits_their_interval_deserves(numbers, text):
    assert formatting.rounded(*numbers) == text


def test_a_ratio_is_judged_by_geometric_means():
    claim = dataclasses.replace(CLAIM, ratio=True, neutral=1.0)
    runs = xr.Dataset({"points": ("seed", [2.0, 8.0, 2.0, 8.0])})
    found = claim.judge(runs)
    assert found.mean == pytest.approx(4.0)
    inverse = claim.judge(xr.Dataset({"points": 1 / runs.points}))
    assert inverse.low == pytest.approx(1 / found.high)


def test_seeds_are_what_the_effect_needs_and_at_least_ten():
    assert CLAIM.seeds == 10
    assert dataclasses.replace(CLAIM, pilot_sd=3.0).seeds > 50


def test_the_ledger_is_complete():
    everything = claims.older_claims()
    keys = [claim.key for claim in everything]
    assert len(set(keys)) == len(keys)
    results = claims.results()
    assert sorted(results) == sorted(keys), "run `make claims`"
    for claim in everything:
        assert set(results[claim.key]) == {"digits", claim.second_task}
        for found in results[claim.key].values():
            assert found["seeds"] == claim.seeds, "run `make claims`"
            assert found["low"] <= found["mean"] <= found["high"]


def test_stored_verdicts_are_those_of_the_present_thresholds():
    for claim in claims.older_claims():
        for found in claims.results()[claim.key].values():
            again = claims.Verdict(claim, found["mean"], found["low"], found["high"], found["seeds"])
            assert again.verdict == found["verdict"], f"run `make claims` for {claim.key}"


def test_an_unknown_claim_is_one_sentence():
    with refused(KeyError, match="There is no claim 'bn-magic'; the ledger knows .*bn-"):
        claims.get("bn-magic")


def test_a_claim_shows_the_code_of_its_trial():
    shown = claims.get("bn-higher-rates").code().data
    assert "fit_many" in shown
    assert "RATES" in shown


def test_the_ledger_reads_the_same_as_html_and_as_markdown():
    ledger = claims.ledger([verdict(-3, -1)])
    assert "| ⇄ reverses: −2.0 [−3.0, −1.0] | not yet |" in repr(ledger)
    assert "<td style='text-align:left'>⇄ reverses: −2.0 [−3.0, −1.0]</td>" in ledger._repr_html_()
    assert len(claims.ledger().rows) == len(claims.older_claims())


def test_a_retrial_uses_other_seeds_and_a_second_task():
    asked = []

    def trial(task, seeds):
        asked.append((task, list(seeds)))
        return xr.Dataset({"points": ("seed", np.linspace(2.5, 3.5, len(seeds)))})

    found = claims.rerun([dataclasses.replace(CLAIM, trial=trial)], progress=lambda line: None)
    assert [task for task, _ in asked] == [datasets.digits, datasets.tones]
    assert all(min(seeds) >= 1000 and len(seeds) == 10 for _, seeds in asked)
    assert json.loads(json.dumps(found))["test"]["tones"]["verdict"] == "holds"


def test_the_best_value_is_chosen_on_the_tuning_seeds_only():
    from course_utils.experiments import tuning

    scores = xr.DataArray(np.zeros((2, 4, 1)), {"learning_rate": [0.1, 1.0], "seed": [0, 1, 90, 91], "epoch": [1]})
    scores.loc[{"learning_rate": 0.1, "seed": [0, 1]}] = 1.0     # better where it is measured
    scores.loc[{"learning_rate": 1.0, "seed": [90, 91]}] = 0.5   # better where it is chosen
    chosen = tuning.at_best("learning_rate", xr.Dataset({"val_accuracy": scores}))
    assert chosen.seed.values.tolist() == [0, 1]
    assert chosen.learning_rate == 1.0
    assert (chosen.val_accuracy == 0).all()


def test_the_command_refuses_an_unknown_claim_in_one_sentence(capsys):
    assert cli.main(["claims", "nonsense"]) == 1
    said = capsys.readouterr().err.removesuffix("\n")
    assert said.startswith("There is no claim 'nonsense'; the ledger knows ")
    assert is_one_sentence(said), said
