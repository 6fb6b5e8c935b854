"""How often the doctor is right.

A fault is defined by its effect. It counts only if undoing it raises the balanced accuracy on untouched data by at
least two points, on average over pairs of runs from the same seeds; otherwise, the network is healthy. Duplicates
count if they raise the validation score at least as far above that on untouched data. A validation set counts as too
small if, in at least a fifth of the draws, redrawing it reverses the ranking of this network and one trained on a
quarter of the data.

    make measure ARGS="doctor"      simulates the cases that are missing and writes the rates
"""

import concurrent.futures
import json
import multiprocessing
import os
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from course_utils import doctor, files
from course_utils.doctor import diagnoses, fixes, inputs, report
from course_utils.experiments import doctor_cases

FILE = Path(__file__).with_name("doctor_cases.json")
PAIRS = 3
LEAST_GAIN = 0.02  # of balanced accuracy
REVERSALS = 0.2  # share of redrawn validation sets that rank two networks in reverse order
EACH = 66  # cases of each fault; those whose fault has no effect are healthy
FEWEST = 40  # cases of each fault that has an effect
HEALTHY = 80  # cases without a fault
BATCH = 100  # cases
TRIED = 20  # among these first cases of each fault, the suggested fix is tried
CURVES = ("epochs", "diverged", "roughness", "val_loss_rise", "val_still_falling", "val_accuracy_drop")


