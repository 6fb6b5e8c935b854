"""Set up the course in .venv: `python3 bootstrap.py`, as `make lab` does, for learners;
`python3 bootstrap.py --dev`, as `make test` does, also for those who change the course.

A folder `wheels` next to this file, as `make bundle` writes it, takes the place of the network.

Only the standard library, and syntax that Python 3.6 can still read: the first thing
this file has to do is to say, in one sentence, when the Python is not the right one.
"""
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import threading

OLDEST, NEWEST = (3, 11), (3, 13)
ROOM = 4e9  # bytes: the environment takes 2.4 GB, its downloads and their unpacking the rest
HOME = os.path.dirname(os.path.realpath(__file__))
VENV = os.path.join(HOME, ".venv")
PYTHON = os.path.join(VENV, *(["Scripts", "python.exe"] if os.name == "nt" else ["bin", "python"]))
STAMP = os.path.join(VENV, "installed")
SETTINGS = os.path.join(VENV, "share", "jupyter", "lab", "settings", "overrides.json")
# Without these, JupyterLab starts with a question about news, and shows the source of the course's Markdown pages.
OVERRIDES = """{
  "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false},
  "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}}
}
"""
LOCKS = ["requirements.lock", "requirements-dev.lock"]  # what learners need; what contributors also need
WHEELS = os.path.isdir(os.path.join(HOME, "wheels"))
PIP = [PYTHON, "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check",
       "--no-input", "--retries", "2"] + (["--no-index", "--find-links", "wheels"] if WHEELS else [])
OFFLINE = ("NewConnectionError", "NameResolutionError", "Failed to establish", "Temporary failure",
           "Network is unreachable", "Connection refused", "timed out", "ProxyError", "SSLError")
FAILED = "Installing failed for the reason above: mend that and run the same command again."


def run(command, hear=lambda line: None):
    """Run a command, let `hear` have each line it prints; (succeeded, its standard error)."""
    try:
        process = subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
    except OSError as error:
        return False, str(error)
    errors = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr))  # or a full pipe blocks
    with process:
        reader.start()
        try:
            for line in process.stdout:
                hear(line.decode("utf-8", "replace"))
        except BaseException:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)  # the Ctrl-C has reached it too: let it tidy up
            process.kill()
            raise
        finally:
            reader.join()
    return process.returncode == 0, b"".join(errors).decode("utf-8", "replace")


def starts(python):
    """Whether this command starts a Python: a version manager's shim can be on PATH and not run."""
    return run([*python.split(), "--version"])[0]


