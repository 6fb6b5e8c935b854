"""Where trials run: here, on several processes, on a Ray cluster, all as `concurrent.futures.Executor`.

If a worker is lost, its future raises `concurrent.futures.BrokenExecutor`, and the executor itself goes on. In addition
to the standard interface, each executor has `workers()`, how many calls it runs at once, and `where`, a function that
names the place where it is called.
"""

import contextlib
import functools
import importlib.util
import multiprocessing
import os
import platform
import socket
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor

WITHOUT_RAY = "Ray is not installed: run `make ray` (or `pip install -r requirements-ray.lock`) and try again."


class Here(Executor):
    """This process: a call runs when it is submitted."""

    where = staticmethod(platform.node)

    def workers(self):
        return 1

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """Several processes of this machine, each a pool of its own, so that a process that dies loses only its own call.

    They are spawned, not forked, because TensorFlow does not survive a fork.
    """

    def __init__(self, workers):
        self.pools = [self._pool() for _ in range(workers)]
        self.latest = [None] * workers

    @staticmethod
    def _pool():
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    @staticmethod
    def where():
        return f"{platform.node()}/{os.getpid()}"

    def workers(self):
        return len(self.pools)

    def submit(self, function, /, *args, **kwargs):
        free = next((i for i, future in enumerate(self.latest) if future is None or future.done()), 0)
        try:
            future = self.pools[free].submit(function, *args, **kwargs)
        except BrokenExecutor:
            self.pools[free].shutdown()
            self.pools[free] = self._pool()
            future = self.pools[free].submit(function, *args, **kwargs)
        self.latest[free] = future
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        for pool in self.pools:
            running = [] if wait else list((pool._processes or {}).values())   # Python 3.14 has kill_workers
            pool.shutdown(wait, cancel_futures=cancel_futures)
            for process in running:
                process.terminate()


def problem_with_ray():
    """One sentence if Ray is not installed, else None."""
    return None if importlib.util.find_spec("ray") else WITHOUT_RAY


class Ray(Executor):
    """The nodes of a Ray cluster; a call takes one CPU.

    Parameters
    ----------
    address : str
        ``"auto"`` (the cluster that runs here), ``"local"`` (start one on this machine), or ``"host:port"``. If this
        process is already connected to a cluster, that one is used and stays connected.
    """

    def __init__(self, address):
        if problem := problem_with_ray():
            raise ImportError(problem)
        import ray

        self.ray, self.ours, self.running = ray, not ray.is_initialized(), {}
        if self.ours:
            _connect(ray, address)
        # Without Ray's own retries: the driver tries again, and it counts the attempts.
        self.remote = functools.cache(ray.remote(num_cpus=1, max_retries=0))

    @staticmethod
    def where():
        import ray

        return f"{platform.node()}/{ray.get_runtime_context().get_node_id()[:8]}"

    def workers(self):
        return int(self.ray.cluster_resources().get("CPU", 0))

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        future.set_running_or_notify_cancel()
        reference = self.remote(function).remote(*args, **kwargs)
        self.running[future] = reference
        reference.future().add_done_callback(functools.partial(self._pass_on, future))
        return future

    def _pass_on(self, future, ended):
        """Pass a call's result or error on to its future."""
        self.running.pop(future, None)
        error = ended.exception()
        if error is None:
            future.set_result(ended.result())
        elif isinstance(error, self.ray.exceptions.RayTaskError):   # it ran, or could not be unpacked there
            future.set_exception(error.as_instanceof_cause())
        else:   # worker, node or memory gone
            future.set_exception(BrokenExecutor(str(error).partition("\n")[0]))

    def shutdown(self, wait=True, *, cancel_futures=False):
        if not wait:
            for reference in list(self.running.values()):
                self.ray.cancel(reference, force=True)
        if self.ours:
            self.ray.shutdown()


@contextlib.contextmanager
def local_ray():
    """A Ray cluster of this machine alone, for the calls in a ``with`` block: `run` with ``ray="auto"``, Ray Tune.

    If this process is already connected to a cluster, that one is used instead and stays connected.

    Raises
    ------
    ImportError, ConnectionError
        Ray is not installed, or did not start.
    """
    with Ray("local"):
        yield


def _connect(ray, address):
    """Join the cluster at an address, or start one here; if that fails, raise a ConnectionError of one sentence."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    if address == "local":
        try:
            ray.init(address, include_dashboard=False, **quiet)
        except Exception as error:   # Ray raises bare exceptions
            ray.shutdown()
            reason = str(error).partition(". ")[0]
            raise ConnectionError(f"Ray did not start on this machine ({type(error).__name__}: {reason}): try again "
                                  "when the machine is less busy.") from error
        return
    host, colon, port = address.rpartition(":")
    try:
        if colon and "://" not in address:
            socket.create_connection((host, int(port)), timeout=5).close()   # Ray itself would wait for minutes
        ray.init(address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConnectionError(f"There is no Ray cluster at {address!r} ({type(error).__name__}): start one with "
                              '`ray start --head`, or pass ray="local".') from error
