"""What the ledger says about several tasks, and what happens on a learner's own data."""

import dataclasses

import numpy as np
import pytest

from course_utils import claims, datasets
from course_utils.claims import evidence, protocol, register
from course_utils.claims.retiring import RETIRING
from course_utils.experiments.comparison import Comparison
from tests.helpers.sentences import refused

STUDY = register.Study("bl-one-run", Comparison({"a": {"width": 4}, "b": {"width": 8}}, fixed={"depth": 1}, steps=20),
                       "accuracy gained", 0.01, 0.02, ("digits", "mnist", "emoji", "cancer"), neutral=0.0)


def cell(task, verdict, p=0.001):
    found = None if verdict == "too costly" else protocol.interval([0.1, 0.2, 0.1])
    return evidence.Cell(task, found, verdict, 3, p)


@pytest.mark.parametrize(("verdicts", "sentence"), [
    (["holds"] * 3, "On all three tasks: holds."),
    (["holds", "holds", "reverses"], "On two of three tasks: holds; on c: reverses."),
    (["holds", "does not hold", "does not hold", "at the threshold"],
     "On two of four tasks: does not hold; on a: holds; on d: at the threshold."),
    (["holds", "too costly"], "On a: holds (b would take too long)."),
    ([], "Not measured yet.")])
def test_the_sentence_counts_the_tasks(verdicts, sentence):
    listed = [cell(task, verdict) for task, verdict in zip("abcd", verdicts, strict=False)]
    assert evidence.sentence(listed) == sentence


@pytest.fixture
def studied(monkeypatch):
    """A ledger of one study, which was measured on two tasks."""
    monkeypatch.setattr(register, "studies", lambda: {STUDY.key: STUDY})
    effects = {"digits": [0.05, 0.06, 0.055, 0.05] * 3, "mnist": [-0.01, 0.02, 0.001, 0.03] * 3}
    monkeypatch.setattr(register, "results", lambda key: {name: {"effects": found} for name, found in effects.items()})
    monkeypatch.setattr(register, "registration", lambda key: {"pilot": {"emoji": {"too costly": True}}})


def test_the_table_has_a_cell_for_every_task(studied):
    row = evidence.table().splitlines()[-1]
    assert "**holds**: 0.05" in row
    assert "too costly" in row


def test_the_ledger_says_what_many_verdicts_mean(studied):
    assert evidence.multiplicity().startswith("Of 2 results, 1 are above or below ")


def test_a_verdict_that_chance_explains_would_change(studied, monkeypatch):
    close = [[0.01 + 0.01 * (shift + 1e-3 * n) for n in range(-5, 6)] for shift in (0.0008, 0.5, 0.5)]
    names = ("digits", "mnist", "cancer")
    monkeypatch.setattr(register, "results", lambda key: {
        name: {"effects": found} for name, found in zip(names, close, strict=True)})
    assert "no verdict would change" in evidence.multiplicity()
    weak = np.random.default_rng(0).normal(0, 0.01, 30)
    weak = 0.01 + weak - weak.mean() + 2.1 * weak.std(ddof=1) / 30**0.5   # p is a little below 0.05
    noise = np.tile([0.0, 0.02], 15)
    monkeypatch.setattr(register, "results", lambda key: {
        "digits": {"effects": list(weak)}, "mnist": {"effects": list(noise)}, "cancer": {"effects": list(noise)}})
    assert "these verdicts would change: bl-one-run on digits." in evidence.multiplicity()


def test_the_forest_has_a_row_for_each_task_and_for_your_data(studied):
    ax = claims.forest(STUDY.key, {"mine": [0.0, 0.01, 0.02] * 4})
    labels = [label.get_text().partition(":")[0].partition(" ")[2] for label in ax.get_yticklabels()]   # without marks
    assert labels == ["digits", "mnist", "mine"]


@pytest.mark.parametrize("key", register.studies())
def test_the_code_of_an_experiment_is_its_definition(key):
    shown = claims.code(key).data
    study = register.studies()[key]
    for text in ("Study(", "Comparison(", f'"{key}"', *map(repr, study.experiment.arms)):
        assert text.replace("'", '"') in shown
    assert (f"def {study.effect.__name__}(" in shown) == (study.effect.__name__ != "gain")
    assert ("def a_quarter(" in shown) == (key == "lc-careless-labels")


def test_a_claim_without_a_study_is_refused():
    with refused(KeyError, match="has not been tested under the protocol"):
        claims.forest("no-such-claim")


def test_claims_are_tested_on_your_own_data(studied):
    split = datasets.cancer().replace(name="mine")
    found = claims.on(split, minutes=0.2)
    effects = found.effects[STUDY.key]["mine"]
    assert len(effects) >= evidence.AT_ONCE
    assert np.isfinite(effects).all()
    assert "accuracy gained" in repr(found)
    assert found.plot(STUDY.key).get_yticklabels()[-1].get_text().partition(" ")[2].startswith("mine")


def test_claims_about_images_are_skipped_for_tables(studied, monkeypatch):
    about_images = dataclasses.replace(STUDY, experiment=dataclasses.replace(STUDY.experiment, images=True))
    monkeypatch.setattr(register, "studies", lambda: {STUDY.key: about_images})
    found = claims.on(datasets.cancer(), minutes=0.1)
    assert found.effects == {}
    assert "about images" in repr(found)


def test_your_data_are_divided_anew_for_each_pair():
    split = datasets.cancer()
    data = evidence.redrawn(split)
    first, second = data(0), data(1)
    assert first.x_train.shape == split.x_train.shape
    assert first.test is None
    assert not np.array_equal(first.x_val, second.x_val)
    both = np.concatenate([first.x_train, first.x_val])
    assert len(np.unique(both, axis=0)) == len(np.unique(np.concatenate([split.x_train, split.x_val]), axis=0))


def spoiled(**changes):
    split = datasets.cancer()
    return split.replace(**{name: change(getattr(split, name).copy()) for name, change in changes.items()})


def with_a_hole(x):
    x[3, 2] = np.nan
    return x


def one_of_a_kind(y):
    y[0] = 2
    return y


@pytest.mark.parametrize(("split", "message"), [
    (lambda: spoiled(x_train=with_a_hole), "missing or infinite"),
    (lambda: spoiled(x_train=lambda x: x.astype(str)), "expected numbers"),
    (lambda: spoiled(y_train=one_of_a_kind), "Class 2 has 1 samples"),
    (lambda: datasets.cancer().replace(x_val=None, y_val=None), "has 0 validation samples"),
    (lambda: datasets.autompg(), "classification")])
def test_data_that_cant_be_used_are_one_sentence(split, message):
    with refused(ValueError, match=message):
        claims.on(split())


def test_what_is_retiring_is_a_claim_and_has_no_study():
    keys = {claim.key for claim in claims.all_claims()}
    assert set(RETIRING) <= keys
    assert not set(RETIRING) & set(register.studies())
    kept = [claim for claim in claims.all_claims() if claim.key not in RETIRING]
    assert len(kept) <= 35
    for lecture in {claim.lecture for claim in kept}:
        assert sum(claim.lecture == lecture for claim in kept) <= (5 if lecture == "07" else 3)
