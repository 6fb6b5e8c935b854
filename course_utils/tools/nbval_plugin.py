"""What `judging` adds to nbval, as a plugin of pytest.

nbval's own report only says "Cell 4". This plugin records what each cell printed and how it ended, and it notices at
once if the kernel died or a cell prints without end.
"""

import collections
import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import time

import pytest

from course_utils.tools import build

PRINTED = 10e6   # bytes that one cell may print
RECORD = "COURSE_CHECK_RECORD"   # the environment variable that says where to write
# A check is imported from its file even where an answer has replaced it in memory.
FRESH = """\
import sys
for name in [name for name in sys.modules if name.startswith("course_utils.checks")]:
    del sys.modules[name]
"""

_channel = None   # where records are written, if anywhere


class _Died(Exception):
    """The kernel died while a cell was running."""


def pytest_configure(config):
    """Start recording, in a process that the learner's code cannot look into."""
    global _channel
    if RECORD not in os.environ:
        return
    import nbval.kernel

    channel = os.environ.pop(RECORD)   # so that the kernel does not inherit it
    _channel = int(channel) if channel.isdigit() else channel
    if isinstance(_channel, int):
        os.set_inheritable(_channel, False)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)   # PR_SET_DUMPABLE: closes its memory and files to the same user
    nbval.kernel.RunningKernel.get_message = _get_message


def pytest_collection_finish(session):
    """Record that the notebook was read, and make each cell import its check anew."""
    _record({"id": None})
    for item in session.items:
        if build.CHECKED in item.cell.metadata.get("tags", []):
            item.cell.source = FRESH + item.cell.source


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Record whether a cell ended as it should, what it printed, and its error."""
    if call.when != "call":
        return
    outputs = item.test_outputs or []
    error = next((output for output in outputs if output.output_type == "error"), None)
    reason = call.excinfo and call.excinfo.value
    flooded = getattr(item.parent.kernel, "printed", 0) > PRINTED
    _record({"id": item.cell.id, "passed": not (reason or flooded), "failure": str(reason or "")[:1000],
             "died": str(reason) if isinstance(reason, _Died) else None, "flooded": flooded,
             "outputs": [{"text": output.get("text", "")[:2000]} for output in outputs],
             "error": error and {"ename": error.ename[:1000], "evalue": error.evalue[:1000],
                                 "traceback": [frame[-20_000:] for frame in error.traceback[-50:]]}})


def _record(record):
    if _channel is not None:
        with open(_channel, "a", encoding="utf-8", closefd=not isinstance(_channel, int)) as file:
            file.write(json.dumps(record) + "\n")


def _get_message(kernel, stream, timeout=None):
    """The message that nbval waits for, while watching for a kernel that died or prints without end."""
    received = kernel.__dict__.setdefault("received", collections.deque())
    if stream == "iopub":
        return received.popleft() if received else _bounded(kernel, kernel.kc.get_iopub_msg(timeout=timeout))
    end = time.monotonic() + timeout
    while True:
        with contextlib.suppress(queue.Empty):
            for _ in range(100):   # then look at the clock, however many messages there are
                received.append(_bounded(kernel, kernel.kc.get_iopub_msg(timeout=0), kernel.interrupt))
        try:
            reply = kernel.kc.get_shell_msg(timeout=0.2)
            if any(payload.get("source") == "ask_exit" for payload in reply["content"].get("payload", [])):
                _wait_for_the_end(kernel)
            return reply
        except queue.Empty:
            if not kernel.is_alive():
                raise _Died(_how_it_died(kernel)) from None
            if time.monotonic() > end:
                raise


def _wait_for_the_end(kernel, seconds=5):
    """Wait for a kernel to end after ``exit()``, so that chance does not decide whether one more cell runs."""
    end = time.monotonic() + seconds
    while kernel.is_alive() and time.monotonic() < end:
        time.sleep(0.05)


def _bounded(kernel, message, interrupt=lambda: None):
    """A message from the kernel, without its content if the cell has already printed too much."""
    content, cell = message["content"], message["parent_header"].get("msg_id")
    if cell != getattr(kernel, "cell", None):
        kernel.cell, kernel.printed = cell, 0
    if message["msg_type"] in ("stream", "display_data", "execute_result"):
        before = kernel.printed
        kernel.printed += 500 + len(content.get("text", "")) + sum(
            len(str(value)) for value in content.get("data", {}).values())
        if kernel.printed > PRINTED:
            content |= {"text": ""} if "text" in content else {"data": {}}
            if before <= PRINTED:
                interrupt()
    return message


def _how_it_died(kernel):
    code = getattr(getattr(kernel.km.provisioner, "process", None), "returncode", None)
    if code in (None, 0) or code > 0:
        return "look for exit, os._exit or os.kill"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return {"SIGXCPU": "it used more computing time than it may",
            "SIGKILL": "it was killed, perhaps for the memory it used",
            }.get(name, f"it was ended by {name}, perhaps for the memory it used")
