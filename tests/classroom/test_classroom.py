"""The course in other places: a hub for a class, Binder, Codespaces, Colab; and notebooks that meet an update."""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

import nbformat
import psutil
import pytest
from packaging.requirements import Requirement
from traitlets.config import PyFileConfigLoader

from tests.helpers import hub
from tests.helpers.learner import Kernel, started
from tests.helpers.needed import needed

ROOT = pathlib.Path(__file__).parents[2]


def load(name):
    """A script of classroom/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "classroom" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


colab, links = load("colab"), load("links")


# The hub's configuration


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_STATE", str(tmp_path / "state"))
    return PyFileConfigLoader(str(hub.CONFIG)).load_config()


@pytest.mark.skipif(sys.platform != "linux", reason="the hub runs on Linux")
def test_the_hub_lets_in_accounts_of_the_machine_only_and_listens_to_itself_only(config):
    assert config.JupyterHub.authenticator_class == "pam"
    assert config.JupyterHub.spawner_class == "jupyterhub.spawner.LocalProcessSpawner"   # as the learner, not as root
    assert config.PAMAuthenticator.allowed_groups == {"learners"}
    assert "allow_all" not in config.Authenticator
    assert config.JupyterHub.bind_url.startswith("http://127.0.0.1:")


@pytest.mark.skipif(sys.platform != "linux", reason="the hub runs on Linux")
def test_nobody_else_reads_the_files_of_the_hub(config, tmp_path):
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    for path in (config.JupyterHub.cookie_secret_file, config.ConfigurableHTTPProxy.pid_file):
        assert path.startswith(f"{tmp_path}/state/")


@pytest.mark.skipif(sys.platform != "linux", reason="the hub runs on Linux")
def test_the_hub_takes_no_more_learners_than_the_memory_holds(config, tmp_path, monkeypatch):
    total = psutil.virtual_memory().total
    assert config.JupyterHub.active_server_limit * 1e9 <= max(total, 1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("memory", (), {"total": 52e9}))
    assert PyFileConfigLoader(str(hub.CONFIG)).load_config().JupyterHub.active_server_limit == 50


# The hub itself


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """A hub and two learners with a kernel each: dict name → Kernel; with the folder of their homes."""
    hub.require_hub()
    folder = tmp_path_factory.mktemp("hub")
    with hub.hub(folder, COURSE_MEMORY="3") as address:
        kernels = {}
        for name in ("ada", "ben"):
            session = hub.log_in(address, name)
            kernels[name] = Kernel(hub.start(address, name, session), session)
        yield address, folder / "homes", kernels
        for kernel in kernels.values():
            kernel.close()


@pytest.mark.slow
def test_who_gives_a_wrong_password_stays_outside(classroom):
    address, _, _ = classroom
    with pytest.raises(PermissionError, match="eve is not let in"):
        hub.log_in(address, "eve", "guessed")


@pytest.mark.slow
def test_each_learner_works_in_a_home_of_their_own(classroom):
    _, homes, kernels = classroom
    for name, kernel in kernels.items():
        assert kernel.run("import os; print(os.getcwd(), os.environ['HOME'])").split() == [str(homes / name)] * 2
    kernels["ada"].run("open('mine.txt', 'w').write('ada')")
    assert (homes / "ada" / "mine.txt").read_text() == "ada"
    assert "FileNotFoundError" not in kernels["ada"].run("open('mine.txt').read()")
    assert "FileNotFoundError" in kernels["ben"].run("open('mine.txt').read()")


@pytest.mark.slow
def test_a_learner_does_not_get_into_the_server_of_another(classroom):
    _, _, kernels = classroom
    ada, ben = kernels["ada"], kernels["ben"]
    answer = ada.session.get(f"{ben.address}/api/kernels", timeout=60)
    assert answer.status_code == 403
    assert ben.id not in answer.text
    assert ben.id in ben.session.get(f"{ben.address}/api/kernels", timeout=60).text


@pytest.mark.slow
def test_a_process_that_wants_too_much_memory_is_refused_it_and_lives_on(classroom):
    _, _, kernels = classroom
    kernel = kernels["ada"]
    assert "MemoryError" in kernel.run("held = bytearray(4 << 30)")
    assert kernel.run("'held' in globals()") == "False"
    assert kernel.run("held = bytearray(1 << 30); len(held)") == str(1 << 30)
    kernel.run("del held")
    assert kernel.run("open('/proc/self/oom_score_adj').read()") == r"'500\n'"   # taken before the hub


@pytest.mark.slow
def test_a_learner_works_in_a_lab_while_the_kernel_of_another_crashes(classroom):
    _, _, kernels = classroom
    ada, ben = kernels["ada"], kernels["ben"]
    assert "Error" not in ada.run("from course_utils import labs\nlab = labs.batch_norm(compare=False)\nlab")
    ada.move("learning rate", 0.02)
    with pytest.raises(ConnectionError):
        ben.run("import os; os._exit(1)")
    assert "Validation accuracy after" in ada.wait_for(lambda text: "learning rate 0.02," in text and "mean" in text)
    assert ada.run("'lab' in globals()") == "True"
    assert ben.run("'lab' in globals()") == "False"   # started anew, by itself


@pytest.mark.slow
def test_the_link_brings_the_course_into_the_home(classroom, tmp_path):
    address, homes, kernels = classroom
    course = upstream(tmp_path / "course")
    link = links.links("https://github.com/NAME/course", address)["JupyterHub"]
    ada = kernels["ada"]
    page = ada.session.get(link, timeout=120)
    assert page.ok
    assert page.url.startswith(f"{ada.address}/git-pull?")   # her own server, with all that the link asks for
    assert "urlpath=lab%2Ftree%2Fcourse%2Fnotebooks%2F00_welcome.ipynb" in page.url
    # The page then asks its server for this; here with an address that is reached without a network.
    done = ada.session.get(f"{ada.address}/git-pull/api", timeout=300, params={
        "repo": course.as_uri(), "branch": "main", "targetpath": "course", "_xsrf": ada._cookies()["_xsrf"]})
    assert '"phase": "finished"' in done.text
    assert sorted(path.name for path in (homes / "ada" / "course").glob("*.ipynb")) == ["exercise.ipynb",
                                                                                      "lecture.ipynb"]


@pytest.mark.slow
def test_who_shows_no_sign_of_life_loses_the_server_but_no_file(tmp_path):
    hub.require_hub()
    others = set(started("jupyterhub-singleuser"))   # of the other hub
    with hub.hub(tmp_path, COURSE_IDLE="0.2") as address:
        session = hub.log_in(address, "ada")
        own = hub.start(address, "ada", session)
        assert set(started("jupyterhub-singleuser")) - others
        (tmp_path / "homes" / "ada" / "mine.txt").write_text("ada")
        end = time.monotonic() + 300
        while set(started("jupyterhub-singleuser")) - others and time.monotonic() < end:
            time.sleep(1)
        assert not set(started("jupyterhub-singleuser")) - others
        assert (tmp_path / "homes" / "ada" / "mine.txt").read_text() == "ada"
        assert not session.get(f"{own}/api/status", timeout=60).ok
        assert session.get(f"{address}/hub/health", timeout=60).ok
        session.close()


# What an update does to notebooks


def git(folder, *words):
    return subprocess.run(["git", "-c", "user.name=course", "-c", "user.email=course@example.org", *words],
                          cwd=folder, capture_output=True, text=True, check=True, env=ALONE).stdout


ALONE = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def write(path, cells, outputs=True, count=1):
    """A notebook of code cells, each of which has printed something."""
    made = [nbformat.v4.new_code_cell(source, id=f"cell-{place}", execution_count=count if outputs else None, outputs=[
        nbformat.v4.new_output("stream", text=f"{source} {count}\n")] * outputs) for place, source in enumerate(cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)


def sources(path):
    """The cells of a notebook, which has to be one."""
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    return [cell.source for cell in notebook.cells]


def upstream(folder):
    """A repository with a lecture and an exercise, and with the course's rules for merging."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    shutil.copy(ROOT / ".gitattributes", folder)
    write(folder / "lecture.ipynb", ["one", "two", "three"])
    write(folder / "exercise.ipynb", ["question", "...", "check", "more", "..."], outputs=False)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "course")
    return folder


