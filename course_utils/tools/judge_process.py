"""The judge: runs a learner's cells in a kernel and judges them here, in a process that their code cannot reach.

    python -m course_utils.tools.judge_process parent seconds [words that start the kernel …]

It reads the paths of merged notebooks and prints one line of JSON for each of their cells. Where answers and checks
share a kernel, in the solutions and in a learner's own notebook, nbval compares what the check cells print instead.
"""

import ast
import collections
import contextlib
import ctypes
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import symtable
import sys
import tempfile
import time

import nbformat
import zmq
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

from course_utils import checks
from course_utils.checks import progress
from course_utils.remote import answering, asking
from course_utils.tools import build
from course_utils.tools.stale import stale

PRINTED = 10e6   # bytes that one cell may print
LONGEST = 2000   # characters of a line
GRACE = 5   # seconds in which an interrupted cell has to end
STARTING = 120   # seconds in which a kernel has to start
KERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
SERVE = "__import__('course_utils.remote.answering', fromlist=['serve'])"
SHELL = "__import__('IPython').get_ipython()"


class Ended(BaseException):
    """A cell did not end as it should; the message says how it ended. No check may catch it."""


class _Manager(KernelManager):
    """Starts this Python's kernel after some other words, whatever kernels are installed."""

    words = ()

    @property
    def kernel_spec(self):
        """What to start; an interrupt is a message, since a signal would only reach the first process."""
        return KernelSpec(argv=[*self.words, *KERNEL], interrupt_mode="message", language="python")


