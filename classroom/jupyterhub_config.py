"""JupyterHub for a class on one Linux machine: `sudo make hub` in the course's folder.

Learners log in with the accounts that they have on the machine, as members of the group `learners`;
those in `instructors` may also start and stop the servers of others. Every learner's server runs as that
learner, in a home folder that the operating system guards. All share one environment, which is root's.

What can be set, in the environment of the command:

COURSE_MEMORY   GB that one process of a learner may hold (4)
COURSE_IDLE     minutes without a sign of life after which a kernel and then a server is ended (60)
COURSE_STATE    folder for the hub's own files (/var/lib/course-hub)
"""

import os
import pathlib
import sys

import psutil

MEMORY = float(os.environ.get("COURSE_MEMORY", "4"))
IDLE = float(os.environ.get("COURSE_IDLE", "60"))
STATE = pathlib.Path(os.environ.get("COURSE_STATE", "/var/lib/course-hub"))
LEARNER = 1e9  # bytes that a learner takes: a server, and a kernel with a lab open
REST = 2e9  # bytes for the system and the hub
BIN = pathlib.Path(sys.prefix, "bin")

c = get_config()  # noqa: F821 (JupyterHub hands it in)

STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
c.JupyterHub.db_url = f"sqlite:///{STATE}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")
c.ConfigurableHTTPProxy.command = [str(BIN / "configurable-http-proxy")]

# Passwords pass through here: to the outside only by way of a server that speaks HTTPS.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {"learners"}
c.PAMAuthenticator.admin_groups = {"instructors"}

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
# LocalProcessSpawner enforces no limit of its own (its `mem_limit` is only told to the server). The operating
# system does: `prlimit` for each process, and for all threads of an account; and where memory runs out
# altogether, `choom` has it take learners' processes before those of the hub.
c.Spawner.cmd = [
    "choom",
    "-n",
    "500",
    "--",
    "prlimit",
    f"--data={MEMORY * 2**30:.0f}",
    "--nproc=1000",
    "--core=0",
    "--",
    str(BIN / "jupyterhub-singleuser"),
]
c.Spawner.args = [
    f"--MappingKernelManager.cull_idle_timeout={IDLE * 60:.0f}",
    f"--MappingKernelManager.cull_interval={min(60, IDLE * 15):.0f}",
    "--MappingKernelManager.cull_connected=True",  # a tab left open keeps a gigabyte busy
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
]
c.Spawner.default_url = "/lab"
c.Spawner.environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
c.Spawner.start_timeout = c.Spawner.http_timeout = 300  # when all come at once

# Who comes when the machine is full is told so, and nobody else loses a kernel.
c.JupyterHub.active_server_limit = max(1, int((psutil.virtual_memory().total - REST) / LEARNER))
c.JupyterHub.concurrent_spawn_limit = 2 * (os.cpu_count() or 1)

c.JupyterHub.services = [
    {
        "name": "cull-idle",
        "command": [
            sys.executable,
            "-m",
            "jupyterhub_idle_culler",
            f"--timeout={IDLE * 60:.0f}",
            f"--cull-every={min(600, IDLE * 15):.0f}",
        ],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "cull-idle",
        "services": ["cull-idle"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