def publish(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "update")


@pytest.fixture
def course(tmp_path):
    return upstream(tmp_path / "upstream")


@pytest.fixture
def click(tmp_path, course):
    """Do what nbgitpuller does when its link is followed; returns the learner's folder."""
    command = pathlib.Path(sys.prefix, "bin", "gitpuller")
    needed(command.exists(), "nbgitpuller", "make hub-packages")

    def follow():
        subprocess.run([command, course.as_uri(), "main", tmp_path / "mine"], check=True, env=ALONE,
                       capture_output=True)
        return tmp_path / "mine"

    return follow


def test_the_link_leaves_an_answered_exercise_exactly_as_it_is(course, click):
    exercise = click() / "exercise.ipynb"
    write(exercise, ["question", "answer = 1", "check", "more", "..."])
    mine = exercise.read_bytes()
    write(course / "exercise.ipynb", ["question, put better", "...", "check", "even more", "...", "new"], outputs=False)
    publish(course)
    click()
    assert exercise.read_bytes() == mine
    click()   # nor at the second time
    assert exercise.read_bytes() == mine


def test_the_link_leaves_a_lecture_that_was_run_again_and_renews_the_others(course, click):
    mine = click()
    write(mine / "lecture.ipynb", ["one", "two", "three"], count=7)
    ran = (mine / "lecture.ipynb").read_bytes()
    write(course / "lecture.ipynb", ["one", "two, put better", "three"])
    write(course / "exercise.ipynb", ["question, put better", "...", "check"], outputs=False)
    publish(course)
    click()
    assert (mine / "lecture.ipynb").read_bytes() == ran
    assert sources(mine / "exercise.ipynb") == ["question, put better", "...", "check"]