class Kernel:
    """A kernel with limits on what a cell may print, and how long it may run.

    Parameters
    ----------
    parent : int
        Process that waits for the results; without it, the kernel ends.
    seconds : float
        For one cell, or one check.
    command : list of str
        Words before the kernel's own, e.g. those that fence it in. They may name ``{folder}``, which the kernel has to
        reach.
    """

    def __init__(self, parent, seconds, command=()):
        self.parent, self.seconds, self.dead = parent, seconds, None
        self.folder = tempfile.TemporaryDirectory()
        self.manager = _Manager(connection_file=str(pathlib.Path(self.folder.name, "kernel.json")))
        self.manager.words = [word.replace("{folder}", self.folder.name) for word in command]
        if command:   # in a network of its own, only files can be reached
            self.manager.transport, self.manager.ip = "ipc", str(pathlib.Path(self.folder.name, "socket"))
        environment = {name: value for name, value in os.environ.items() if name != progress.SESSION}
        self.manager.start_kernel(env=environment | build.QUIET, cwd=self.folder.name,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = self.manager.client()
        self.client.start_channels(hb=False)
        try:
            self.client.wait_for_ready(timeout=STARTING)
        except RuntimeError as error:
            self.stop()
            raise RuntimeError(f"The kernel could not be started: {error}") from None

    def stop(self):
        """End the kernel and all that belongs to it."""
        with contextlib.suppress(Exception):
            self.client.stop_channels()
        with contextlib.suppress(Exception):
            self.manager.shutdown_kernel(now=True)
        self.folder.cleanup()

    def is_alive(self):
        """Whether it can still run something."""
        return not self.dead and self.manager.is_alive()

    def execute(self, code, *, until=None, on_prompt=None, **options):
        """Run code; the reply's content, and the error that the cell ended with, or None. Raises `Ended`."""
        if self.dead:
            raise Ended("was not run, since the kernel died before")
        until = until or time.monotonic() + self.seconds
        number = self.client.execute(code, allow_stdin=on_prompt is not None, stop_on_error=False, **options)
        channels = [self.client.iopub_channel, self.client.shell_channel, self.client.stdin_channel]
        poller = zmq.Poller()
        for channel in channels:
            poller.register(channel.socket, zmq.POLLIN)
        reply = error = stopped = None
        idle, printed = False, 0
        while reply is None or not idle:
            ready = dict(poller.poll(200))
            for channel in channels:
                if channel.socket not in ready:
                    continue
                message = channel.get_msg(timeout=1)
                content, kind = message["content"], message["msg_type"]
                if message["parent_header"].get("msg_id") != number:
                    continue
                if kind == "input_request":
                    self.client.input(on_prompt(content["prompt"]) if on_prompt else "")
                elif kind == "execute_reply":
                    reply = content
                elif kind == "error":
                    error = content
                elif kind == "status":
                    idle = content["execution_state"] == "idle"
                elif kind in ("stream", "display_data", "execute_result"):
                    printed += 500 + len(json.dumps(content.get("data") or content.get("text", ""), default=str))
            if not ready and not self.manager.is_alive():
                self.dead = self._how_it_died()
                raise Ended(stopped or f"was not finished, since the kernel died: {self.dead}")
            if os.getppid() != self.parent:
                raise Ended("was not run, since nobody waits for it")
            is_late = time.monotonic() > until
            if stopped and is_late:
                self._kill()
                break
            if not stopped and (is_late or printed > PRINTED):
                stopped = (f"does not end within {self.seconds:g} s: look for a loop that never stops" if is_late else
                           f"prints more than {PRINTED / 1e6:g} MB: look for a print in a loop that never stops")
                until = time.monotonic() + GRACE
                self.manager.interrupt_kernel()
        if stopped:
            raise Ended(stopped)
        if any(payload.get("source") == "ask_exit" for payload in reply.get("payload", [])):
            self._kill()
        return reply, error

    def _kill(self):
        self.manager.shutdown_kernel(now=True)
        self.dead = "it was ended"

    def _how_it_died(self):
        code = self.manager.provisioner.process.returncode if self.manager.provisioner.process else None
        code = code - 128 if code and code > 128 else -(code or 0)   # what a command around the kernel tells of it
        if code <= 0 or code not in set(signal.Signals):
            return "look for exit, os._exit or os.kill"
        return {"SIGXCPU": "it used more computing time than it may",
                "SIGKILL": "it was killed, perhaps for the memory it used",
                }.get(signal.Signals(code).name, f"it was ended by {signal.Signals(code).name}, perhaps for the memory "
                                                 "it used")


def judge(kernel, cell):
    """The line of a check cell, whose answers are in the kernel."""
    until = time.monotonic() + kernel.seconds

    def ask(request, on_call=lambda prompt: ["enough"]):
        def on_prompt(prompt):
            if not prompt.startswith(answering.CALLBACK):   # an `input` of the learner's
                return ""
            return json.dumps(on_call(json.loads(prompt.removeprefix(answering.CALLBACK))))

        expression = f"{SERVE}.serve({json.dumps(request)!r}, {SHELL}.user_ns, {SHELL}.kernel)"
        reply, _ = kernel.execute("", until=until, on_prompt=on_prompt, silent=True, store_history=False,
                                  user_expressions={"reply": expression})
        value = reply.get("user_expressions", {}).get("reply", {})
        if value.get("status") != "ok":
            return {"error": f"the answer cannot be used ({value.get('ename')}: {value.get('evalue')})"}
        return json.loads(ast.literal_eval(value["data"]["text/plain"]))

    number, _ = place_of(cell)
    try:
        answers = asking.fetch(_free_names(cell.source), ask)
    except Exception as error:   # whatever was sent can't be used
        return checks.line_of(number, error)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(cell.source, {"__name__": "check"} | answers)
    except NameError as error:
        return f"✗ {number} has no answer: {error}"
    return printed.getvalue().strip()


def _free_names(source):
    """Names that code uses, and does not define at its top."""
    top = symtable.symtable(source, "check", "exec")
    tables = [top, *top.get_children()]
    used = {symbol.get_name() for table in tables for symbol in table.get_symbols()
            if symbol.is_referenced() and (table is top or symbol.is_global())}
    return used - {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}


class Session:
    """The cells of a notebook that have run in one kernel, which is kept for the notebook's next version."""

    def __init__(self, *options):
        self.options = options   # of `Kernel`
        self.kernel, self.found = None, []   # (source, line) of the cells that have run to their end
        self.unfinished = set()   # ids of cells that may end in another way when they run again

    def run(self, notebook):
        """Yield the line of each cell of a merged notebook; that of a learner's cell that ran is empty."""
        sources, found = [cell.source for cell in notebook.cells], self.found
        plan = self.kernel and self.kernel.is_alive() and stale([source for source, _ in self.found], sources)
        if not plan:
            self.close()
            self.kernel = Kernel(*self.options)
            self.kernel.execute("from course_utils.remote import answering\nanswering.withhold()\ndel answering",
                                silent=True, store_history=False)
            plan = [True] * len(sources), set()
        again, forgotten = plan
        if forgotten:
            self.kernel.execute("\n".join(f"globals().pop({name!r}, None)" for name in sorted(forgotten)), silent=True,
                                store_history=False)
        kept, self.found, self.unfinished = collections.defaultdict(list), [], set()
        for source, line in found:
            kept[source].append(line)
        for cell, runs in zip(notebook.cells, again, strict=True):
            line = self._line(cell) if runs else kept[cell.source].pop(0)
            if cell.id not in self.unfinished and (place_of(cell)[1] or not line):
                self.found.append((cell.source, line))
            yield line

    def _line(self, cell):
        where, is_check = place_of(cell)
        try:
            if is_check:
                return judge(self.kernel, cell)
            _, error = self.kernel.execute(cell.source)
            return f"✗ {where} {_sentence(error)}" if error else ""
        except Ended as ended:
            self.unfinished.add(cell.id)
            return f"✗ {where} {ended}"
        except Exception as error:   # whatever was sent can't be used
            return checks.line_of(where, error)

    def close(self):
        """End the kernel."""
        if self.kernel:
            self.kernel.stop()


def place_of(cell):
    """The number of the question or the name of the cell, and whether it is a check."""
    if build.CHECKED in cell.metadata.get("tags", []):
        return cell.id.split("check-")[1].replace("-", "."), True
    return cell.id.replace("-", " "), False


def _sentence(error):
    what = f"{error['ename'][:LONGEST]}: {next(iter(error['evalue'][:LONGEST].splitlines()), '')}"
    line = line_of(error["traceback"])
    return f"stops at `{line}` with {what}" if line else f"stops with {what}"


def line_of(traceback):
    """The learner's line in a traceback of IPython: the last one that belongs to a cell."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(frame[-20_000:] for frame in traceback[-50:]))
    frames = re.split(r"^(?=(?:File |Cell In|  Cell In))", text, flags=re.MULTILINE)
    for frame in reversed([frame for frame in frames if "Cell In" in frame.partition("\n")[0]]):
        if pointed := re.search(r"^-*> ?\d+ (.*)$", frame, re.MULTILINE):
            return pointed[1].strip()
        if (written := frame.partition("\n")[2]).startswith(" "):   # a syntax error
            return written.partition("\n")[0].strip()
    return None


def main(parent, seconds, *command):
    """Judge one merged notebook after the other, whose paths are read; print a line of JSON for each cell."""
    os.environ.pop(progress.SESSION, None)   # what a check notes belongs to whoever runs it in a notebook
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)   # PR_SET_DUMPABLE: closes its memory and files to the same user
    # What TensorFlow prints goes elsewhere than the verdicts.
    verdicts = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session = Session(int(parent), float(seconds), command)
    try:
        for path in sys.stdin:
            notebook = nbformat.read(path.rstrip("\n"), 4)
            for cell, line in zip(notebook.cells, session.run(notebook), strict=True):
                passed = line[:1] == "✓" if place_of(cell)[1] else not line
                print(json.dumps([line[:LONGEST], passed]), file=verdicts, flush=True)
    finally:
        session.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
