"""The course can be set up: its lists of packages agree, and bootstrap.py keeps its word."""

import ast
import importlib.metadata
import importlib.util
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.helpers.sentences import is_one_sentence

ROOT = Path(__file__).parents[1]


def read(name):
    return (ROOT / name).read_text("utf-8")


PROJECT = tomllib.loads(read("pyproject.toml"))
ENVIRONMENT = yaml.safe_load(read("environment.yml"))
CITATION = yaml.safe_load(read("CITATION.cff"))
LOCK = read("requirements.lock").splitlines()
EXTRAS = {extra: read(f"requirements-{extra}.lock").splitlines()   # what each needs beside the course
          for extra in PROJECT["project"]["optional-dependencies"]}
PYTHONS = SpecifierSet(PROJECT["project"]["requires-python"])
SYSTEMS = [("linux", "x86_64", "posix"), ("linux", "aarch64", "posix"),
           ("darwin", "arm64", "posix"), ("win32", "AMD64", "nt")]


def load(folder):
    """Import the bootstrap.py of a folder."""
    spec = importlib.util.spec_from_file_location("bootstrap", folder / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bootstrap = load(ROOT)
MINORS = range(bootstrap.OLDEST[1], bootstrap.NEWEST[1] + 1)


# The lists of packages


@pytest.mark.parametrize("lock", [LOCK, *EXTRAS.values()], ids=["course", *EXTRAS])
def test_every_line_of_a_lock_is_one_exact_version(lock):
    pin = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [^@/#]+)?")  # no address, no option of pip
    assert lock
    assert [line for line in lock if not pin.fullmatch(line)] == []


@pytest.mark.parametrize(("system", "minor"), list(itertools.product(SYSTEMS, MINORS)))
def test_the_locks_satisfy_pyproject(system, minor):
    here = dict(zip(("sys_platform", "platform_machine", "os_name"), system, strict=True),
                python_version=f"3.{minor}", python_full_version=f"3.{minor}.9",
                implementation_name="cpython", extra="")
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *itertools.chain(*extras.values()),
              *PROJECT["build-system"]["requires"]]  # bootstrap.py builds without isolation
    locks = LOCK + sorted(set(itertools.chain(*EXTRAS.values())))   # what two extras need is in both of their locks
    wanted, locked = ([one for one in map(Requirement, lines)
                       if not one.marker or one.marker.evaluate(here)] for lines in (wanted, locks))
    versions = {one.name: next(iter(one.specifier)).version for one in locked}
    assert len(versions) == len(locked), "a package is locked twice, or two locks disagree"
    assert [str(one) for one in wanted
            if not one.specifier.contains(versions.get(one.name, "0"))] == []
    assert {"tensorflow", "tensorflow-cpu"} & set(versions)


def names(lines):
    return {line.split("==")[0] for line in lines}


def test_make_lab_needs_only_the_lock_of_the_learners():
    """Which holds no tool of those who change the course; theirs is added by `make test` and its like."""
    tools = {Requirement(line).name for line in PROJECT["project"]["optional-dependencies"]["dev"]}
    assert {"hypothesis", "import-linter", "playwright", "ruff", "uv"} <= tools
    assert not (tools - {"coverage"}) & names(LOCK)   # nbval, which judges the exercises, needs coverage
    assert tools - {"coverage"} <= names(EXTRAS["dev"])
    rules = dict(re.findall(r"^([a-z-]+): ([a-z- ]+?) *(?:#.*)?$", read("Makefile"), re.MULTILINE))
    assert rules["lab"] == rules["hub-packages"] == rules["present-packages"] == rules["bundle"] == "setup"
    assert {name: rules[name].split()[0] for name in ("test", "quick", "lint", "lock", "test-oldest")} == dict.fromkeys(
        ("test", "quick", "lint", "lock", "test-oldest"), "setup-dev")
    assert json.loads(read(".devcontainer/devcontainer.json"))["postCreateCommand"] == "python3 bootstrap.py"


@pytest.mark.skipif(os.name == "nt" or not shutil.which("make"), reason="there is no make")
@pytest.mark.parametrize(("target", "option"), [("lab", ""), ("voila", ""), ("test", " --dev"), ("quick", " --dev")])
def test_make_sets_up_what_its_target_needs(target, option):
    done = subprocess.run(["make", "--dry-run", target, "PYTHON=python-here"], cwd=ROOT, capture_output=True, text=True)
    assert f"\npython-here bootstrap.py{option}\n" in re.sub(" *\n", "\n", done.stdout)


def test_no_lock_holds_what_makes_every_process_slow():
    """jsonschema 4.25 and later build a grammar with lark when they are imported."""
    locked = names(LOCK) | names(itertools.chain(*EXTRAS.values()))
    assert "rfc3986-validator" in locked
    assert not {"rfc3987-syntax", "lark"} & locked


def test_only_make_bench_installs_what_only_the_benchmarks_need():
    peers = {Requirement(line).name for line in PROJECT["dependency-groups"]["bench"]}
    assert peers
    assert not peers & names(LOCK)
    assert "pip install --quiet --python $(PY) --group bench --constraint requirements.lock\n" in read("Makefile")


def test_ci_installs_every_extra():
    assert EXTRAS
    assert set(read(".ci/run").splitlines()[-len(EXTRAS):]) == {
        "make test", "make ray", *(f"make {extra}-packages" for extra in EXTRAS if extra not in ("dev", "ray"))}


def test_only_make_ray_installs_ray():
    assert {Requirement(line).name for line in PROJECT["project"]["optional-dependencies"]["ray"]} == {"ray"}
    assert not {"ray", "pyarrow"} & (names(LOCK) | names(EXTRAS["dev"]))
    assert {"ray", "pyarrow"} <= names(EXTRAS["ray"])   # Ray Tune needs pyarrow


def test_each_extra_is_added_to_what_is_there():
    makefile = read("Makefile")
    assert re.search(r"^ADD := \$\(PY\) -m pip install .* --constraint requirements.lock --requirement$", makefile,
                     re.MULTILINE)
    assert {f"@$(ADD) requirements-{extra}.lock" for extra in EXTRAS if extra != "dev"} == set(
        re.findall(r"@\$\(ADD\) .*", makefile))


def test_environment_yml_installs_the_lock_and_the_course():
    *conda, pip = ENVIRONMENT["dependencies"]
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}
    assert "pip" in conda
    [python] = [name.removeprefix("python=") for name in conda if name.startswith("python=")]
    assert python in PYTHONS
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.skipif(os.name == "nt", reason="repo2docker runs on Linux and macOS")
def test_binder_takes_our_python_and_installs_the_lock_after_it_has_the_files():
    command = [Path(sys.executable).with_name("jupyter-repo2docker"), "--no-build", "--debug", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    python = next(name for name in ENVIRONMENT["dependencies"] if name.startswith("python"))
    dockerfile = done.stdout + done.stderr
    assert f"Building conda environment for {python}" in dockerfile
    copied = re.search(r"^COPY .* src/ \$\{REPO_DIR\}", dockerfile, re.MULTILINE)
    installed = dockerfile.index('env update -p ${NB_PYTHON_PREFIX} --file "environment.yml"')
    assert copied.start() < installed   # environment.yml names the lock and the folder itself
    assert not [name for name in ("binder", ".binder") if (ROOT / name).exists()]   # they would replace environment.yml


def test_everyone_names_the_same_pythons():
    assert [minor for minor in range(30) if f"3.{minor}.9" in PYTHONS] == list(MINORS)
    for classifier in PROJECT["project"].get("classifiers", []):
        if named := re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", classifier):
            assert int(named[1]) in MINORS
    *first, last = [f"3.{minor}" for minor in MINORS]
    assert f"install Python {', '.join(first)} or {last} and" in read("Makefile")
    tested = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["linux"]
    assert tested["strategy"]["matrix"]["python"] == [first[0], last]


def test_everyone_names_the_same_version_and_licenses():
    project = PROJECT["project"]
    changes = re.findall(r"^## \[(.*)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert project["version"] == CITATION["version"] == changes[0]
    assert project["license"].split(" AND ") == CITATION["license"]
    code, text, data = project["license-files"]
    assert "\nMIT License\n" in read(code)
    assert "https://creativecommons.org/licenses/by/4.0/" in read(text)
    assert sorted(path.name for path in ROOT.glob(data)) == ["LICENSE-APACHE-2.0.txt", "LICENSES.md"]


# What bootstrap.py says


def test_bootstrap_can_be_read_by_an_old_python_without_packages():
    tree = ast.parse(read("bootstrap.py"), feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                for alias in node.names}
    assert imported <= sys.stdlib_module_names
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))


