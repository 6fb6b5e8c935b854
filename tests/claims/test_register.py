"""What is decided in advance can't be changed afterward, and the tasks and arms are what the protocol says."""

import dataclasses
import hashlib
import importlib
import json
import linecache
import subprocess

import numpy as np
import pytest
import xarray as xr

from course_utils import claims
from course_utils.claims import protocol, register
from course_utils.experiments import comparison, tasks
from course_utils.experiments.comparison import Comparison, grid
from course_utils.tools import cli
from tests.helpers.sentences import is_one_sentence, refused


@dataclasses.dataclass(frozen=True)
class Pretended(Comparison):
    """A comparison that trains nothing."""

    def __call__(self, task, seeds):
        scores = np.random.default_rng(list(seeds)).normal(0.5, 0.05, (2, len(seeds), comparison.EVALUATIONS))
        return xr.Dataset({"val_accuracy": (("arm", "seed", "step"), scores), "still_rising": ("arm", [0.0, 0.001])},
                          {"arm": list(self.arms), "seed": list(seeds)})


STUDY = register.Study("bl-one-run", Pretended({"a": {"width": 2}, "b": {"width": 4}}), "accuracy gained", 0.01, 0.1,
                       ("digits", "tones"))


def lost(runs):
    return -comparison.gain(runs)


def git(folder, *arguments):
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments], cwd=folder, check=True,
                   capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    git(tmp_path, "init")
    monkeypatch.setattr(register, "REGISTERED", tmp_path / "registered")
    monkeypatch.setattr(register, "MEASURED", tmp_path / "measured")
    return tmp_path


def commit(repository, message="x"):
    git(repository, "add", "-A")
    git(repository, "commit", "-m", message)


def quiet(line):
    pass


def test_a_study_is_registered_committed_and_measured_in_this_order(repository):
    with refused(ValueError, match="is not registered"):
        register.measure(STUDY, quiet, repository)
    register.register(STUDY, quiet)
    with refused(ValueError, match="not committed yet"):
        register.measure(STUDY, quiet, repository)
    commit(repository)
    register.measure(STUDY, quiet, repository)
    results = register.results(STUDY.key)
    pilot = register.registration(STUDY.key)["pilot"]
    assert set(results) == {"digits", "tones"}
    assert [len(results[task]["effects"]) for task in results] == [pilot[task]["pairs needed"] for task in results]
    commit(repository)
    paths = repository / "registered" / "bl-one-run.json", repository / "measured" / "bl-one-run.json"
    assert register.registered_first(*paths, repository)
    assert not register.registered_first(*reversed(paths), repository)


def test_an_interrupted_registration_is_one_sentence(repository, monkeypatch):
    register.register(STUDY, quiet)
    path = repository / "registered" / "bl-one-run.json"
    known = json.loads(path.read_text())
    del known["pilot"]["tones"]
    path.write_text(json.dumps(known))
    commit(repository)
    with refused(ValueError, match="has no pilot on tones"):
        register.measure(STUDY, quiet, repository)
    register.register(STUDY, quiet)
    assert set(register.registration(STUDY.key)["pilot"]) == {"digits", "tones"}


def test_a_registration_in_the_same_commit_as_the_results_is_too_late(repository):
    for folder in ("registered", "measured"):
        (repository / folder).mkdir()
        (repository / folder / "x.json").write_text("{}")
    commit(repository)
    assert not register.registered_first(repository / "registered" / "x.json", repository / "measured" / "x.json",
                                         repository)


@pytest.mark.parametrize("change", [
    {"threshold": 0.005}, {"margin": 0.05}, {"neutral": 0.0}, {"tasks": ("digits",)}, {"scale": "ratio"},
    {"within": "10 steps"}, {"experiment": Pretended({"a": {"width": 2}, "b": {"width": 5}})},
    {"experiment": Pretended({"a": {"width": 2}, "b": {"width": 4}}, steps=700)},
    {"experiment": Pretended({"a": {"width": 2}, "b": {"width": 4}}, tune={"learning_rate": [0.1, 0.2]})},
    {"effect": lost}])
def test_a_change_after_the_registration_is_rejected(repository, change):
    register.register(STUDY, quiet)
    commit(repository)
    with refused(ValueError, match="was registered with other settings"):
        register.measure(dataclasses.replace(STUDY, **change), quiet, repository)


def test_a_pilot_and_its_numbers_of_pairs_cant_be_changed_afterward(repository):
    register.register(STUDY, quiet)
    commit(repository)
    path = repository / "registered" / "bl-one-run.json"
    path.write_text(path.read_text().replace('"pairs needed": ', '"pairs needed": 1'))
    with refused(ValueError, match="not committed yet"):
        register.measure(STUDY, quiet, repository)


