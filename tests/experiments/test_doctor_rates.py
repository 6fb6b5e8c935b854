"""How often the doctor is right, counted from simulated cases."""

import json

import numpy as np
import pytest

from course_utils.doctor import diagnoses, measurements, report
from course_utils.experiments import doctor_cases, doctor_rates

HEALTHY = {"val_loss": 0.1, "val_score": 0.95, "train_score": 0.96, "chance": 0.1}
SPOILED = HEALTHY | {"data_finite": 0}


def test_rates_count_what_was_said_and_what_is_true():
    cases = [{"fault": "nothing_wrong", "truth": "nothing_wrong", "measured": HEALTHY},
             {"fault": "label_noise", "truth": "nothing_wrong", "measured": SPOILED},
             {"fault": "data_not_finite", "truth": "data_not_finite", "measured": SPOILED, "gain": 0.1,
              "fix_gain": 0.05},
             {"fault": "overfitting", "truth": "overfitting", "measured": HEALTHY, "gain": 0.1, "fix_gain": 0.04}]
    rates = doctor_rates.rates(cases)
    found = rates["examined"]
    assert (found["right"]["of"], found["right"]["share"], found["false_alarms"]["share"]) == (4, 0.5, 0.5)
    assert (found["false_alarms_without_fault"]["of"], found["false_alarms_without_fault"]["share"]) == (1, 0)
    assert found["diagnoses"]["data_not_finite"]["share"] == 0.5   # one of two alarms
    assert found["faults"]["data_not_finite"]["share"] == 1
    assert found["faults"]["overfitting"]["share"] == 0
    assert found["faults"]["label_noise"] is None   # no such case
    assert 0 < found["right"]["low"] < 0.5 < found["right"]["high"] < 1
    assert rates["recovered"]["share"] == 0.5   # half of the loss is enough, less is not


def test_rates_of_the_curves_alone_know_nothing_else():
    risen = {"fault": "overfitting", "truth": "overfitting", "measured": SPOILED | {"val_loss_rise": 1, "epochs": 9}}
    rates = doctor_rates.rates([risen])
    assert rates["examined"]["right"]["share"] == 0
    assert rates["read"]["right"]["share"] == 1
    assert set(doctor_rates.CURVES) == {*measurements.of_curves(
        {"loss": np.ones(9), "val_loss": np.ones(9), "val_accuracy": np.ones(9)})}


def test_the_stored_rates_are_those_of_the_stored_cases():
    if not doctor_rates.cases():
        assert not report.RATES.exists()
        return
    assert json.loads(report.RATES.read_text(encoding="utf-8")) == doctor_rates.rates(doctor_rates.cases())


def test_rare_faults_get_more_cases_until_enough_of_them_count(monkeypatch):
    def simulated(counting):
        return [{"fault": fault, "number": number, "truth": fault if number < counting[fault] else "nothing_wrong"}
                for fault in doctor_cases.FAULTS
                for number in range(doctor_rates.HEALTHY if fault == "nothing_wrong" else doctor_rates.EACH)]

    enough = dict.fromkeys(doctor_cases.FAULTS, doctor_rates.FEWEST)
    known = simulated(enough)
    monkeypatch.setattr(doctor_rates, "cases", lambda: known)
    assert doctor_rates.missing() == []
    known = simulated(enough | {"unshuffled": doctor_rates.FEWEST - 2})
    assert doctor_rates.missing() == [("unshuffled", doctor_rates.EACH + more) for more in range(4)]
    known.pop()
    assert len(doctor_rates.missing()) == 1   # first of all what is planned


def test_every_fault_has_a_diagnosis_and_a_case():
    of_the_file = {"data_not_finite", "coded_missing_values"}   # they need no simulation
    assert set(doctor_cases.FAULTS) == {*diagnoses.DIAGNOSES, diagnoses.NOTHING} - of_the_file


@pytest.mark.parametrize("fault", doctor_cases.FAULTS)
def test_a_fault_changes_only_what_it_names(fault):
    """At severity 0 a fault is hardly there; at 1 the two settings differ in a few fields only."""
    base = doctor_cases.TUNED_ON["digits"]
    faulty, undone = doctor_cases.FAULTS[fault](base, 1.0, np.random.default_rng(0))
    different = [name for name, value in vars(faulty).items() if getattr(undone, name) != value]
    assert len(different) == (fault != "nothing_wrong")


def test_data_are_the_same_for_the_same_seed_and_never_shared_by_two_parts():
    setting = doctor_cases.TUNED_ON["digits"]
    first, second = doctor_cases.data(setting, 3), doctor_cases.data(setting, 3)
    np.testing.assert_array_equal(first[0][0], second[0][0])
    rows = [{row.tobytes() for row in x} for x, _ in first]
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]


def test_faults_of_the_data_are_there():
    base = doctor_cases.TUNED_ON["digits"]
    plain = doctor_cases.data(base, 0)
    noisy = doctor_cases.data(doctor_cases.FAULTS["label_noise"](base, 1.0, None)[0], 0)
    assert np.mean(plain[0][1] != noisy[0][1]) == pytest.approx(0.7, abs=0.05)
    np.testing.assert_array_equal(plain[1][1], noisy[1][1])   # only in training
    copied = doctor_cases.data(doctor_cases.FAULTS["duplicates"](base, 1.0, None)[0], 0)
    distances = np.abs(copied[1][0][:, None] - copied[0][0]).mean(-1).min(-1)
    assert np.mean(distances < 0.02) == pytest.approx(0.95, abs=0.02)
    by_class = doctor_cases.data(doctor_cases.FAULTS["unshuffled"](base, 1.0, None)[0], 0)
    assert np.all(np.diff(by_class[0][1]) >= 0)
    rare = doctor_cases.data(doctor_cases.FAULTS["imbalance"](base, 0.5, None)[0], 0)
    assert np.mean(rare[0][1] < 5) < 0.2
    assert np.mean(rare[2][1] < 5) > 0.4   # in the untouched data, no class is rare


@pytest.mark.audit
def test_a_case_says_what_is_wrong_and_what_the_doctor_measured():
    case = doctor_rates.simulate("learning_rate_too_low", 1, doctor_cases.TUNED_ON)
    assert case["truth"] in ("learning_rate_too_low", "nothing_wrong")
    assert (case["truth"] == "nothing_wrong") == (case["gain"] < doctor_rates.LEAST_GAIN)
    assert json.loads(json.dumps(case)) == case
    assert diagnoses.findings(case["measured"])
