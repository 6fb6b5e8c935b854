"""A fence around one submission: the code of strangers, run by ``course grade``.

Where Linux allows it, a submission runs as an unprivileged user in process, network, and mount namespaces of its own:
it sees only its own processes and no network, writes only to folders in memory, and cannot read the home folder, the
solutions, or other submissions. When the first process of a PID namespace ends, the kernel ends all others, so nothing
is left behind. Elsewhere only the limits of the operating system remain, and `Fence.lacks` says what is missing.

INSTRUCTORS.md says what this protects against and what it doesn't.
"""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

MARK = "COURSE_GRADE_RUN"   # the environment variable by which processes of a submission are known
FIRST_USER = 60706   # systemd keeps 60706 to 61183 free: they belong to nobody on any system
KEPT = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "SYSTEMROOT", "PATHEXT", "COMSPEC"}


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one submission, a notebook, may use."""

    seconds: float = 600        # for all of it: --timeout
    cell_seconds: float = 120   # for one cell: --cell-timeout
    cpu_seconds: int = 900      # of computing time, for one process; TensorFlow uses several cores
    memory: int = 4 << 30       # bytes of data, for one process: TensorFlow trains in 1 GB
    processes: int = 512 + 16 * (os.cpu_count() or 1)   # threads count too: TensorFlow has 27 on two cores
    file: int = 256 << 20       # bytes of one file
    folder: int = 1 << 30       # bytes of all files together


def run(words, notebook, environment, shared, tick, *, limits=Limits(), user=FIRST_USER, hidden=(),
        is_over=lambda: False):
    """Run a command inside the fence; the arguments of `course_utils.tools.judging.run_here`, and these.

    Parameters
    ----------
    limits : Limits
    user : int
        Id of the user that runs it if the grader is root; submissions that run at once need different ones.
    hidden : sequence of folders
        What it must not read, in addition to the home folder and the course's own folder.
    is_over : callable
        Whether it should end now.

    Returns
    -------
    tuple of what the command printed, and why it was stopped, or None
    """
    how, mark = fence(), uuid.uuid4().hex
    environment = {name: environment[name] for name in environment
                   if name in KEPT or name.startswith(("TF_CPP_", "TQDM_", "PYTHONHASH", "PYTEST_", "COURSE_CHECK"))}
    with (tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as given):
        given.write(notebook.encode())
        given.seek(0)
        work = pathlib.Path("/tmp/work" if how.namespaces else folder)
        environment |= {MARK: mark, "HOME": str(work.parent / "home" if how.namespaces else work), "USER": "learner",
                        "LOGNAME": "learner", "TMPDIR": str(work.parent if how.namespaces else work)}
        environment |= {name: f"{environment['HOME']}/{name.lower()}" for name in
                        ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "MPLCONFIGDIR")}
        words = [sys.executable, "-m", __name__, json.dumps(_rlimits(limits, how)), *words]
        if how.namespaces:
            words = [*how.namespaces, "sh", "-c", _script(user if how.is_root else None, limits, hidden), "sh", *words]
        else:
            pathlib.Path(folder, "notebook.ipynb").write_text(notebook, encoding="utf-8")
            if how.is_root:
                for path in (folder, f"{folder}/notebook.ipynb"):
                    os.chown(path, user, user)
                words = [*_unprivileged(user), *words]
        process = subprocess.Popen(words, cwd=folder, env=environment, stdin=given, stdout=log, pass_fds=shared,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        end = time.monotonic() + limits.seconds
        stopped = None
        try:
            while process.poll() is None and not stopped:
                time.sleep(0.1)
                tick()
                if time.monotonic() > end:
                    stopped = f"all cells together took longer than {limits.seconds:g} s"
                if is_over():
                    stopped = "grading was interrupted"
        finally:
            _end(process, how, mark, user)
        log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
        return log.read().decode("utf-8", "replace"), stopped


@dataclasses.dataclass(frozen=True)
class Fence:
    """What this system can do: the words that open namespaces (none if it cannot), and what it lacks."""

    namespaces: list
    is_root: bool
    lacks: str


@functools.cache
def fence():
    """The best fence that works here; it is tried, not guessed."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    opened = ["setpriv", "--pdeathsig", "KILL", "unshare", *([] if is_root else ["--user", "--map-root-user"]),
              "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net", "--ipc", "--uts"]
    probe = [sys.executable, "-c", "import course_utils"]
    why = "it needs Linux"
    if sys.platform == "linux":
        if missing := [word for word in ("setpriv", "unshare", "mount", "ip") if not shutil.which(word)]:
            why = f"the command {missing[0]} is missing (packages util-linux and iproute2)"
        else:
            why = _fails([*opened, "sh", "-c", _script(FIRST_USER if is_root else None, Limits(), ()), "sh", *probe])
            if not why:
                return Fence(opened, is_root, "")
    lacks = (f"This system gives a submission no namespaces of its own ({why}): it can reach the network and read "
             "what {}; only time, memory and output are limited. Grade unknown code in a container: INSTRUCTORS.md "
             "has the command.")
    if is_root and not _fails([*_unprivileged(FIRST_USER), *probe]):
        return Fence([], True, lacks.format("every user can"))
    return Fence([], False, lacks.format("you can" if not is_root else "root can, and change it"))


