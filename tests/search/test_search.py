"""The search in this process and on several: what it tries, what it records, what it survives."""

import itertools
import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import search
from course_utils.search import driver, executors, strategies
from tests.helpers.learner import started
from tests.helpers.sentences import is_one_sentence, refused

X = {"x": search.uniform(-5, 5)}
MIXED = {"rate": search.log_uniform(1e-4, 1), "width": search.integer(8, 128, log=True), "depth": search.integer(1, 3),
         "dropout": search.uniform(0, 0.8), "optimizer": search.choice("sgd", "adam")}


def parabola(params):
    return -(params["x"] - 2) ** 2


def steps(params, report):
    """Ten scores on the way to the last one."""
    for step in range(10):
        report(parabola(params) - 1 / (step + 1), step)
    return parabola(params)


def never(params):
    raise AssertionError("nothing was left to try")


def run(objective=parabola, space=X, n_trials=10, **options):
    return search.run(objective, space, n_trials=n_trials, **options)


def configurations(found):
    return [trial.params for trial in found.study.trials]


# What is tried


@pytest.mark.parametrize("sampler", strategies.SAMPLERS)
def test_every_sampler_stays_in_the_space_and_repeats_itself_by_seed(sampler):
    def score(params):
        return math.log(params["rate"]) + params["dropout"] * (params["optimizer"] == "adam")

    first, again, other = (configurations(run(score, MIXED, 16, sampler=sampler, seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert len(first) == 16
    for params in first:
        assert 1e-4 <= params["rate"] <= 1
        assert 8 <= params["width"] <= 128
        assert params["depth"] in (1, 2, 3)
        assert 0 <= params["dropout"] <= 0.8
        assert params["optimizer"] in ("sgd", "adam")


def test_tpe_finds_a_better_place_than_random_search():
    seeds = range(10)
    tpe, random = ([run(n_trials=40, sampler=sampler, seed=seed).best_value for seed in seeds]
                   for sampler in ("tpe", "random"))
    assert np.median(tpe) > np.median(random)


def test_the_quasi_random_points_fill_every_cell_once():
    found = run(space={"x": search.uniform(0, 1), "y": search.uniform(0, 1)}, n_trials=16, sampler="qmc")
    cells = {(int(4 * trial.x), int(4 * trial.y)) for trial in found.trials.itertuples()}
    assert cells == set(itertools.product(range(4), range(4)))   # Sobol points, the first one included


def test_a_log_scale_gives_every_decade_its_share():
    found = run(lambda params: 0, {"rate": search.log_uniform(1e-4, 1)}, 64, sampler="qmc")
    decades = np.floor(np.log10(found.trials["rate"])).astype(int)
    assert decades.value_counts().to_dict() == {-4: 16, -3: 16, -2: 16, -1: 16}


def test_the_grid_covers_the_space():
    space = {"rate": search.log_uniform(1e-2, 1), "depth": search.integer(1, 2),
             "optimizer": search.choice("sgd", "adam")}
    found = run(lambda params: 0, space, 12, sampler="grid")
    tried = {(round(row.rate, 12), row.depth, row.optimizer) for row in found.trials.itertuples()}
    assert tried == set(itertools.product([0.01, 0.1, 1], [1, 2], ["sgd", "adam"]))
    assert len(found.trials) == 12


@given(n_trials=st.integers(1, 60), numbers=st.integers(0, 3), choices=st.integers(1, 3), integers=st.integers(1, 5))
def test_a_grid_is_even_and_no_larger_than_asked_for(n_trials, numbers, choices, integers):
    space = {f"x{i}": search.log_uniform(1, 10) for i in range(numbers)}
    space |= {"c": search.choice(*range(choices)), "n": search.integer(1, integers)}
    if n_trials < choices:
        with pytest.raises(ValueError, match="a grid over this space has at least"):
            search.space.grid(space, n_trials)
        return
    grid = search.space.grid(space, n_trials)
    assert grid["c"] == list(range(choices))
    assert all(len(set(values)) == len(values) for values in grid.values())
    ranges = [len(grid[f"x{i}"]) for i in range(numbers)] + [len(grid["n"])] * (len(grid["n"]) < integers)
    size = math.prod(map(len, grid.values()))
    assert size <= n_trials
    if ranges:
        assert max(ranges) - min(ranges) <= 1
        assert size // min(ranges) * (min(ranges) + 1) > n_trials   # one point more somewhere is too many


def test_minimize_looks_for_the_smallest():
    found = run(lambda params: (params["x"] - 2) ** 2, n_trials=21, sampler="grid", direction="minimize")
    assert found.best_params == {"x": 2.0}
    assert found.best_value == 0


def test_an_objective_may_take_a_batch():
    sizes = []

    def batch(configurations):
        sizes.append(len(configurations))
        return np.array([parabola(params) for params in configurations], "float32")

    found = run(batch, n_trials=10, sampler="random", batch=4)
    assert sizes == [4, 4, 2]
    assert configurations(found) == configurations(run(sampler="random"))
    assert found.best_value == pytest.approx(run(sampler="random").best_value)


# What is recorded


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on():
    def fragile(params):
        return {0: 0, 1: float("nan"), 2: None, 3: 1 / 0 if params["x"] == 3 else 0, 4: "4.5", 5: 5}[params["x"]]

    def exits(params):
        return sys.exit("enough") if params["x"] == 0 else fragile(params)

    found = run(exits, {"x": search.integer(0, 5)}, 6, sampler="grid")
    trials = found.trials.set_index("x").sort_index()
    assert trials.state.tolist() == ["FAIL", "FAIL", "FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials.error[:4].tolist() == ["SystemExit: enough", "The objective returned nan; expected a number.",
                                         "The objective returned None; expected a number.",
                                         "ZeroDivisionError: division by zero"]
    assert trials.value[4:].tolist() == [4.5, 5]
    assert repr(found).startswith("6 trials: 2 complete, 4 failed; best value 5 with x 5; first failure: ")


def test_without_a_complete_trial_none_is_best():
    found = run(never, n_trials=2)
    with pytest.raises(ValueError, match="No trial is complete, .* first failure: AssertionError: nothing was left"):
        _ = found.best_params


def test_the_table_says_where_when_and_how_often():
    trials = run(n_trials=3).trials
    assert trials.columns.tolist() == ["x", "value", "state", "node", "attempt", "seconds", "error"]
    assert trials.index.tolist() == [0, 1, 2]
    assert set(trials.attempt) == {1}
    assert trials.node.nunique() == 1
    assert (trials.seconds >= 0).all()
    assert trials.error.isna().all()


@pytest.mark.parametrize("pruner", [*strategies.PRUNERS, optuna.pruners.PercentilePruner(25)])
def test_a_pruner_ends_the_hopeless_and_spares_the_best(pruner):
    found = run(steps, n_trials=30, sampler="random", pruner=pruner)
    counts = found.trials.state.value_counts()
    assert counts["PRUNED"] >= 5
    assert counts["COMPLETE"] + counts["PRUNED"] == 30
    steps_done = [len(trial.intermediate_values) for trial in found.study.trials]
    assert (np.array(steps_done)[found.trials.state == "PRUNED"] < 10).any()
    assert found.trials.value[found.trials.state == "PRUNED"].mean() < found.trials.value.mean()


def test_scores_are_recorded_without_a_pruner_too():
    found = run(steps, n_trials=2)
    assert [list(trial.intermediate_values) for trial in found.study.trials] == [list(range(10))] * 2
    assert found.trials.state.tolist() == ["COMPLETE"] * 2


# Storages


@pytest.mark.parametrize(("sampler", "name"), [("random", "study.log"), ("qmc", "study.log"), ("tpe", "study.log"),
                                               ("qmc", "sqlite")])
def test_a_resumed_search_goes_on_as_if_it_had_not_stopped(tmp_path, sampler, name):
    storage = f"sqlite:///{tmp_path}/study.db" if name == "sqlite" else tmp_path / name
    run(n_trials=7, sampler=sampler, storage=storage)
    found = run(n_trials=16, sampler=sampler, storage=storage)
    assert configurations(found) == configurations(run(n_trials=16, sampler=sampler))
    assert found.trials.x.nunique() == 16
    nothing_new = run(never, n_trials=16, sampler=sampler, storage=storage)
    assert nothing_new.trials.equals(found.trials)


@pytest.mark.parametrize("sampler", strategies.SAMPLERS)
def test_what_ran_when_the_driver_died_is_tried_again(tmp_path, sampler):
    tried = []

    def dies_in_the_fourth(params):
        tried.append(params)
        if len(tried) == 4:
            raise KeyboardInterrupt
        return parabola(params)

    with pytest.raises(KeyboardInterrupt):
        run(dies_in_the_fourth, n_trials=8, sampler=sampler, storage=tmp_path / "study.log")
    found = run(n_trials=8, sampler=sampler, storage=tmp_path / "study.log")
    assert found.trials.state.tolist() == ["COMPLETE"] * 8
    assert found.trials.attempt.tolist() == [1, 1, 1, 2, 1, 1, 1, 1]
    assert configurations(found)[3] == tried[3]
    assert configurations(found) == configurations(run(n_trials=8, sampler=sampler))


def test_a_driver_that_is_killed_leaves_a_storage_to_resume_from(tmp_path):
    code = ("import os\nfrom course_utils import search\n"
            "def objective(params):\n"
            f"    return os._exit(9) if params['x'] > 4.5 else params['x']\n"
            f"search.run(objective, {{'x': search.integer(0, 9)}}, n_trials=10, sampler='grid', "
            f"storage={str(tmp_path / 'study.log')!r})")
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 9
    found = run(lambda params: params["x"], {"x": search.integer(0, 9)}, sampler="grid", storage=tmp_path / "study.log")
    assert sorted(found.trials.x) == list(range(10))
    assert found.trials.state.tolist() == ["COMPLETE"] * 10
    assert found.trials.attempt.tolist().count(2) == 1


def test_a_configuration_half_asked_for_is_completed(tmp_path):
    space = {"x": search.uniform(-5, 5), "y": search.uniform(0, 1)}
    run(space=space, n_trials=2, sampler="random", storage=tmp_path / "study.log")
    study = run(space=space, n_trials=2, sampler="random", storage=tmp_path / "study.log").study
    study.ask({"x": space["x"]})
    found = run(space=space, n_trials=4, sampler="random", storage=tmp_path / "study.log")
    assert found.trials.state.tolist() == ["COMPLETE"] * 4
    assert found.trials.y.notna().all()


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """The lines of a search of three trials, and its table."""
    path = tmp_path_factory.mktemp("journal") / "study.log"
    return run(n_trials=3, storage=path).trials, path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(("rest", "end"), [(0, b""), (3, b""), (100, b""), (-1, b""), (100, b"\0" * 9), (100, b"\n")])
def test_a_line_that_was_cut_off_costs_only_its_trial(tmp_path, journal, rest, end):
    trials, lines = journal
    for number, line in enumerate(lines):
        storage = tmp_path / f"{number}.log"
        storage.write_bytes(b"".join(lines[:number]) + line[:rest] + end)
        done = sum(b'"datetime_complete"' in kept for kept in lines[:number])
        found = run(n_trials=3, storage=storage).trials
        assert found[:done].equals(trials[:done])   # seconds included: they were not run again
        assert found[["x", "value", "state"]].equals(trials[["x", "value", "state"]])
        assert run(never, n_trials=3, storage=storage).trials.equals(found)


@pytest.mark.parametrize("cut", [None, -7])
def test_a_journal_that_is_damaged_in_the_middle_is_left_as_it_is(tmp_path, journal, cut):
    _, lines = journal
    damaged = b"".join([*lines[:9], lines[9][:50], *lines[10:]])[:cut]
    storage = tmp_path / "study.log"
    storage.write_bytes(damaged)
    with refused(ValueError, match="line 10 is damaged; to resume there, delete it and all lines after it"):
        run(storage=storage)
    assert storage.read_bytes() == damaged
    storage.write_bytes(b"".join(lines[:9]))   # as the sentence says
    assert run(n_trials=3, storage=storage).trials.state.tolist() == ["COMPLETE"] * 3


# Several processes


def test_a_worker_that_dies_costs_only_an_attempt(tmp_path):
    def deadly(params):
        if params["x"] == 3 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(1)
        if params["x"] == 4:
            raise ZeroDivisionError("four")
        time.sleep(0.02)
        return params["x"]

    found = run(deadly, {"x": search.integer(0, 7)}, 8, sampler="grid", workers=2)
    trials = found.trials.set_index("x")
    assert trials.state.drop(4).tolist() == ["COMPLETE"] * 7
    assert trials.error[4] == "ZeroDivisionError: four"
    assert trials.attempt[3] == 2
    assert trials.attempt.drop(3).tolist() == [1] * 7
    assert f"/{os.getpid()}" not in set(trials.node.str.extract("(/.*)")[0])


def test_a_trial_that_kills_every_worker_is_given_up(tmp_path):
    def deadly(params):
        return os._exit(1) if params["x"] == 1 else params["x"]

    found = run(deadly, {"x": search.integer(0, 3)}, 4, sampler="grid", workers=1, retries=1)
    trials = found.trials.set_index("x")
    assert trials.state[1] == "FAIL"
    assert trials.error[1].startswith("Lost with its worker 2 times (")
    assert trials.attempt[1] == 2
    assert trials.state.drop(1).tolist() == ["COMPLETE"] * 3


def test_when_no_worker_lives_the_search_stops_with_a_sentence():
    with pytest.raises(BrokenExecutor, match='Every worker died .* `if __name__ == "__main__":`'):
        run(lambda params: os._exit(1), workers=1, retries=0)


def test_processes_share_intermediate_scores_and_prune():
    found = run(steps, n_trials=14, sampler="random", pruner="median", workers=2)
    assert {"COMPLETE", "PRUNED"} == set(found.trials.state)
    for trial in found.study.trials:
        assert trial.intermediate_values[0] == parabola(trial.params) - 1
    assert configurations(found) == configurations(run(n_trials=14, sampler="random"))


def test_a_second_attempt_does_not_report_twice(tmp_path):
    def deadly(params, report):
        report(1 if (tmp_path / "died").exists() else 0, 0)
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(1)
        report(2, 1)
        return 3

    found = run(deadly, n_trials=1, workers=1, storage=tmp_path / "study.log")
    assert found.study.trials[0].intermediate_values == {0: 0, 1: 2}
    assert found.trials.attempt.tolist() == [2]


def test_workers_limits_the_calls_on_a_large_cluster(monkeypatch):
    class Cluster(ThreadPoolExecutor):
        where = staticmethod(lambda: "here")

        def workers(self):
            return 8

    running, most = [], []

    def counted(params):
        running.append(params)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return 0

    monkeypatch.setattr(executors, "Ray", lambda address: Cluster(8))
    for workers in (1, 3, None):
        most.clear()
        run(counted, n_trials=16, sampler="random", ray="auto", workers=workers)
        assert max(most) <= (workers or 8)
    assert max(most) > 3


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send a signal to a thread")
def test_stopping_ends_the_processes():
    def slow(params):
        time.sleep(60)

    def running():
        return [thread for thread in threading.enumerate() if "Executor" in type(thread).__name__]

    def interrupt():
        """What Ctrl-C does, once the worker is there."""
        while not set(started("spawn_main")) - before:
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = set(started("spawn_main"))
    threading.Thread(target=interrupt, daemon=True).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(slow, workers=1)
    assert time.monotonic() - start < 50   # it did not wait for the trial
    deadline = time.monotonic() + 20
    while running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running() == []


def test_a_node_that_does_not_see_the_storage_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="This node does not see the storage .*: intermediate scores need"):
        search.studies.shared_report(str(tmp_path / "elsewhere.log"), None, 0)


# Errors


@pytest.mark.parametrize(("options", "words"), [
    ({"sampler": "annealing"}, "There is no sampler 'annealing'; there are grid, random, qmc, tpe"),
    ({"pruner": "gardener"}, "There is no pruner 'gardener'; there are median"),
    ({"pruner": "median"}, "A pruner needs intermediate scores"),
    ({"objective": steps, "batch": 2}, "A batch has no intermediate scores"),
    ({"space": {}}, "The space is empty"),
    ({"space": {"x": (0, 1)}}, "space['x'] is (0, 1); expected search.log_uniform"),
    ({"space": {"value": search.uniform(0, 1)}}, "'value' cannot be the name of a hyperparameter"),
    ({"n_trials": 0}, "n_trials is 0; expected a whole number, 1 or more"),
    ({"n_trials": 2.5}, "n_trials is 2.5; expected"),
    ({"workers": 0}, "workers is 0; expected"),
    ({"batch": True}, "batch is True; expected"),
    ({"retries": -1}, "retries is -1; expected a whole number, 0 or more"),
    ({"direction": "up"}, "direction is 'up'; expected"),
    ({"objective": 3}, "The objective is 3; expected a function"),
    ({"storage": 3}, "storage is 3; expected a path"),
    ({"storage": "no/such/folder/study.log"}, "The storage no/such/folder/study.log cannot be opened"),
    ({"storage": "nosuchdatabase://x"}, "The storage nosuchdatabase://x cannot be opened"),
    ({"ray": True}, "ray is True; expected \"auto\""),
    ({"workers": 2, "objective": threading.Lock().__enter__}, "The objective cannot be sent to another process"),
    ({"sampler": "grid", "space": {"c": search.choice("a", "b", "c")}, "n_trials": 2}, "has at least 3 points"),
])
def test_a_wrong_argument_is_one_sentence(options, words):
    with pytest.raises((TypeError, ValueError)) as caught:
        run(**{"n_trials": 2, **options})
    assert words in str(caught.value)
    assert is_one_sentence(str(caught.value)), str(caught.value)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: search.log_uniform(0, 1), "its lower bound must be above 0"),
    (lambda: search.uniform(1, 0), "the lower one first"),
    (lambda: search.uniform("a", 1), "needs two numbers"),
    (lambda: search.uniform(0, math.inf), "two finite numbers"),
    (lambda: search.integer(0.5, 2), "a bound that is no whole number"),
    (lambda: search.choice(), "nothing to choose from"),
    (lambda: search.choice([1, 2]), "one by one"),
    (lambda: search.choice(1, 1), "holds a value twice"),
])
def test_a_wrong_range_is_one_sentence(make, words):
    with refused((TypeError, ValueError), match=words):
        make()


