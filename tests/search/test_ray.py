"""The search on a real Ray cluster of two nodes, one of which is killed in the middle of it."""

import os
import threading
import time

import pytest

from course_utils import search
from tests.helpers.ray_cluster import require_ray, two_nodes
from tests.helpers.sentences import refused

pytestmark = [
    pytest.mark.slow,
    # Ray leaves sockets and the handles of its processes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
N_TRIALS = 12


@pytest.fixture(scope="module")
def cluster():
    require_ray()
    with two_nodes() as cluster:
        yield cluster


def test_a_search_survives_the_death_of_a_node(cluster, tmp_path):
    [doomed] = cluster.worker_nodes
    doomed_id, folder = doomed.node_id, tmp_path

    def objective(params):
        """On the doomed node, the third trial does not end."""
        import ray

        if ray.get_runtime_context().get_node_id() == doomed_id:
            (folder / str(params["x"])).touch()
            if len(list(folder.iterdir())) == 3:
                time.sleep(600)
        time.sleep(0.2)
        return -params["x"] ** 2

    def kill():
        while len(list(folder.iterdir())) < 3:
            time.sleep(0.05)
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    found = search.run(objective, {"x": search.uniform(-5, 5)}, n_trials=N_TRIALS, sampler="random",
                       ray=cluster.address)
    killer.join(timeout=60)
    assert found.trials.state.tolist() == ["COMPLETE"] * N_TRIALS
    assert found.trials.x.nunique() == N_TRIALS
    assert found.trials.attempt.tolist().count(2) == 1
    assert found.trials.attempt.max() == 2
    nodes = found.trials.node.str.partition("/")[2]
    assert nodes.nunique() == 2
    assert (nodes == doomed_id[:8]).sum() == 2


def test_failures_dying_workers_and_intermediate_scores(cluster, tmp_path):
    folder = tmp_path

    def objective(params, report):
        if params["x"] == 1:
            raise ZeroDivisionError("not 1")
        report(params["x"], 0)
        if params["x"] == 2 and not (folder / "died").exists():
            (folder / "died").touch()
            os._exit(1)
        report(params["x"], 1)
        return params["x"]

    found = search.run(objective, {"x": search.integer(0, 7)}, n_trials=8, sampler="grid", ray=cluster.address)
    trials = found.trials.set_index("x")
    assert trials.state.drop(1).tolist() == ["COMPLETE"] * 7
    assert trials.error[1] == "ZeroDivisionError: not 1"
    assert trials.attempt[2] == 2
    assert trials.attempt.drop(2).tolist() == [1] * 7
    for trial in found.study.trials:
        x = trial.params["x"]
        assert trial.intermediate_values == ({} if x == 1 else {0: x, 1: x})


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:wrong"])
def test_an_address_without_a_cluster_is_one_sentence(address):
    require_ray()
    with refused(ConnectionError, match=f"^There is no Ray cluster at '{address}' .*: start one with .*\\.$"):
        search.run(lambda params: 0, {"x": search.uniform(0, 1)}, n_trials=1, ray=address)


def test_a_cluster_of_this_machine_ends_with_its_block():
    require_ray()
    import ray

    with search.local_ray():
        found = search.run(lambda params: params["x"], {"x": search.uniform(0, 1)}, n_trials=3, ray="auto")
        assert found.trials.node.str.contains("/").all()
        with search.local_ray():   # what runs already is not ended by it
            pass
        assert ray.is_initialized()
    assert not ray.is_initialized()


def test_a_cluster_that_does_not_start_is_one_sentence(monkeypatch):
    require_ray()
    import ray

    def fails(*args, **kwargs):
        raise Exception("The current node timed out during startup. This could happen because of this or that.")

    monkeypatch.setattr(ray, "init", fails)
    with refused(ConnectionError, match="^Ray did not start on this machine .* try again when the machine is less "
                                      "busy.$"), search.local_ray():
        pass
