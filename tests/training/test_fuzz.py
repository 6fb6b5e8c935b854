"""Random models: fit_many gives what model.fit gives, or says in one sentence why it does not.

`make test` tries a few, `make audit` as many as an hour allows: ``FUZZ_MINUTES=5 make audit ARGS=fuzz`` for another
time; ``build/fuzz.txt`` is its report. What failed can be tried again with ``check(random_models.case(seed))``.
"""

import collections
import os
import pathlib
import time
import warnings

import keras
import numpy as np
import pytest

from course_utils import fit_many, formatting
from course_utils.training import programs
from tests.helpers import random_models
from tests.helpers.by_keras import adding_up, train
from tests.helpers.sentences import is_one_sentence

REPORT = pathlib.Path(__file__).parents[2] / "build" / "fuzz.txt"   # how many models, which layers, what was not mapped
MINUTES = float(os.environ.get("FUZZ_MINUTES", 60))
SEEDS, STEPS, CHUNKS = [3, 8], 2, 3
TOLERANCE = {"float64": 1e-8, "float32": 1e-3}   # relative to the largest loss

# What Keras says of models that a person would not build.
pytestmark = pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask",
                                        "ignore:You are using a softmax over axis")


def check(case):
    """Train a case with fit_many, and compare what is known of it with model.fit.

    Returns
    -------
    "mapped", "one by one", "refused", or "failed"; and why
    """
    metrics = ["accuracy"] if case.split.y_train.dtype.kind == "i" else ["mae"]
    optimizer = random_models.OPTIMIZERS[case.optimizer]
    keras.config.set_floatx(case.dtype)   # of their own numbers
    loss, given = random_models.LOSSES[case.loss][0](), optimizer()
    keras.config.set_floatx("float32")
    silenced = {"gaussian_noise" if label == "GaussianNoise" else "dropout" for label in case.labels
                if case.silent and label in random_models.RANDOM}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            runs = fit_many(
                case.build, case.split, {"seed": SEEDS, **dict.fromkeys(silenced, 0.0)},
                steps=STEPS * CHUNKS, evaluate_every=STEPS, batch_size=random_models.BATCH, optimizer=given, loss=loss,
                metrics=metrics, sample_weight=case.sample_weight, dtype=case.dtype)
        except (ValueError, TypeError, NotImplementedError) as error:
            return "refused" if is_one_sentence(str(error)) else "failed", str(error)
    said = [str(warning.message) for warning in caught if "one by one" in str(warning.message)]
    if not all(map(is_one_sentence, said)):
        return "failed", said[0]
    for seed in SEEDS if case.exact else []:
        expected = train(
            case.build_silently, case.split, optimizer=lambda: adding_up(optimizer()), loss=loss, metrics=metrics,
            sample_weight=case.sample_weight, seed=seed, batch_size=random_models.BATCH, epochs=CHUNKS, steps=STEPS,
            dtype=case.dtype, eagerly=True)
        # On TensorFlow, Keras calculates schedules, and resizes images, in float32.
        rounded = case.optimizer == "Adam, decaying" or not random_models.FLOAT32.isdisjoint(case.labels)
        expect_equal(runs.sel(seed=seed), expected, max(1e-6 * rounded, TOLERANCE[case.dtype]))
    return ("one by one", said[0]) if said else ("mapped", "")


def expect_equal(run, expected, tolerance):
    for name, values in expected.items():
        largest = np.nanmax(np.abs(values), initial=1.0)
        np.testing.assert_allclose(run[name].values, values, rtol=0, atol=tolerance * largest, err_msg=name)


def checked(case):
    """Like `check`, with "failed" for whatever is wrong."""
    try:
        way, why = check(case)
        if way != "mapped" and random_models.COURSE.issuperset(case.labels):
            return "failed", f"only layers of the course, but {way}: {why}"
        return way, why
    except Exception as error:   # whatever it is, an audit goes on
        return "failed", f"{type(error).__name__}: {str(error).strip():.600}"
    finally:
        programs.forget_programs()


@pytest.mark.parametrize("seed", [8, 24, 28, 31, 33, 36])
def test_a_random_model_trains_as_in_keras(seed):
    case = random_models.case(seed)
    way, why = checked(case)
    assert way != "failed", f"{case}: {why}"


@pytest.mark.audit
def test_many_random_models_train_as_in_keras(capsys):
    found, end, first = [], time.monotonic() + 60 * MINUTES, int(os.environ.get("FUZZ_SEED", 0))
    while time.monotonic() < end:
        case = random_models.case(first + len(found))
        found.append((case, *checked(case)))
        with capsys.disabled():
            if found[-1][1] != "mapped":
                print(f"{case}: {found[-1][1]}: {found[-1][2]}", flush=True)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report(found) + "\n", encoding="utf-8")
    with capsys.disabled():
        print(report(found))
    failed = [f"{case}: {why}" for case, way, why in found if way == "failed"]
    assert not failed, "\n\n".join(failed)


def report(found):
    """How many models went which way, and each layer's share of it, as text."""
    ways = collections.Counter(way for _, way, _ in found)
    of_layer = collections.defaultdict(collections.Counter)
    for case, way, _ in found:
        for label in set(case.labels):
            of_layer[label][way] += 1
    columns = ["mapped", "one by one", "refused", "failed"]
    lines = [[label, *(str(counts[way]) for way in columns)] for label, counts in sorted(of_layer.items())]
    never = [label for label, counts in sorted(of_layer.items()) if not counts["mapped"]]
    return (f"{len(found)} models: " + ", ".join(f"{ways[way] / len(found):.0%} {way}" for way in columns)
            + f"\nnever mapped: {', '.join(never) or 'none'}\n" + formatting.table(["layer", *columns], lines))