@pytest.mark.parametrize(("version", "there", "words"), [
    ((3, 9), {"python3.12", "py -3.12"}, ["3.9 is too old", "3.12 bootstrap.py`"]),
    ((3, 14), {"python3.12", "py -3.12"}, ["3.14 is too new", "3.12 bootstrap.py`"]),
    ((3, 9), {}, ["3.9 is too old", "install Python 3.13", "3.13 bootstrap.py`"]),
    ((3, 14), {}, ["3.14 is too new", "install Python 3.13", "3.13 bootstrap.py`"]),
])
def test_a_wrong_python_is_told_which_one_to_use(version, there, words):
    sentence = bootstrap.problem_with_python(version, starts=lambda name: name in there)
    assert is_one_sentence(sentence)
    assert [word for word in words if word not in sentence] == []
    assert ("install" in sentence) == (not there)


@pytest.mark.parametrize("minor", MINORS)
def test_a_right_python_is_welcome(minor):
    assert bootstrap.problem_with_python((3, minor, 0)) is None


def test_a_python_counts_as_there_only_if_it_runs(tmp_path, monkeypatch):
    for name, code in ("python-shim", 1), ("python-real", 0):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert not bootstrap.starts("python-shim")
    assert not bootstrap.starts("python-absent")
    assert bootstrap.starts("python-real") or os.name == "nt"


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_venv_module_is_named(module, monkeypatch):
    assert bootstrap.problem_with_venv() is None
    monkeypatch.setitem(sys.modules, module, None)
    sentence = bootstrap.problem_with_venv()
    assert is_one_sentence(sentence)
    assert f"apt install python3.{sys.version_info[1]}-venv" in sentence


