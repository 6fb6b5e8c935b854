"""How often the doctor is right.

A fault is defined by its effect. It counts only if undoing it raises the balanced accuracy on untouched data by at
least two points, on average over pairs of trainings from the same seeds; otherwise, the network is healthy. Duplicates
count if they raise the validation score above that on untouched data by as much, and a validation set counts as too
small if redrawing it reverses the order of two networks in a fifth of the draws.

    make measure ARGS="doctor"      simulates the cases that are missing and writes the rates
"""

import json
import zlib
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from course_utils import doctor, files
from course_utils.doctor import diagnoses, report
from course_utils.experiments import doctor_cases

FILE = Path(__file__).with_name("doctor_cases.json")
PAIRS = 4
LEAST_GAIN = 0.02  # of balanced accuracy
REVERSALS = 0.2  # share of redrawn validation sets that rank two networks the other way round
EACH = 75  # cases of each fault; those whose fault has no effect are healthy


def simulate(fault, number, bases=doctor_cases.MEASURED_ON):
    """One case: what is wrong, by how much, and what the doctor measured.

    Returns
    -------
    dict with "fault", "severity", "gain" (of balanced accuracy, if the fault is undone), "truth" (the name of a
    diagnosis), and "measured"
    """
    rng = np.random.default_rng(zlib.crc32(f"{fault} {number} {'+'.join(bases)}".encode()))
    severity = float(rng.random())
    faulty, undone = doctor_cases.FAULTS[fault](doctor_cases.base_setting(bases, rng), severity, rng)
    seeds = [int(seed) for seed in rng.integers(1 << 30, size=PAIRS)]
    with_fault = list(doctor_cases.networks(faulty, seeds))
    model, history, (train, validation, untouched) = with_fault[0]
    if fault == "validation_too_small":
        gain = _reversals([each for each, _, _ in with_fault[:2]], untouched, len(validation[0]), rng)
        effect = gain >= REVERSALS
    else:
        scores = [_score(each, test) for each, _, (_, _, test) in with_fault]
        if fault == "duplicates":
            other = [_score(each, val) for each, _, (_, val, _) in with_fault]
        elif fault == "nothing_wrong":
            other = scores
        else:
            other = [_score(each, test) for each, _, (_, _, test) in doctor_cases.networks(undone, seeds)]
        gain = float(np.mean(other) - np.mean(scores))
        effect = gain >= LEAST_GAIN
    measured = doctor.examine(model, train, validation, history=history).measured
    return {
        "fault": fault,
        "number": number,
        "data": faulty.data,
        "severity": severity,
        "gain": gain,
        "truth": fault if effect else "nothing_wrong",
        "measured": {
            name: value if isinstance(value, str) else float(f"{value:.4g}") for name, value in measured.items()
        },
    }


def _score(model, part):
    return doctor_cases.balanced_accuracy(model, *part)


def _reversals(models, untouched, size, rng):
    """How often a validation set of this size ranks two networks the other way round than all untouched samples do."""
    x, y = untouched
    right = [np.asarray(model(x, training=False)).argmax(-1) == y for model in models]
    draws = rng.integers(len(y), size=(1000, size))
    better, worse = sorted(right, key=np.mean, reverse=True)
    return float(np.mean(better[draws].mean(-1) < worse[draws].mean(-1)))


def cases():
    """The simulated cases so far."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []


def missing():
    """(fault, number) of the cases that are still to be simulated, in an order in which any part is balanced."""
    done = {(case["fault"], case["number"]) for case in cases()}
    return [(fault, number) for number in range(EACH) for fault in doctor_cases.FAULTS if (fault, number) not in done]


def measure():
    """Simulate what is missing, and write the rates; what is done is kept every twenty cases."""
    todo = missing()
    found = cases()
    for count, (fault, number) in enumerate(todo, start=1):
        found.append(simulate(fault, number))
        if count % 20 == 0 or count == len(todo):
            files.write_atomically(FILE, json.dumps(found, indent=0) + "\n")
            files.write_atomically(report.RATES, json.dumps(rates(found), indent=1) + "\n")


def rates(found):
    """How often each diagnosis was made, and how often it was right, with Wilson's intervals.

    Returns
    -------
    dict with "cases", "right", "false_alarms", "cannot_tell" (each a share with its interval), "diagnoses" (how often
    each was right when it was made), and "faults" (how often each was recognized)
    """
    truth = np.array([case["truth"] for case in found])
    said = np.array([diagnoses.findings(case["measured"])[0] for case in found])
    healthy = truth == diagnoses.NOTHING
    names = [*diagnoses.DIAGNOSES, diagnoses.NOTHING]

    def share(hits, among):
        count = int(among.sum())
        if not count:
            return None
        low, high = binomtest(int(hits.sum()), count).proportion_ci(method="wilson")
        return {"right": float(hits.sum() / count), "low": float(low), "high": float(high), "made": count}

    return {
        "cases": len(found),
        "right": share(said == truth, truth != ""),
        "false_alarms": share(healthy & (said != truth), healthy),
        "cannot_tell": share(said == diagnoses.UNKNOWN, truth != ""),
        "diagnoses": {name: share((said == name) & (truth == name), said == name) for name in names},
        "faults": {name: share((said == name) & (truth == name), truth == name) for name in names},
    }