@pytest.mark.parametrize(("options", "words"), [
    ({"space": {"y": search.uniform(0, 1)}}, "holds a search of another space (x)"),
    ({"space": {"x": search.uniform(-5, 6)}}, "holds a search of another space (x)"),
    ({"direction": "minimize"}, "holds a search that maximizes"),
    ({"sampler": "grid"}, "holds a search over another grid, or without one"),
])
def test_the_storage_of_another_search_is_refused(tmp_path, options, words):
    storage = tmp_path / "study.log"
    run(n_trials=2, storage=storage)
    with pytest.raises(ValueError, match="The storage .* use") as caught:
        run(storage=storage, **options)
    assert words in str(caught.value)
    assert len(run(never, n_trials=2, storage=storage).trials) == 2   # it did no harm


def test_a_file_that_is_no_storage_is_left_as_it_was(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("buy milk\n")
    with pytest.raises(ValueError, match="The storage .* cannot be opened .* that only searches write"):
        run(storage=notes)
    assert notes.read_text() == "buy milk\n"


def test_a_grid_is_not_resumed_with_another_number_of_trials(tmp_path):
    run(n_trials=4, sampler="grid", storage=tmp_path / "study.log")
    with pytest.raises(ValueError, match="use the same n_trials"):
        run(n_trials=5, sampler="grid", storage=tmp_path / "study.log")


def test_without_ray_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(executors.importlib.util, "find_spec", lambda name: None)
    assert search.problem_with_ray() == executors.WITHOUT_RAY
    with pytest.raises(ImportError, match="^Ray is not installed: run `make ray` .* try again.$"):
        run(ray="auto")
    with pytest.raises(ImportError, match="^Ray is not installed"), search.local_ray():
        pass


def test_the_bar_counts_the_trials(monkeypatch, tmp_path):
    bars, make = [], driver._bar
    monkeypatch.setattr(driver, "_bar", lambda total, progress: bars.append(make(total, progress)) or bars[-1])
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    run(n_trials=3, storage=tmp_path / "study.log")
    run(n_trials=5, storage=tmp_path / "study.log")
    assert [(bar.n, bar.total) for bar in bars] == [(3, 3), (5, 5)]