@pytest.mark.parametrize("way", ["renamed", "deleted"])
def test_who_wants_the_new_version_renames_or_deletes_the_old_and_follows_the_link_again(course, click, way):
    mine = click()
    write(mine / "lecture.ipynb", ["one", "my own"], count=7)
    write(course / "lecture.ipynb", ["one", "two, put better", "three"])
    publish(course)
    click()
    if way == "renamed":
        (mine / "lecture.ipynb").rename(mine / "lecture_mine.ipynb")
    else:
        (mine / "lecture.ipynb").unlink()
    click()
    assert sources(mine / "lecture.ipynb") == ["one", "two, put better", "three"]
    if way == "renamed":
        assert sources(mine / "lecture_mine.ipynb") == ["one", "my own"]


def test_a_file_of_the_learner_whose_name_the_course_takes_is_renamed(course, click):
    mine = click()
    write(mine / "extra.ipynb", ["my own"])
    write(course / "extra.ipynb", ["the course's"])
    publish(course)
    click()
    assert sources(mine / "extra.ipynb") == ["the course's"]
    [renamed] = mine.glob("extra__*.ipynb")
    assert re.fullmatch(r"extra__\d{14}\.ipynb", renamed.name)
    assert sources(renamed) == ["my own"]


def test_what_the_course_drops_stays_where_the_learner_has_changed_it(course, click):
    mine = click()
    write(mine / "lecture.ipynb", ["one", "my own"])
    for name in ("lecture", "exercise"):
        (course / f"{name}.ipynb").unlink()
    (course / "other.txt").write_text("more")
    publish(course)
    click()
    assert sources(mine / "lecture.ipynb") == ["one", "my own"]
    assert not (mine / "exercise.ipynb").exists()


def answered(course, folder):
    """A clone of the course by plain git, with an answer in its exercise."""
    git(folder, "clone", "--quiet", str(course), "mine")
    write(folder / "mine" / "exercise.ipynb", ["question", "answer = 1", "check"])
    return folder / "mine"


def test_plain_git_pull_stops_before_it_touches_a_changed_notebook(course, tmp_path):
    mine = answered(course, tmp_path)
    (course / "other.txt").write_text("more")
    publish(course)
    git(mine, "pull", "--quiet", "--ff-only")   # another file: no trouble
    assert (mine / "other.txt").exists()
    write(course / "exercise.ipynb", ["question, put better", "...", "check"])
    publish(course)
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        git(mine, "pull", "--quiet", "--ff-only")
    assert "would be overwritten" in stopped.value.stderr
    assert sources(mine / "exercise.ipynb") == ["question", "answer = 1", "check"]


def test_a_merge_with_conflicts_leaves_notebooks_that_can_be_opened(course, tmp_path):
    mine = answered(course, tmp_path)
    git(mine, "commit", "--quiet", "-am", "mine")
    write(course / "exercise.ipynb", ["question", "other = 2", "check"])
    publish(course)
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        git(mine, "pull", "--quiet", "--no-rebase")
    assert "CONFLICT" in stopped.value.stdout
    assert sources(mine / "exercise.ipynb") == ["question", "answer = 1", "check"]


# Links, Colab, Codespaces, Binder


def test_links_lead_to_the_welcome_page():
    found = links.links("https://github.com/NAME/course.git", "https://hub.example.org/")
    assert set(found) == {"Binder", "Codespaces", "Colab", "Colab, first cell", "JupyterHub"}
    assert found["Binder"] == "https://mybinder.org/v2/gh/NAME/course/main?urlpath=lab%2Ftree%2F" \
        "notebooks%2F00_welcome.ipynb"
    assert found["JupyterHub"].startswith("https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub")
    assert (ROOT / links.WELCOME).exists()
    assert "/git/https%3A%2F%2Fgit.example.org%2Fa%2Fcourse/main" in links.links("https://git.example.org/a/course")["Binder"]