def test_a_measured_study_isnt_registered_again(repository):
    register.register(STUDY, quiet)
    commit(repository)
    register.measure(STUDY, quiet, repository)
    with refused(FileExistsError, match="has been measured"):
        register.register(dataclasses.replace(STUDY, threshold=0.02), quiet)


def test_measuring_goes_on_where_it_stopped(repository, monkeypatch):
    register.register(STUDY, quiet)
    commit(repository)
    asked = []

    def effects(self, task, seeds, effects=register.Study.effects):
        asked.append(len(seeds))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return effects(self, task, seeds)

    monkeypatch.setattr(register.Study, "effects", effects)
    with pytest.raises(KeyboardInterrupt):
        register.measure(STUDY, quiet, repository)
    assert list(register.results(STUDY.key)) == ["digits"]
    register.measure(STUDY, quiet, repository)
    assert list(register.results(STUDY.key)) == ["digits", "tones"]
    assert len(asked) == 3


def test_a_task_that_takes_too_long_is_listed_in_advance(repository):
    costly = dataclasses.replace(STUDY, minutes=0.0)
    register.register(costly, quiet)
    commit(repository)
    register.measure(costly, quiet, repository)
    assert all(task["too costly"] for task in register.registration(STUDY.key)["pilot"].values())
    assert register.results(STUDY.key) == {}


def test_the_hash_covers_code_and_values_but_not_docstrings(tmp_path, monkeypatch):
    source = '''FACTOR = 2


def helped(x):
    """Doc."""
    return FACTOR * inner(x)


def inner(x):
    return x
'''
    monkeypatch.syspath_prepend(tmp_path)
    hashes = {}
    for name, text in {"same": source, "docstring": source.replace("Doc.", "Other words."),
                       "comment": source.replace("return x", "return x   # as it is"),
                       "code": source.replace("return FACTOR", "return 1 + FACTOR"),
                       "value": source.replace("FACTOR = 2", "FACTOR = 3"),
                       "helper": source.replace("return x\n", "return -x\n")}.items():
        (tmp_path / f"planted_{name}.py").write_text(text)
        module = __import__(f"planted_{name}")
        monkeypatch.setattr(register, "_is_ours", lambda module: module.startswith("planted"))
        found = register.code_hash(module.helped)
        hashes[name] = found
    # The module's name is part of the hash, so each is compared with the original under its own name.
    for name in ("docstring", "comment", "code", "value", "helper"):
        (tmp_path / f"planted_{name}.py").write_text(source)
        linecache.clearcache()
        original = register.code_hash(importlib.reload(__import__(f"planted_{name}")).helped)
        assert (original == hashes[name]) == (name in ("docstring", "comment")), name


def test_the_hash_covers_how_the_validation_data_are_divided(monkeypatch):
    before = register.code_hash(Comparison)
    monkeypatch.setattr(tasks, "measuring_part", tasks.tuning_part)   # an arm would be measured where it was tuned
    assert register.code_hash(Comparison) != before


def test_arms_have_equal_budgets():
    with refused(ValueError, match="unequal budgets"):
        Comparison({"a": {}, "b": {}}, tune={"a": grid(learning_rate=[0.1]), "b": grid(learning_rate=[0.1, 0.2])})


def test_the_halves_of_the_validation_data_share_no_sample():
    from course_utils import datasets

    split = datasets.digits(3)
    first, second = tasks.tuning_part(split, 3), tasks.measuring_part(split, 3)
    rows = [{image.tobytes() for image in part.x_val} for part in (first, second)]
    assert len(first.x_val) == len(second.x_val) == len(split.x_val) // 2
    assert len(rows[0] & rows[1]) <= len(split.x_val) - len({image.tobytes() for image in split.x_val})
    assert np.array_equal(first.x_train, split.x_train)
    assert not np.array_equal(tasks.tuning_part(split, 4).x_val, first.x_val)


@pytest.mark.parametrize("task", tasks.TASKS.values(), ids=list(tasks.TASKS))
def test_every_task_has_a_new_split_for_each_seed_and_no_test_images(task):
    for load in filter(None, (task.vectors, task.images)):
        first, again, other = load(0), load(0), load(1)
        assert np.array_equal(first.x_val, again.x_val)
        assert not np.array_equal(first.x_val, other.x_val)
        assert first.x_train.shape == other.x_train.shape
        assert first.x_train.dtype == np.float32
        assert len(first.x_val) >= 100
        if load is task.images:
            assert first.x_train.ndim == 4


def test_the_tasks_come_from_three_fields_and_some_are_images():
    assert len({task.field for task in tasks.TASKS.values()}) >= 3
    assert sum(task.images is not None for task in tasks.TASKS.values()) >= 3