def problem_with_python(version, starts=starts):
    """One sentence if this Python cannot run the course, else None."""
    if OLDEST <= version[:2] <= NEWEST:
        return None
    python = "py -3." if os.name == "nt" else "python3."
    names = [f"{python}{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    there = [name for name in names if starts(name)]
    return (f"Python {version[0]}.{version[1]} is too {'old' if version[:2] < OLDEST else 'new'} "
            f"(TensorFlow runs on 3.{OLDEST[1]} to 3.{NEWEST[1]}): "
            f"{'' if there else f'install Python 3.{NEWEST[1]} and '}run "
            f"`{(there or names)[0]} bootstrap.py` once; `make` uses that Python from then on.")


def problem_with_venv():
    """One sentence if virtual environments cannot be made, else None."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return ("Python's venv module is missing: install it (on Debian and Ubuntu: apt install "
                f"python3.{sys.version_info[1]}-venv) and run the same command again.")
    return None


def problem_with_disk(free):
    """One sentence if `free` bytes are too few, else None."""
    if free >= ROOM:
        return None
    return (f"Too little disk space: the course needs {ROOM / 1e9:.0f} GB and {free / 1e9:.1f} GB "
            "are free; make room and run the same command again.")


def without_warnings(errors):
    """What pip wrote to its standard error, less its warnings, of which there can be hundreds."""
    return "".join(line for line in errors.splitlines(True)
                   if not line.lstrip().startswith("WARNING"))


def problem_with_install(errors):
    """One sentence for what pip wrote to its standard error."""
    if "No space left" in errors or "Errno 28" in errors:
        return (f"The disk filled up while installing: make room ({ROOM / 1e9:.0f} GB, here and where "
                "TMPDIR points) and run the same command again.")
    if WHEELS and "No matching distribution" in errors:
        return (f"The folder wheels lacks a package for Python 3.{sys.version_info[1]} on this system: run "
                "`make bundle` with such a Python on such a system, or remove the folder and connect to the network.")
    # pip warns of a failed connection and tries again: that counts only if it found nothing at all.
    fatal = errors if "(from versions: none)" in errors else without_warnings(errors)
    signs = [sign for sign in OFFLINE if sign in fatal]
    if signs:
        return (f"The package index could not be reached ({signs[0]}): set-up needs a network once "
                "(behind a proxy, set HTTPS_PROXY); connect and run the same command again.")
    return FAILED


def fingerprint(locks):
    """What .venv depends on, in parts: the Python and the folder; then the packages of each lock."""
    parts = [hashlib.sha256(os.fsencode(sys.version + HOME))]
    for lock in locks:
        parts.append(hashlib.sha256())
        for name in (lock, "pyproject.toml"):
            with open(os.path.join(HOME, name), "rb") as file:
                parts[-1].update(file.read())
    return [part.hexdigest() for part in parts]


def stamp():
    """The fingerprint .venv was completed with; empty if it is half made or not there."""
    if not (os.path.exists(STAMP) and os.path.exists(PYTHON)):
        return []
    with open(STAMP) as file:
        return file.read().split()


def unstamp():
    """Say that .venv is half made, until it is stamped again."""
    if os.path.exists(STAMP):
        os.remove(STAMP)


def say(text):
    """Show `text` in place of the last one; only on a terminal."""
    if sys.stdout.isatty():
        print(f"\r  {text:<30}\r", end="", flush=True)


class Progress:
    """Hears what pip prints and says how far it is."""

    def __init__(self, locks):
        self.done = self.total = 0
        for name in locks:
            with open(os.path.join(HOME, name)) as file:
                self.total += len(file.readlines())

    def __call__(self, line):
        if line.startswith("Ignoring "):  # a package for other systems or Pythons
            self.total -= 1
        elif "(from -r requirements" in line:  # found, or installed already
            self.done += 1
            say(f"{self.done} of {self.total} packages")
        elif line.startswith("Installing collected packages"):
            unstamp()
            say("installing ...")


def install(locks, anew):
    """Install the locks and the course, `anew` into a new .venv; one sentence if that failed."""
    print("Setting up the course in .venv: 2 GB, a few minutes, once." if anew else
          "Adding to .venv what contributors need." if stamp() == fingerprint(locks)[:-1] else
          "The packages of the course have changed: bringing .venv up to date.", flush=True)
    commands = [[*PIP, *(word for name in locks for word in ("-r", name))],
                [*PIP, "--no-deps", "--no-build-isolation", "-e", "."]]
    if anew:
        if os.path.islink(VENV):
            os.unlink(VENV)  # or --clear would empty the folder of somebody else that it points to
        unstamp()
        commands.insert(0, [sys.executable, "-m", "venv", "--clear", VENV])
    for command in commands:
        done, errors = run(command, Progress(locks))
        say("")
        if not done:
            problem = problem_with_install(errors)
            if problem == FAILED:
                sys.stderr.write(without_warnings(errors))
            return problem
    os.makedirs(os.path.dirname(SETTINGS), exist_ok=True)
    with open(SETTINGS, "w") as file:
        file.write(OVERRIDES)
    with open(STAMP, "w") as file:
        file.write("\n".join(fingerprint(locks)))
    print("The course is set up.")
    return None


def set_up(locks):
    """Do what is left to do; one sentence if that failed, else None."""
    problem, wanted, there = problem_with_python(sys.version_info), fingerprint(locks), stamp()
    if problem or there[:len(wanted)] == wanted:  # a .venv for contributors is one for learners, too
        return problem
    if there[:1] == wanted[:1] and run([PYTHON, "-c", "import pip"])[0]:
        return install(locks, anew=False)
    return (problem_with_venv() or problem_with_disk(shutil.disk_usage(HOME).free)
            or install(locks, anew=True))


def main(dev):
    """Set up for learners or, with `dev`, also for contributors; one sentence if that failed or was stopped."""
    try:
        return set_up(LOCKS if dev else LOCKS[:1])
    except KeyboardInterrupt:
        sys.stderr.write("\n")  # behind the terminal's ^C
        return "Stopped before the course was set up: run the same command again to finish."
    except OSError as error:
        return f"Set-up failed ({error}): mend that and run the same command again."


if __name__ == "__main__":
    sys.exit(main("--dev" in sys.argv[1:]))