def test_too_little_disk_says_how_much():
    assert bootstrap.problem_with_disk(4e9) is None
    sentence = bootstrap.problem_with_disk(1.26e9)
    assert is_one_sentence(sentence)
    assert "needs 4 GB and 1.3 GB are free" in sentence


RETRYING = ("WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError("
            "'Failed to establish a new connection: [Errno -3] Temporary failure')': /numpy/\n")
NOT_FOUND = "ERROR: Could not find a version that satisfies the requirement numpy==2.4.6 "


@pytest.mark.parametrize(("errors", "words"), [
    (RETRYING + NOT_FOUND + "(from versions: none)", "be reached (NewConnectionError)"),
    ("ERROR: HTTPSConnectionPool(host='files'): Read timed out.", "be reached (timed out)"),
    ("ERROR: ... ProxyError('Cannot connect to proxy.')", "be reached (ProxyError)"),
    (RETRYING + "ERROR: [Errno 28] No space left on device", "disk filled up"),
    (RETRYING + NOT_FOUND + "(from versions: 1.0, 2.0)", "for the reason above"),
    (RETRYING + "ERROR: Failed building wheel for numpy", "for the reason above"),
    (NOT_FOUND + "(from versions: none)", "for the reason above"),
    ("", "for the reason above"),
])
def test_each_failure_of_pip_has_its_sentence(errors, words):
    sentence = bootstrap.problem_with_install(errors)
    assert is_one_sentence(sentence)
    assert words in sentence


@pytest.mark.skipif(os.name == "nt" or not shutil.which("make"), reason="there is no make")
def test_make_without_a_python_says_so_in_one_sentence():
    done = subprocess.run(["make", "--no-print-directory", "lab", "PYTHON=python-absent"], cwd=ROOT,
                          capture_output=True, text=True)
    sentence, *rest = done.stderr.splitlines()
    assert is_one_sentence(sentence)
    assert "There is no python-absent here" in sentence
    assert done.returncode
    assert not done.stdout
    assert all(line.startswith("make") for line in rest)


