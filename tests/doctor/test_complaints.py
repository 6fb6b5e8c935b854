"""What the doctor says about networks like those that people complain about."""

import pytest

from course_utils import doctor
from tests.doctor import complaints

DIAGNOSES = {
    "strong_dropout": {"nothing_wrong"},
    "few_steps_of_batch_norm": {"batch_norm_statistics"},
    "unscaled_inputs": {"unscaled_inputs"},
    "learning_rate_diverges": {"learning_rate_too_high"},
    "missing_value": {"data_not_finite"},
    "vanishing_gradients": {"vanishing_gradients"},
    "dead_relus": {"dead_or_saturated", "learning_rate_too_high"},
    "imbalanced_classes": {"imbalance"},
    "softmax_of_one_unit": {"wrong_loss"},
    "loss_broadcasts": {"wrong_loss"},
    "overconfidence": {"overfitting"},
    "fine_tuning_too_fast": {"learning_rate_too_high", "batch_norm_statistics"},   # the rate spoils both
    "fine_tuning_in_tiny_batches": {"batch_norm_statistics"},
    "scaler_not_saved": {"unscaled_inputs"},
    "twenty_validation_samples": {"validation_too_small"},
    "softmax_twice": {"wrong_loss"},
    "softmax_with_from_logits": {"nothing_wrong"},
    "logits_without_from_logits": {"wrong_loss"},
    "copies_across_the_split": {"duplicates"},
}


def test_every_complaint_has_an_answer():
    assert DIAGNOSES.keys() == complaints.CASES.keys()


@pytest.mark.audit
@pytest.mark.filterwarnings("ignore")   # Keras warns of some of the mistakes
@pytest.mark.parametrize("name", complaints.CASES)
def test_the_doctor_finds_the_cause(name):
    case = complaints.CASES[name]()
    present, measured = complaints.symptom(case)
    assert present, measured
    report = doctor.examine(case.model, case.train, case.validation, history=case.history)
    assert report.diagnosis in DIAGNOSES[name], report
