"""Servers in processes of their own, on ports of this machine that nobody else has."""

import contextlib
import socket
import subprocess
import time

import requests


def free_ports(count=1):
    """That many ports, all different."""
    with contextlib.ExitStack() as together:
        sockets = [together.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def running(command, log, *, asks, answers=200, ending=30, **options):
    """Run a server until the end of the block, which begins once the server answers.

    Parameters
    ----------
    command : list of str
    log : pathlib.Path
        Where it writes.
    asks : str
        An address, from which it answers with the status `answers` when it is ready.
    ending : float
        Seconds that it has to end when it is told to; then it is killed.
    **options
        For `subprocess.Popen`.

    Raises
    ------
    RuntimeError
        It did not answer in two minutes; the message quotes the end of its log.
    """
    with open(log, "w") as file, subprocess.Popen(command, stdout=file, stderr=file, **options) as process:
        try:
            end = time.monotonic() + 120
            while not _answers(asks, answers):
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError(f"{' '.join(map(str, command[:4]))} did not start: {log.read_text()[-2000:]}")
                time.sleep(0.25)
            yield
        finally:
            process.terminate()
            try:
                process.wait(ending)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(address, status):
    with contextlib.suppress(requests.RequestException):
        return requests.get(address, timeout=5).status_code == status
    return False