@pytest.mark.skipif(os.name == "nt" or not shutil.which("make"), reason="there is no make")
def test_make_opens_jupyterlab_for_root_too():
    """As in many a container."""
    done = subprocess.run(["make", "--dry-run", "lab"], cwd=ROOT, capture_output=True, text=True)
    assert "jupyter lab --allow-root " in done.stdout


@pytest.mark.skipif(not (shutil.which("git") and (ROOT / ".git").exists()), reason="there is no repository")
@pytest.mark.parametrize("name", ["grades.csv", "grades_totals.csv", "grades_reports/one.md"])
def test_git_leaves_the_grades_of_a_class_alone(name):
    assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT).returncode == 0


# What bootstrap.py does


def test_run_hears_every_line_while_thousands_of_warnings_pass():
    child = ("import sys\nfor i in range(20000): print('WARNING', i, file=sys.stderr)\n"
             "print('one'); print('two'); sys.exit(3)")
    parent = ("import bootstrap, sys\nheard = []\n"
              f"done, errors = bootstrap.run([sys.executable, '-c', {child!r}], heard.append)\n"
              "print(done, *heard, errors.splitlines()[-1])")
    said = subprocess.run([sys.executable, "-c", parent], cwd=ROOT, capture_output=True, text=True,
                          timeout=60)  # a full pipe would block forever
    assert said.stdout.split() == ["False", "one", "two", "WARNING", "19999"]


PRINTS = {
    "import": [],
    "venv": ["Making"],
    "lock": ["Ignoring appnope: markers 'sys_platform == \"darwin\"' don't match",
             "Collecting absl-py==2.5.1 (from -r requirements.lock (line 1))",
             "Installing collected packages: absl-py"],
    "course": ["Obtaining file", "Installing collected packages: course"],
}
PRINTS["locks"] = PRINTS["lock"]
STOPPED, DENIED = KeyboardInterrupt(), PermissionError(13, "Permission denied")
ANEW, ON_TOP = ["venv", "lock", "course"], ["import", "lock", "course"]
DEV_ANEW, DEV_ON_TOP = ["venv", "locks", "course"], ["import", "locks", "course"]   # for those who change the course


class Machine:
    """A copy of the course in a folder, with a venv and a pip that only pretend."""

    def __init__(self, folder):
        folder.mkdir()
        for name in ("bootstrap.py", "requirements.lock", "requirements-dev.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        self.folder = folder
        self.healthy = True  # whether the Python in .venv runs
        self.trouble = {}    # (step, first word of a line): what is raised there, or said by pip

    def set_up(self, dev=False):
        """Run bootstrap.py as a new process would; (the steps it took, its sentence)."""
        self.bootstrap, self.steps = load(self.folder), []
        self.bootstrap.run, self.bootstrap.ROOM = self.run, 0
        sentence = self.bootstrap.main(dev)
        return self.steps, sentence

    def run(self, command, hear=None):
        step = ("venv" if "venv" in command else "locks" if "requirements-dev.lock" in command else
                "lock" if "requirements.lock" in command else "course" if "." in command else "import")
        self.steps.append(step)
        self.commands = [*getattr(self, "commands", []), command]
        python = Path(self.bootstrap.PYTHON)
        for line in PRINTS[step]:
            hear(line)
            trouble = self.trouble.get((step, line.split()[0]), "")
            if isinstance(trouble, BaseException):
                raise trouble
            if trouble:
                return False, trouble
        if step == "venv":
            shutil.rmtree(self.folder / ".venv", ignore_errors=True)
            python.parent.mkdir(parents=True)
            python.touch()
            self.healthy = True
        return self.healthy and python.exists(), ""

    def change_the_lock(self, name="requirements.lock"):
        with (self.folder / name).open("a") as file:
            file.write("one-more==1.0\n")


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "course")


