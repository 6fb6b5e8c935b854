"""A fence around one submission: the code of strangers, run by ``course grade``.

Where bubblewrap is installed, the kernel of a submission has processes, a network, and folders of its own: it sees
only its own processes and no network, writes only to folders in memory and to one folder of its judge, and cannot read
the home folder, the checks, the solutions, or other submissions. prlimit bounds what it uses. Where one of them is
missing, `lacks` says what that means. INSTRUCTORS.md says what the fence protects against and what it doesn't.
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import uuid

from course_utils.tools import build

MARK = "COURSE_GRADE_RUN"   # the environment variable by which processes of a submission are known
USER = "60706"   # systemd keeps 60706 to 61183 free: they belong to nobody on any system
KEPT = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH"}


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one submission, a notebook, may use."""

    seconds: float = 600        # for all of it: --timeout
    cell_seconds: float = 120   # for one cell: --cell-timeout
    cpu_seconds: int = 900      # of computing time, for one process; TensorFlow uses several cores
    memory: int = 4 << 30       # bytes of data, for one process: TensorFlow trains in 1 GB
    processes: int = 512 + 16 * (os.cpu_count() or 1)   # threads count too: TensorFlow has 27 on two cores
    file: int = 256 << 20       # bytes of one file
    folder: int = 1 << 30       # bytes of all files in one folder


@dataclasses.dataclass(frozen=True)
class Fence:
    """What surrounds one submission.

    Attributes
    ----------
    words : list of str
        The command that starts its kernel; they come before the kernel's own words.
    limits : list of str
        Words before the command of its judge, which has to read what the kernel sends.
    seconds, folder : float
        For all of it, and bytes of the folder through which the kernel and its judge meet.
    is_over : callable
        Whether it should end now.
    mark : str
        Value of the environment variable `MARK` in all of its processes.
    """

    words: list = dataclasses.field(default_factory=list)
    limits: list = dataclasses.field(default_factory=list)
    seconds: float = float("inf")
    folder: float = float("inf")
    is_over: object = lambda: False
    mark: str = ""

    def end(self, process):
        """End the judge of a submission, and everything that the submission started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        if not self.mark or not lacks():
            return   # its processes ended with the first one
        import psutil

        for other in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if other.environ().get(MARK) == self.mark:
                    other.kill()


NONE = Fence()


def around(limits, *, hidden=(), is_over=lambda: False):
    """The best fence for a submission that this system allows.

    Parameters
    ----------
    limits : Limits
    hidden : sequence of folders
        What it must not read, in addition to the home folder and the course's own folder.
    is_over : callable
        As in `Fence`.
    """
    cpu, bounds = int(limits.cpu_seconds), []
    if shutil.which("prlimit"):
        bounds = ["prlimit", f"--cpu={cpu}:{cpu + 5}", f"--data={limits.memory}", f"--fsize={limits.file}", "--core=0"]
    # Without a user of its own, the processes of the grader's own desktop would count.
    fence = [] if lacks() else _bubble(limits, hidden)
    processes = [f"--nproc={limits.processes}"] if fence and bounds else []
    return Fence([*fence, *bounds, *processes], bounds, limits.seconds, limits.folder, is_over, uuid.uuid4().hex)


@functools.cache
def lacks():
    """What this system cannot do, in one or more sentences; empty if it can do everything. It is tried, not guessed."""
    without = "" if shutil.which("prlimit") else " Memory, files, and computing time are not limited either."
    if not shutil.which("bwrap"):
        why = "bubblewrap is not installed"
    else:
        why = _fails([*_bubble(Limits(), ()), sys.executable, "-c", "import course_utils"])
        if not why:
            return "" if not without else f"prlimit (package util-linux) is not installed.{without}"
    return (f"Submissions are not fenced in ({why}): they can reach the network and read and change what you can, and "
            f"the answer keys.{without} Grade unknown code in a container: INSTRUCTORS.md has the command.")


def _fails(words):
    """Why a command fails, in one line; empty if it works."""
    done = subprocess.run(words, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return (done.stderr.strip().splitlines() or ["it fails"])[-1] if done.returncode else ""


def _bubble(limits, hidden):
    """Bubblewrap's words; ``{folder}`` is the only folder through which the kernel and its judge meet."""
    package = pathlib.Path(__file__).parents[1]
    # /run is hidden because of its sockets, e.g. Docker's. HOME may name a different home folder from the system's.
    homes = [os.path.expanduser("~"), *_home_of_the_system()]
    hidden = _outermost(["/tmp", "/run", "/var/tmp", *homes, package.parent, *hidden])
    needed = _outermost(path for folder in (sys.base_prefix, sys.prefix, package)
                        for path in (os.path.abspath(folder), os.path.realpath(folder)))
    environment = {name: value for name, value in os.environ.items()
                   if name in KEPT or name.startswith(("TF_CPP_", "TQDM_", "PYTHONHASH"))}
    environment |= build.QUIET | {"HOME": "/tmp/home", "USER": "learner", "LOGNAME": "learner", "TMPDIR": "/tmp"}
    small, large = ["--size", str(1 << 20)], ["--size", str(limits.folder)]
    return ["bwrap", "--unshare-all", "--unshare-user", "--uid", USER, "--gid", USER, "--cap-drop", "ALL",
            "--die-with-parent", "--new-session", "--clearenv",
            *_each("--setenv", environment.items()),
            "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", *large, "--tmpfs", "/dev/shm",
            *(word for path in hidden for word in (*(large if path == pathlib.Path("/tmp") else small),
                                                   "--tmpfs", str(path))),
            *_each("--ro-bind-try", ((str(path), str(path)) for path in needed)),
            *small, "--tmpfs", str(package / "checks"),
            *_each("--remount-ro", ([str(path)] for path in [*hidden, package / "checks"] if str(path) != "/tmp")),
            *_each("--bind-try", [("{folder}", "{folder}")]),
            "--dir", "/tmp/work", "--dir", "/tmp/home", "--chdir", "/tmp/work"]


def _each(option, groups):
    return [word for group in groups for word in (option, *group)]


def _home_of_the_system():
    with contextlib.suppress(ImportError, KeyError):   # not on Windows; a user without an entry
        import pwd

        return [pwd.getpwuid(os.geteuid()).pw_dir]
    return []


def _outermost(paths):
    """Existing folders that are not inside one of the others; never the root folder."""
    paths = sorted({pathlib.Path(path) for path in paths if os.path.isdir(path)} - {pathlib.Path("/")})
    return [path for path in paths if not any(path != other and path.is_relative_to(other) for other in paths)]