def simulate(fault, number, bases=doctor_cases.MEASURED_ON):
    """One case: what is wrong, by how much, what the doctor measured, and what its fix gained.

    Returns
    -------
    dict with "fault", "severity", "gain" (of balanced accuracy, if the fault is undone), "truth" (the name of a
    diagnosis), "measured", and, in some of the cases that have a fault, "fix_gain" (of balanced accuracy on untouched
    data, 0 if there is no training run that could test the fix of the doctor's diagnosis)
    """
    rng = np.random.default_rng(zlib.crc32(f"{fault} {number} {'+'.join(bases)}".encode()))
    severity = float(rng.random())
    faulty, undone = doctor_cases.FAULTS[fault](doctor_cases.base_setting(bases, rng), severity, rng)
    seeds = [int(seed) for seed in rng.integers(1 << 30, size=PAIRS)]
    with_fault = list(doctor_cases.networks(faulty, seeds))
    model, history, (train, validation, untouched) = with_fault[0]
    if fault == "validation_too_small":
        worse = doctor_cases.networks(replace(faulty, train_size=faulty.train_size // 4), seeds)
        pairs = [(full, less, test) for (full, _, (_, _, test)), (less, _, _) in zip(with_fault, worse, strict=True)]
        gain = float(np.mean([_reversals(*pair, len(validation[0]), rng) for pair in pairs]))
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
    found = doctor.examine(model, train, validation, history=history)
    case = {
        "fault": fault,
        "number": number,
        "data": faulty.data,
        "severity": severity,
        "gain": gain,
        "truth": fault if effect else "nothing_wrong",
        "measured": {
            name: value if isinstance(value, str) else float(f"{value:.4g}") for name, value in found.measured.items()
        },
    }
    if number < TRIED and effect and fault in fixes.FIXES:
        case["fix_gain"] = _fix_gain(found, untouched) if found.diagnosis in fixes.FIXES else 0.0
    return case


def _fix_gain(found, untouched):
    """What the suggested fix gains on untouched data, in one pair of training runs."""
    recipe = replace(found.recipe, validation=inputs.Samples(*untouched))
    return fixes.compare(found.diagnosis, recipe, found.measured, found.job, pairs=1).gain


def _score(model, part):
    return doctor_cases.balanced_accuracy(model, *part)


def _reversals(first, second, untouched, size, rng):
    """How often a validation set of this size reverses the ranking of two networks that all untouched samples give.

    A tie counts as half.
    """
    x, y = untouched
    right = [np.asarray(model(x, training=False)).argmax(-1) == y for model in (first, second)]
    worse, better = sorted(right, key=np.mean)
    draws = rng.integers(len(y), size=(1000, size))
    leads = better[draws].mean(-1) - worse[draws].mean(-1)
    return float(np.mean(leads < 0) + np.mean(leads == 0) / 2)


def cases():
    """The simulated cases so far."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []


def missing():
    """(fault, number) of the cases that are still to be simulated, ordered so that the faults stay balanced.

    Some faults rarely have an effect. Of these, there are more cases, until enough of them count.
    """
    known = cases()
    done = {(case["fault"], case["number"]) for case in known}
    wanted = [
        (fault, number)
        for number in range(HEALTHY)
        for fault in doctor_cases.FAULTS
        if number < EACH or fault == "nothing_wrong"
    ]
    if left := [case for case in wanted if case not in done]:
        return left
    drawn, counted = (Counter(case[name] for case in known) for name in ("fault", "truth"))
    rare = [fault for fault in doctor_cases.FAULTS if counted[fault] < FEWEST]
    return [(fault, drawn[fault] + more) for fault in rare for more in range(2 * (FEWEST - counted[fault]))]


def measure():
    """Simulate what is missing, one case on each core, and write the rates; results are saved every twenty cases."""
    found = cases()
    # What a worker has compiled fills its memory, so no worker lives longer than one batch of cases.
    while batch := missing()[:BATCH]:
        spawn = multiprocessing.get_context("spawn")  # TensorFlow doesn't survive a fork
        with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), spawn, _on_one_core) as pool:
            jobs = [pool.submit(simulate, *case) for case in batch]
            try:
                for count, job in enumerate(concurrent.futures.as_completed(jobs), start=1):
                    found.append(job.result())
                    if count % 20 == 0 or count == len(jobs):
                        _store(found)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _on_one_core():
    import tensorflow as tf

    from course_utils.training import fit

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # Half of the cases have a structure of their own, and comparing each with Keras would take most of the time.
    fit.verified = lambda structure, program: (structure, program)


def _store(found):
    found = sorted(found, key=lambda case: (case["number"], case["fault"]))
    files.write_atomically(FILE, "[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n")  # one case on each line
    files.write_atomically(report.RATES, json.dumps(rates(found), indent=1) + "\n")


def rates(found):
    """How often the doctor was right, as shares with Wilson's intervals.

    Returns
    -------
    dict with "examined" and "read" (from the curves alone), both as `_summary` counts them, and "recovered": how often
    the suggested fix recovered at least half of what the fault costs
    """
    tried = [case for case in found if "fix_gain" in case]
    return {
        "examined": _summary(found, lambda measured: measured),
        "read": _summary(found, lambda measured: {name: measured[name] for name in CURVES if name in measured}),
        "recovered": _share(np.array([case["fix_gain"] >= case["gain"] / 2 for case in tried])),
    }


def _summary(found, known):
    """Shares of cases diagnosed correctly, of false alarms among the healthy, and of cases without a diagnosis.

    Most healthy networks have a fault that costs too little to count, and the doctor often names that fault.
    "false_alarms_without_fault" counts only networks without any fault. "diagnoses" says how often each diagnosis was
    right when it was made, "faults" how often each fault was recognized.
    """
    truth = np.array([case["truth"] for case in found])
    said = np.array([diagnoses.findings(known(case["measured"]))[0] for case in found])
    untouched = np.array([case["fault"] == diagnoses.NOTHING for case in found])
    right, names = said == truth, [*diagnoses.DIAGNOSES, diagnoses.NOTHING]
    return {
        "right": _share(right),
        "false_alarms": _share(~right[truth == diagnoses.NOTHING]),
        "false_alarms_without_fault": _share(~right[untouched]),
        "cannot_tell": _share(said == diagnoses.UNKNOWN),
        "diagnoses": {name: _share(right[said == name]) for name in names},
        "faults": {name: _share(right[truth == name]) for name in names},
    }


def _share(hits):
    """Share of hits, its 95% interval, and the number of cases; None if there are none."""
    if not len(hits):
        return None
    low, high = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return {"share": float(hits.mean()), "low": float(low), "high": float(high), "of": len(hits)}
