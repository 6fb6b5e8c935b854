"""A Ray cluster of two nodes on this machine, for tests and benchmarks."""

import contextlib
import importlib.util
import tempfile

import psutil
import pytest

from tests.helpers.needed import needed

ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",   # as on Windows and macOS, nodes listen on the loopback alone
    "RAY_USAGE_STATS_ENABLED": "0",
}
NODE = {"num_cpus": 1, "include_dashboard": False, "include_log_monitor": False}


def require_ray():
    """Skip the test where Ray is not installed; in CI fail."""
    needed(importlib.util.find_spec("ray"), "Ray", "make ray")


@contextlib.contextmanager
def two_nodes():
    """A `ray.cluster_utils.Cluster`: a head node and a second one, one CPU each; nothing of them is left behind."""
    before = psutil.Process().children(recursive=True)
    with (pytest.MonkeyPatch.context() as patch,
          tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder):
        for name, value in {**ALONE, "RAY_TMPDIR": folder}.items():
            patch.setenv(name, value)
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={**NODE, "no_monitor": True})
        try:
            cluster.add_node(**NODE)
            cluster.wait_for_nodes()
            yield cluster
        finally:
            ray.shutdown()
            with contextlib.suppress(AssertionError):   # a process may end while Ray kills it
                cluster.shutdown()
            started = [child for child in psutil.Process().children(recursive=True)
                       if child not in before and _is_of_ray(child)]
            alive = psutil.wait_procs(started, timeout=15)[1]
            for process in alive:
                process.kill()
    assert alive == []


def _is_of_ray(process):
    """Whether this is one of Ray's processes, not one of Python's own helpers, and not ended meanwhile."""
    with contextlib.suppress(psutil.Error):
        return "ray" in " ".join(process.cmdline())
    return False