def _fails(words):
    """Why a command fails, in one line; empty if it works."""
    done = subprocess.run(words, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return (done.stderr.strip().splitlines() or ["it fails"])[-1] if done.returncode else ""


def _unprivileged(user):
    """The words that give up every way to more rights, and root itself if there is a user to become."""
    ids = ["--reuid", str(user), "--regid", str(user), "--clear-groups"] if user else []
    return ["setpriv", *ids, "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


def _script(user, limits, hidden):
    """A shell script that hides everything else from fresh namespaces and runs its arguments in them.

    The notebook comes through the standard input, since the folders it could be read from are hidden.
    """
    import pwd  # not on Windows

    package = pathlib.Path(__file__).parents[1]
    # /run is hidden because of its sockets, e.g. Docker's. HOME may name another home folder than the system does.
    homes = [os.path.expanduser("~"), pwd.getpwuid(os.geteuid()).pw_dir]
    hidden = _outermost(["/tmp", "/run", *homes, package.parent, *hidden])
    needed = {pathlib.Path(path) for folder in (sys.base_prefix, sys.prefix, package)
              for path in (os.path.abspath(folder), os.path.realpath(folder))}
    needed = [path for path in _outermost(needed) if any(path.is_relative_to(folder) for folder in hidden)]
    quoted = [shlex.quote(str(path)) for path in needed]
    tmpfs = "mount -t tmpfs -o nosuid,nodev,size"
    lines = [
        "set -e",
        "ip link set lo up",
        # Nothing of the system can be changed; mounts that refuse to be remounted cannot be written to anyway.
        'while read -r _ _ _ _ where options _; do mount -o "remount,bind,$options,ro" "$(printf %b "$where")" '
        "2>/dev/null || true; done < /proc/self/mountinfo",
        f"{tmpfs}=1m,mode=755 tmpfs /run",
        *(f"mkdir /run/{n}; mount --bind {path} /run/{n}; mount -o remount,bind,ro /run/{n}"
          for n, path in enumerate(quoted)),
        *(f"{tmpfs}=1m,mode=755 tmpfs {shlex.quote(str(path))}" for path in hidden
          if str(path) not in ("/run", "/tmp")),
        f"{tmpfs}={limits.folder},mode=1777 tmpfs /tmp",
        "for other in /var/tmp /dev/shm; do if [ -d $other ]; then mount --bind /tmp $other; fi; done",
        *(f"mkdir -p {path}; mount --move /run/{n} {path}" for n, path in enumerate(quoted)),
        "mkdir /tmp/work /tmp/home; cat > /tmp/work/notebook.ipynb; cd /tmp/work",
        *([f"chown -R {user}:{user} /tmp/work /tmp/home"] if user else []),
        # Not `exec`: the first process of the namespace stays this one, which no submission can end.
        f"{shlex.join(_unprivileged(user))} \"$@\" < /dev/null",
    ]
    return "\n".join(lines)


def _outermost(paths):
    """Existing folders that are not inside one of the others; never the root folder."""
    paths = sorted({pathlib.Path(path) for path in paths if os.path.isdir(path)} - {pathlib.Path("/")})
    return [path for path in paths if not any(path != other and path.is_relative_to(other) for other in paths)]


def _rlimits(limits, how):
    """The limits of the operating system, by their names in `resource`."""
    cpu = int(limits.cpu_seconds)
    rlimits = {"CPU": [cpu, cpu + 5], "DATA": [limits.memory] * 2, "FSIZE": [limits.file] * 2, "CORE": [0, 0]}
    # Without a user or a namespace of its own, the processes of the grader's own desktop would count.
    return rlimits | ({"NPROC": [limits.processes] * 2} if how.namespaces or how.is_root else {})


def _end(process, how, mark, user):
    """End a submission and everything that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    if how.namespaces:
        return   # its processes ended with the first one
    import psutil

    for _ in range(20):   # some may be starting others right now
        alive = [other for other in psutil.process_iter() if _belongs(other, mark, user if how.is_root else None)]
        if not alive:
            break
        for other in alive:
            with contextlib.suppress(psutil.Error):
                other.kill()
        time.sleep(0.05)


def _belongs(process, mark, user):
    """Whether a submission started a process: as a user of its own, or with the mark in its environment."""
    try:
        return process.uids().real == user if user else process.environ().get(MARK) == mark
    except Exception:   # it has ended, or it belongs to another user
        return False


def _limit_and_run(limits, *words):
    """Limit this process and become the command."""
    with contextlib.suppress(ImportError):
        import resource

        for name, pair in json.loads(limits).items():
            with contextlib.suppress(AttributeError, ValueError, OSError):   # a system without this limit
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), tuple(pair))
    os.execvp(words[0], words)


if __name__ == "__main__":
    _limit_and_run(*sys.argv[1:])
