"""A JupyterHub with the course's configuration, but with logins and folders that are only pretended."""

import contextlib
import os
import pathlib
import shutil
import sys
import time

import requests

from tests.helpers.needed import needed
from tests.helpers.servers import free_ports, running

CONFIG = pathlib.Path(__file__).parents[2] / "classroom" / "jupyterhub_config.py"
# Everybody is let in with one password, and the servers run as who runs the tests, in folders of their own.
PRETENDED = """
load_subconfig({config!r})
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "test"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.JupyterHub.bind_url = "http://127.0.0.1:{}"
c.JupyterHub.hub_port = {}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{}"
c.Spawner.args = [*c.Spawner.args, "--allow-root"]
"""


def require_hub():
    """Skip the test where JupyterHub or its proxy is absent; in CI fail."""
    there = all((pathlib.Path(sys.prefix, "bin") / name).exists()
                for name in ("jupyterhub", "configurable-http-proxy", "gitpuller"))
    needed(sys.platform == "linux" and there and shutil.which("prlimit") and shutil.which("choom"),
           "JupyterHub", "make hub-packages, on Linux")


@contextlib.contextmanager
def hub(folder, **environment):
    """Start the hub; yields its address.

    Parameters
    ----------
    folder : pathlib.Path
        Empty; learners' homes are folders in ``folder / "homes"``.
    **environment : str
        Such as ``COURSE_MEMORY``.
    """
    ports, homes = free_ports(3), folder / "homes"
    homes.mkdir()
    (folder / "config.py").write_text(PRETENDED.format(*ports, config=str(CONFIG), homes=f"{homes}/{{username}}"))
    address = f"http://127.0.0.1:{ports[0]}"
    with running([sys.executable, "-m", "jupyterhub", "--config", str(folder / "config.py")], folder / "log",
                 asks=f"{address}/hub/health", ending=120, cwd=folder,
                 env=os.environ | environment | {"COURSE_STATE": str(folder / "state")}):
        yield address


def log_in(address, name, password="test"):
    """A session of somebody who has filled in the form.

    Raises
    ------
    PermissionError
        The hub does not let them in.
    """
    session = requests.Session()
    session.get(f"{address}/hub/login", timeout=60).raise_for_status()
    [xsrf] = [one.value for one in session.cookies if one.name == "_xsrf"]
    # Where that leads, the learner's own server, is of no interest here.
    answer = session.post(f"{address}/hub/login", params={"_xsrf": xsrf}, timeout=60, allow_redirects=False,
                          data={"username": name, "password": password, "_xsrf": xsrf})
    if answer.status_code != 302:
        session.close()
        raise PermissionError(f"{name} is not let in ({answer.status_code}).")
    return session


def start(address, name, session, seconds=300):
    """Start the server of somebody who is logged in; its address, once it answers.

    Raises
    ------
    TimeoutError
    """
    own = f"{address}/user/{name}"
    session.get(f"{address}/hub/spawn/{name}", timeout=60).raise_for_status()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = session.get(f"{own}/lab", timeout=60)   # leads elsewhere until the server is there
        if answer.ok and answer.url.startswith(own):
            return own
        time.sleep(1)
    raise TimeoutError(f"The server of {name} did not start in {seconds} s.")