def test_the_arms_are_tuned_on_one_half_and_measured_on_the_other(monkeypatch):
    from course_utils import datasets

    asked = []

    def trained(build_model, data, knobs, **settings):
        seeds, configurations = knobs["seed"], knobs["configuration"]
        asked.append(({image.tobytes() for image in data(seeds[0]).x_val}, configurations))
        which = 0 if len(asked) % 2 else 1   # the measuring half comes first
        best = np.where(np.arange(2) == which, 0.9, 0.2)
        scores = np.broadcast_to(best[:, None, None], (2, len(seeds), comparison.EVALUATIONS))
        return xr.Dataset({"val_accuracy": (("configuration", "seed", "step"), scores)}, {"seed": seeds})

    monkeypatch.setattr(comparison, "fit_many", trained)
    runs = Comparison({"a": {}, "b": {}}, tune={"learning_rate": [0.1, 0.2]})(datasets.digits, [0, 1])
    assert (runs.chosen == 1).all()                # the best on the tuning half …
    np.testing.assert_allclose(runs.val_accuracy, 0.2)   # … is measured on the other, where it is worse
    assert asked[0][0] != asked[1][0]


def test_still_rising_compares_the_last_two_fifths(monkeypatch):
    from course_utils import datasets

    def trained(build_model, data, knobs, **settings):
        scores = np.repeat([0.1, 0.2, 0.4, 0.5, 0.9], comparison.LAST) * np.ones((len(knobs["seed"]), 1))
        return xr.Dataset({"val_accuracy": (("seed", "step"), scores)}, {"seed": knobs["seed"]})

    monkeypatch.setattr(comparison, "fit_many", trained)
    runs = Comparison({"a": {"width": 2}, "b": {"width": 3}})(datasets.digits, [0, 1])
    np.testing.assert_allclose(runs.still_rising, 0.4)
    np.testing.assert_allclose(comparison.gain(runs), 0)


@pytest.mark.audit
@pytest.mark.parametrize("key", ["bl-one-run", "lc-careless-labels", "do-overfitting"])
def test_where_nothing_differs_intervals_rarely_exclude_zero(key):
    """200 studies with twelve pairs each, whose two networks differ only in their seeds."""
    from course_utils import datasets

    experiment = register.studies()[key].experiment
    arm = list(experiment.arms)[-1]
    one_arm = dataclasses.replace(experiment, arms={arm: experiment.arms[arm]}, steps=60,
                                  tune={arm: experiment.configurations(arm)})
    excluded = []
    for first in range(0, 4800, 480):
        runs = one_arm(lambda seed: datasets.digits(seed // 2), range(first, first + 480))
        differences = np.diff(comparison.final(runs.val_accuracy).values.reshape(20, 12, 2)).squeeze(-1)
        intervals = [protocol.interval(effects) for effects in differences]
        excluded += [not found.low <= 0 <= found.high for found in intervals]
    print(f"{key}: {np.mean(excluded):.1%} of {len(excluded)} intervals exclude zero")
    assert np.mean(excluded) <= 0.08


# The stored ledger


REGISTERED = [key for key in register.studies() if register.registration(key)]


@pytest.mark.parametrize("key", REGISTERED)
def test_a_study_is_complete_and_its_results_belong_to_its_registration(key):
    study, known = register.studies()[key], register.registration(key)
    assert claims.get(key)
    assert len(study.tasks) >= 3
    assert known["settings"] == study.settings(), f"{key} has changed since its registration"
    stored = json.loads((register.MEASURED / f"{key}.json").read_text(encoding="utf-8"))
    path = register.REGISTERED / f"{key}.json"
    assert stored["registration"] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    for task in study.tasks:
        pilot = known["pilot"][task]
        if not pilot["too costly"]:
            cell = stored["tasks"][task]
            assert len(cell["effects"]) == pilot["pairs needed"]
            assert study.within or register.plateaued(cell["still rising"])


@pytest.mark.parametrize("key", REGISTERED)
def test_every_registration_was_committed_before_its_results(key):
    shallow = subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=register.HERE, capture_output=True,
                             text=True)
    if shallow.stdout.strip() != "false":
        pytest.skip("there is no complete git history here")
    assert register.registered_first(register.REGISTERED / f"{key}.json", register.MEASURED / f"{key}.json")


def test_the_command_registers_and_refuses_in_one_sentence(capsys, repository, monkeypatch):
    monkeypatch.setattr(register, "studies", lambda: {STUDY.key: STUDY})
    assert cli.main(["claims", STUDY.key]) == 1
    assert is_one_sentence(capsys.readouterr().err.strip())
    assert cli.main(["claims", "register", STUDY.key]) == 0
    assert register.registration(STUDY.key)["settings"] == STUDY.settings()