@pytest.mark.parametrize(("origin", "address"), [
    ("https://github.com/NAME/course.git", "https://github.com/NAME/course.git"),
    ("git@github.com:NAME/course.git", "https://github.com/NAME/course.git"),
])
def test_the_address_is_where_the_folder_was_cloned_from(course, origin, address):
    git(course, "remote", "add", "origin", origin)
    assert links.origin(course) == address


def test_a_folder_from_nowhere_asks_for_an_address(course):
    with pytest.raises(ValueError, match="it has no origin.*: give"):
        links.origin(course)


def test_the_first_cell_for_colab_runs_the_script_that_is_there():
    clone, run = links.links("https://github.com/NAME/course")["Colab, first cell"].splitlines()
    assert clone == "!git clone --quiet --depth 1 https://github.com/NAME/course course"
    assert (ROOT / run.removeprefix("%run course/")).exists()


HERE = {"tensorflow": "2.19.0", "keras": "3.10.0", "numpy": "2.0.2", "psutil": "5.9.5", "scipy": "1.16.1"}
ASKED = ["tensorflow-cpu>=2.21,<2.22; sys_platform == 'linux'", "tensorflow>=2.21,<2.22; sys_platform == 'none'",
         "keras>=3.15,<3.16", "numpy>=2.1", "psutil>=7", "scipy>=1.15", "optuna>=5,<6", "jupyterlab>=4.5,<5"]


@pytest.mark.skipif(sys.platform != "linux", reason="Colab runs on Linux")
def test_on_colab_only_keras_is_renewed_and_what_is_missing_added():
    wanted, told = colab.plan(ASKED, HERE)
    assert [Requirement(one).name for one in wanted] == ["keras", "optuna"]
    assert [sentence.split()[0] for sentence in told] == ["tensorflow", "numpy", "psutil"]
    assert told[0] == "tensorflow stays at Colab's 2.19.0; the course is tested with <2.22,>=2.21."
    assert colab.kept(HERE) == ["numpy==2.0.2", "psutil==5.9.5", "scipy==1.16.1", "tensorflow==2.19.0"]


def test_the_script_for_colab_installs_nothing_where_all_is_there(monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))
    colab.main(run=lambda *_, **__: pytest.fail("something was installed"))
    assert capsys.readouterr().out == "The course is ready.\n"
    assert str(ROOT) in sys.path


def test_the_script_for_colab_says_in_one_sentence_why_it_failed(monkeypatch):
    monkeypatch.setattr(colab.importlib.metadata, "distributions", lambda: [])
    with pytest.raises(SystemExit, match="^Installing failed: no network$"):
        colab.main(run=lambda *_, **__: subprocess.CompletedProcess([], 1, stderr="much\nno network\n"))


def test_the_devcontainer_sets_the_course_up_as_everywhere():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [python] = re.findall(r"^python:(3\.\d+)-", container["image"])
    assert python in Requirement(f"python{project['requires-python']}").specifier
    assert container["postCreateCommand"] == "python3 bootstrap.py"
    assert container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"].endswith(
        "/.venv/bin/python")
    # The properties and patterns of the specification's schema, as far as they are used here.
    assert set(container) <= {"name", "image", "hostRequirements", "postCreateCommand", "customizations",
                              "portsAttributes"}
    assert all(re.fullmatch(r"\d+([tgmk]b)?", str(value)) for value in container["hostRequirements"].values())
    assert all(set(port) <= {"label", "onAutoForward", "protocol"} for port in container["portsAttributes"].values())


# The load test


def test_the_page_for_instructors_quotes_what_was_measured():
    from benchmarks import load as measured

    page = measured.PAGE.read_text(encoding="utf-8")
    assert page.count("<!-- load: ") == 1
    assert measured.quote(page) == page


def test_no_kernel_was_killed_under_load():
    from benchmarks import load as measured

    if not measured.RESULTS.exists():
        pytest.skip("not measured yet: make bench-load")
    rows = json.loads(measured.RESULTS.read_text())["rows"]
    assert [row["learners"] for row in rows] == list(measured.LEARNERS)
    assert not any(row["killed"] for row in rows)
    crash = rows[-1]["crash"]
    assert (crash["fallen"], crash["alive"]) == (2, crash["others"])


@pytest.mark.parametrize("more", [[], ["https://hub.example.org"], ["https://hub.example.org", "x", "y"]])
def test_links_as_a_script_takes_an_address_and_a_hub_and_no_more(more):
    command = [sys.executable, ROOT / "classroom" / "links.py", "https://github.com/NAME/course", *more]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = links.links("https://github.com/NAME/course", *more[:1])
    assert done.stdout == "".join(f"{place}:\n{link}\n\n" for place, link in wanted.items())
