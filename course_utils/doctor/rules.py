"""When each diagnosis is made: how clear the evidence is, as a multiple of what the diagnosis requires.

The thresholds were chosen on simulated networks (`experiments.doctor_cases`), with data sets and a family of
networks other than those on which the doctor's error rate is measured.
"""

import numpy as np


class Numbers(dict):
    """Measured values; a value that was not measured is NaN and meets no condition."""

    def __missing__(self, name):
        return np.nan


def _above(value, threshold):
    """The value as a multiple of the threshold; 0 if it wasn't measured."""
    ratio = value / threshold if threshold else np.inf
    return 0.0 if np.isnan(ratio) else float(ratio)


def _all(*strengths):
    return min(strengths)


def _yes(condition):
    return 1.0 if condition else 0.0


def _gain(m, rate):
    """What more steps at this rate add to the validation score, beyond the gain at the same rate and chance."""
    return m[f"{rate}_val_score"] - (max(0, m["same_val_score"]) if rate != "same" else 0) - _noise(m)


def _noise(m):
    return 0 if np.isnan(m["validation_error"]) else m["validation_error"]


def _bottleneck(m):
    """Whether a layer is too narrow for the number of classes: then learning rates and units reveal nothing."""
    return m["narrowest"] < 0.5 and m["train_score"] < 0.95


def no_signal(m):
    """Whether neither the network nor its nearest neighbors predict anything."""
    return max(m["val_score"], m["neighbor_val_score"]) < m["chance"] + 0.05


def data_not_finite(m):
    return 3.0 if m["data_finite"] == 0 else 0.0


def coded_missing_values(m):
    return _above(m["coded"], 0.005)


def wrong_loss(m):
    return 3.0 if m.get("mismatch") else 0.0


def learning_rate_too_high(m):
    if m["finite"] == 0 or m["diverged"] > 0:
        return 3.0
    if _bottleneck(m):
        return 0.0
    return max(
        _all(_above(_gain(m, "lower"), 0.02), _above(m["lower_train_score"] - max(0, m["same_train_score"]), 0.02)),
        _all(_above(m["roughness"], 0.35), _above(m["chance"] + 0.3, m["train_score"])),
        _all(_above(m["dead"], 0.5), _above(0.25, m["dead_at_start"]), _yes(m["train_score"] < 0.9)),
    )


def learning_rate_too_low(m):
    return _all(
        _above(_gain(m, "higher"), 0.015), _above(m["higher_train_score"] - max(0, m["same_train_score"]), 0.015)
    )


def undertrained(m):
    return max(
        _all(_above(_gain(m, "same"), 0.01), _above(m["same_train_score"], 0.015)),
        _all(_above(m["val_still_falling"], 0.1), _yes(np.isnan(m["train_score"]))),
    )


def network_too_small(m):
    steps_help = m["same_train_score"] > 0.02 or m["higher_train_score"] > 0.05 or m["lower_train_score"] > 0.02
    return max(
        _all(_above(0.5, m["narrowest"]), _above(0.95, m["train_score"])),
        _all(_above(m["neighbor_score"] - m["train_score"], 0.03), _above(0.97, m["train_score"])) * (not steps_help),
    )


def overfitting(m):
    if no_signal(m):
        return 0.0
    gap = m["train_score"] - m["val_score"]
    return max(
        _above(gap, 0.2),
        _all(_above(gap, 0.08), max(_above(m["val_loss_rise"], 0.5), _above(m["val_accuracy_drop"], 0.02))),
        _above(m["val_loss_rise"], 0.15) * np.isnan(m["train_score"]),
    )


def unusual_inputs(m):
    """How far the inputs are from standardized ones."""
    return max(
        _above(m["input_size"], 5),
        _above(m["input_ratio"], 2.5),
        _above(m["input_offset"], 8),
        _above(0.02, m["input_spread"]),
    )


def unscaled_inputs(m):
    gain = m["standardized_val_score"] - max(m["val_score"], m["chance"]) - _noise(m) / 2
    return _all(unusual_inputs(m), max(_above(gain, 0.01), _yes(m["finite"] == 0)))


def dead_or_saturated(m):
    if _bottleneck(m):
        return 0.0
    return max(
        _all(_above(m["dead"], 0.5), _above(m["dead_at_start"], 0.25)),
        _all(_above(m["saturated"], 0.5), _above(m["saturated_at_start"], 0.25)),
    )


def gradient_ratio(m):
    """Gradients of the first kernel relative to the last, in powers of 10: the lower one of now and the start."""
    return np.fmin(m["gradient_ratio"], m["gradient_ratio_at_start"])


def vanishing_gradients(m):
    return _all(_above(-gradient_ratio(m), 1.3), _yes(m["train_score"] < 0.95))


def batch_norm_statistics(m):
    return _above(m["batch_norm_gain"], 0.02)


def duplicates(m):
    # If almost every sample has a copy, too few are left to say what the copies gain.
    return max(_all(_above(m["twins"], 0.05), _above(m["twin_gain"], 0.02)), _above(m["twins"], 0.9))


def unshuffled(m):
    return _all(_above(m["order"], 0.5), max(_above(_gain(m, "same"), 0.01), _above(m["classes_not_trained"], 1)))


def label_noise(m):
    # Only of classes: the fix leaves out samples that their neighbors outvote.
    # Where neighbors mostly have different labels anyway, only their disagreement in the training data counts.
    noise = max(
        _all(_above(m["contradicted"], 0.08), _above(m["neighbor_val_score"], 0.6)),
        _above(m["neighbor_val_score"] - m["neighbor_score"], 0.12),
    )
    return _all(noise, _yes(m["classes"] > 0))


def imbalance(m):
    return _all(_above(m["val_accuracy"] - m["val_score"], 0.04), _above(m["largest_class"] / m["smallest_class"], 3))


def validation_too_small(m):
    return _above(m["validation_error"], 0.035)