def test_jupyterlab_does_not_ask_about_news_and_renders_markdown(machine):
    machine.set_up()
    settings = json.loads((machine.folder / ".venv/share/jupyter/lab/settings/overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    assert settings["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]["markdown"] == "Markdown Preview"


def test_set_up_does_nothing_the_second_time(machine, capsys):
    assert machine.set_up() == (ANEW, None)
    assert capsys.readouterr().out.splitlines() == [
        "Setting up the course in .venv: 2 GB, a few minutes, once.", "The course is set up."]
    assert machine.set_up() == ([], None)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_changed_packages_are_installed_into_the_same_venv(machine, name):
    machine.set_up()
    (machine.folder / name).write_text("one-more==1.0\n")
    assert machine.set_up() == (ON_TOP, None)
    assert machine.set_up() == ([], None)


def test_contributors_get_both_locks(machine, capsys):
    assert machine.set_up(dev=True) == (DEV_ANEW, None)
    assert machine.set_up(dev=True) == ([], None)
    assert machine.set_up() == ([], None)   # `make lab` after `make test`
    assert machine.set_up(dev=True) == ([], None)


def test_a_learner_who_becomes_a_contributor_keeps_the_venv(machine, capsys):
    machine.set_up()
    assert machine.set_up(dev=True) == (DEV_ON_TOP, None)
    assert "Adding to .venv what contributors need.\n" in capsys.readouterr().out
    assert machine.set_up() == machine.set_up(dev=True) == ([], None)


def test_a_change_for_contributors_is_none_for_learners(machine):
    machine.set_up(dev=True)
    machine.change_the_lock("requirements-dev.lock")
    assert machine.set_up() == ([], None)
    assert machine.set_up(dev=True) == (DEV_ON_TOP, None)
    machine.change_the_lock()
    assert machine.set_up() == (ON_TOP, None)
    assert machine.set_up(dev=True) == (DEV_ON_TOP, None)   # whose packages may have to follow
    assert machine.set_up() == machine.set_up(dev=True) == ([], None)


def test_a_venv_half_made_for_contributors_is_not_trusted_by_learners(machine):
    machine.set_up()
    machine.trouble = {("locks", "Installing"): STOPPED}
    assert is_one_sentence(machine.set_up(dev=True)[1])
    machine.trouble = {}
    assert machine.set_up() == (ANEW, None)


def test_a_folder_of_wheels_takes_the_place_of_the_network(machine):
    (machine.folder / "wheels").mkdir()
    machine.set_up()
    pip = [command for command in machine.commands if "install" in command]
    assert len(pip) == 2
    assert all(command[command.index("--no-index"):][:3] == ["--no-index", "--find-links", "wheels"] for command in pip)


def test_wheels_for_another_python_are_named(machine):
    (machine.folder / "wheels").mkdir()
    machine.trouble = {("lock", "Collecting"): NOT_FOUND + "(from versions: none)\nERROR: No matching distribution"}
    sentence = machine.set_up()[1]
    assert is_one_sentence(sentence)
    assert f"lacks a package for Python 3.{sys.version_info[1]}" in sentence


def test_the_bundle_holds_wheels_of_all_that_learners_need():
    recipe = read("Makefile").split("\nbundle:")[1].split("\n\n")[0]
    assert "git archive HEAD | tar -x -C build/bundle" in recipe
    assert "-m pip wheel " in recipe
    assert "--wheel-dir build/bundle/wheels --requirement requirements.lock" in recipe
    assert {"setuptools", "tensorflow-cpu"} <= names(LOCK)   # setuptools, since bootstrap.py builds without isolation


@pytest.mark.skipif(os.name == "nt", reason="links need privileges there")
def test_a_venv_that_is_a_link_is_replaced_and_what_it_points_to_is_left_alone(machine, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "installed").write_text("by somebody else")
    (machine.folder / ".venv").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert machine.set_up() == (ANEW, None)
    assert not (machine.folder / ".venv").is_symlink()
    assert (tmp_path / "elsewhere" / "installed").read_text() == "by somebody else"


def test_another_python_gets_a_new_venv(machine, monkeypatch):
    machine.set_up()
    monkeypatch.setattr(sys, "version", "3.12.1 (main)")
    assert machine.set_up() == (ANEW, None)
    assert machine.set_up() == ([], None)


def test_a_venv_half_made_for_another_python_is_not_trusted_by_the_first(machine, monkeypatch):
    machine.set_up()
    machine.trouble = {("venv", "Making"): STOPPED}
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version", "3.12.1 (main)")
        assert machine.set_up()[0] == ["venv"]
    machine.trouble = {}
    assert machine.set_up() == (ANEW, None)


def test_a_moved_folder_gets_a_new_venv(machine, tmp_path):
    machine.set_up()
    machine.folder = machine.folder.rename(tmp_path / "moved")
    assert machine.set_up() == (ANEW, None)


def test_a_broken_venv_is_made_anew(machine):
    machine.set_up()
    Path(machine.bootstrap.PYTHON).unlink()
    assert machine.set_up() == (ANEW, None)
    machine.healthy = False
    machine.change_the_lock()
    assert machine.set_up() == (["import", *ANEW], None)


@pytest.mark.parametrize("trouble", [STOPPED, DENIED, "ERROR: it failed\n"],
                         ids=["stopped", "denied", "failed"])
@pytest.mark.parametrize("where", [(step, line.split()[0]) for step in ANEW
                                   for line in PRINTS[step]])
def test_the_first_set_up_recovers_from_any_trouble(machine, where, trouble):
    machine.trouble = {where: trouble}
    assert is_one_sentence(machine.set_up()[1])
    machine.trouble = {}
    assert machine.set_up() == (ANEW, None)


@pytest.mark.parametrize("trouble", [STOPPED, DENIED, RETRYING + NOT_FOUND],
                         ids=["stopped", "denied", "offline"])
@pytest.mark.parametrize(("where", "then"), [
    (("lock", "Collecting"), ON_TOP),  # offline, the old .venv stays as good as it was
    (("lock", "Installing"), ANEW),
    (("course", "Obtaining"), ANEW),
])
def test_an_update_trusts_no_venv_into_which_pip_began_to_install(machine, where, then, trouble):
    machine.set_up()
    machine.change_the_lock()
    machine.trouble = {where: trouble}
    assert is_one_sentence(machine.set_up()[1])
    machine.trouble = {}
    assert machine.set_up() == (then, None)


@pytest.mark.parametrize(("errors", "shown"), [
    (RETRYING + "  WARNING: too\nERROR: this\n  and that\n", "ERROR: this\n  and that\n"),
    ("Traceback ...\nOSError: No space left on device\n", ""),
], ids=["unknown", "known"])
def test_pip_is_quoted_without_its_warnings_where_its_failure_is_unknown(
        machine, capsys, errors, shown):
    machine.trouble = {("lock", "Collecting"): errors}
    assert is_one_sentence(machine.set_up()[1])
    assert capsys.readouterr().err == shown


def test_a_terminal_shows_how_far_pip_is(machine, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    machine.set_up()
    shown = [text.strip() for text in capsys.readouterr().out.split("\r")]
    assert f"1 of {len(LOCK) - 1} packages" in shown  # one is for another system
    assert shown.index(f"1 of {len(LOCK) - 1} packages") < shown.index("installing ...")
    assert shown[-1] == "The course is set up."


@pytest.mark.skipif(not (shutil.which("git") and (ROOT / ".git").exists()), reason="there is no repository")
def test_every_file_of_the_package_is_installed_with_it():
    home = ROOT / "course_utils"
    installed = {path for pattern in ["**/*.py", *PROJECT["tool"]["setuptools"]["package-data"]["course_utils"]]
                 for path in home.glob(pattern)}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=home, check=True, capture_output=True, text=True).stdout
    assert [name for name in listed.split("\0")[:-1] if home / name not in installed] == []


def test_what_the_course_imports_it_declares():
    project = PROJECT["project"]
    declared = {Requirement(line).name for line in [*project["dependencies"], *project["optional-dependencies"]["ray"]]}
    modules = {name.split(".")[0] for folder in ("course_utils", "classroom") for path in (ROOT / folder).rglob("*.py")
               for node in ast.walk(ast.parse(path.read_text("utf-8")))
               for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else
                            [node.module] if isinstance(node, ast.ImportFrom) and not node.level else [])}
    of = importlib.metadata.packages_distributions()
    foreign = modules - sys.stdlib_module_names - {"course_utils"}
    assert {"numpy", "mistune", "PIL"} <= foreign
    assert [name for name in sorted(foreign)
            if not {canonicalize_name(one) for one in of.get(name, [name])} & declared] == []
