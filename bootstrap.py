"""Set up the course in .venv: `python3 bootstrap.py`. `make lab` and `make test` call this first.

Only the standard library, and syntax that old Pythons can still read: the first thing
this file has to do is to say, in one sentence, when the Python is not the right one.
"""
import hashlib
import os
import shutil
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 13)
ROOM = 4e9  # bytes: the environment takes 2 GB, its downloads and their unpacking the rest
HOME = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HOME, ".venv")
BIN = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin")
STAMP = os.path.join(VENV, "installed")
EXTRAS = "[dev]"


def problem_with_python(version, found=shutil.which):
    """One sentence if this Python cannot run the course, else None."""
    if OLDEST <= version[:2] <= NEWEST:
        return None
    names = ["python3.%d" % minor for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    there = [name for name in names if found(name)]
    return "Python %d.%d is too %s (TensorFlow runs on 3.%d to 3.%d): %s." % (
        version[0], version[1], "old" if version[:2] < OLDEST else "new", OLDEST[1], NEWEST[1],
        "run the same command with PYTHON=%s at its end" % there[0] if there else
        "install Python 3.%d and run the same command with PYTHON=python3.%d at its end" % (
            NEWEST[1], NEWEST[1]))


def problem_with_venv():
    """One sentence if virtual environments cannot be made, else None."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return ("Python's venv module is missing: install it (on Debian and Ubuntu: "
                "apt install python%d.%d-venv) and run the same command again." % sys.version_info[:2])
    return None


def problem_with_disk(free):
    """One sentence if `free` bytes are too few, else None."""
    if free >= ROOM:
        return None
    return "Too little disk space: the course needs %.0f GB and %.1f GB are free; make room and run " \
           "the same command again." % (ROOM / 1e9, free / 1e9)


def problem_with_install(errors):
    """One sentence for what pip wrote to its standard error."""
    if "No space left" in errors or "Errno 28" in errors:
        return "The disk filled up while installing: make room (4 GB) and run the same command again."
    if any(sign in errors for sign in ("NewConnectionError", "NameResolutionError", "timed out",
                                       "Temporary failure", "ProxyError", "Connection refused",
                                       "Network is unreachable", "Failed to establish")):
        return ("The package index could not be reached: set-up needs a network once (behind a proxy, "
                "set HTTPS_PROXY); connect and run the same command again.")
    return "Installing failed; pip's message stands above. Mend it, or remove .venv, and run the same command again."


def fingerprint():
    """What decides whether anything must be installed again."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("requirements.lock", "pyproject.toml"):
        with open(os.path.join(HOME, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest() + " " + HOME   # a moved folder needs its environment made anew


def run(*command):
    """Run a command with its output on the terminal; return (succeeded, what it wrote to stderr)."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=HOME)
    errors = []
    for line in process.stderr:
        text = line.decode("utf-8", "replace")
        errors.append(text)
        sys.stderr.write(text)
    return process.wait() == 0, "".join(errors)


def install():
    """Make .venv and install the lock and the course; one sentence if that failed, else None."""
    if os.path.exists(VENV):
        shutil.rmtree(VENV)
    print("Setting up the course in .venv: 2 GB, a few minutes, once.", flush=True)
    done, _ = run(sys.executable, "-m", "venv", VENV)
    if not done:
        return problem_with_venv() or problem_with_disk(0)
    pip = [os.path.join(BIN, "python"), "-m", "pip", "install", "--quiet", "--progress-bar", "off",
           "--disable-pip-version-check", "--retries", "2"]
    for what in (["-r", "requirements.lock"], ["--no-deps", "--no-build-isolation", "-e", "." + EXTRAS]):
        done, errors = run(*(pip + what))
        if not done:
            return problem_with_install(errors)
    with open(STAMP, "w") as file:
        file.write(fingerprint())
    return None


def main():
    problem = problem_with_python(sys.version_info)
    if not problem:
        if os.path.exists(STAMP):
            with open(STAMP) as file:
                if file.read() == fingerprint():
                    return None
        problem = problem_with_venv() or problem_with_disk(shutil.disk_usage(HOME).free) or install()
    return problem


if __name__ == "__main__":
    sys.exit(main())
