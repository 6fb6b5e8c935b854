"""A real JupyterLab in a real Chromium, for tests and screenshots."""

import base64
import contextlib
import json
import os
import shutil
import sys

import jupytext
import nbformat

from course_utils.tools import build
from tests.helpers.needed import needed
from tests.helpers.servers import free_ports, running

RUN_ALL = """async () => {
    const app = window.jupyterapp; await app.restored;
    const session = app.shell.currentWidget.sessionContext; await session.ready;
    await session.session.kernel.info;
    await app.commands.execute('notebook:run-all-cells');
}"""
PICTURE = """async selector => {
    const blob = await (await fetch(document.querySelector(selector).src)).blob();
    return await new Promise(done => {
        const reader = new FileReader();
        reader.onload = () => done(reader.result.split(',')[1]);
        reader.readAsDataURL(blob);
    });
}"""
SAVE = "async () => { await window.jupyterapp.commands.execute('docmanager:save'); }"


def require_chromium():
    """Skip the test where Chromium is absent; in CI fail."""
    needed(shutil.which("chromium") or shutil.which("chromium-browser"), "Chromium", "apt-get install chromium")


@contextlib.contextmanager
def server(root, state):
    """Serve a folder with JupyterLab; yields its address.

    Parameters
    ----------
    root : pathlib.Path
        The folder that learners see.
    state : pathlib.Path
        Empty folder for settings, workspaces and the log.
    """
    [port] = free_ports()
    address, settings = f"http://127.0.0.1:{port}", state / "settings"
    settings.mkdir(parents=True)
    (settings / "overrides.json").write_text(json.dumps(
        {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}))
    folders = {name: str(state / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
               "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True",
               f"--ServerApp.root_dir={root}", f"--LabApp.app_settings_dir={settings}",
               f"--LabApp.workspaces_dir={state / 'workspaces'}", f"--LabApp.user_settings_dir={state / 'user'}"]
    with running(command, state / "log", asks=f"{address}/api/status",
                 env=os.environ | folders | {"TF_CPP_MIN_LOG_LEVEL": "3"}):
        yield address


@contextlib.contextmanager
def browser():
    """Debian's or the system's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"])
        try:
            yield chromium
        finally:
            chromium.close()


def open_notebook(page, address, name):
    """Open a notebook and wait until it can be run."""
    page.goto(f"{address}/lab/tree/{name}?reset")
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.shell.currentWidget"
                           " && window.jupyterapp.shell.currentWidget.sessionContext", timeout=60_000)
    page.evaluate("async () => { const app = window.jupyterapp; await app.restored;"
                  " await app.shell.currentWidget.context.ready; }")


@contextlib.contextmanager
def page(folder, width=1280, height=900):
    """A browser's page and a JupyterLab that serves ``folder / "root"``.

    Parameters
    ----------
    folder : pathlib.Path
        Empty.
    width, height : int
        Of the window, in pixels.

    Yields
    ------
    playwright Page, with ``address`` and ``root`` of the server, and ``complaints``, the errors on the
    browser's console
    """
    require_chromium()
    root = folder / "root"
    root.mkdir()
    with server(root, folder / "state") as address, browser() as chromium:
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.address, page.root, page.complaints = address, root, []
        page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page


def load(page, cells):
    """Open a new notebook of cells, written as py:percent; it is called ``lab.ipynb``."""
    notebook = jupytext.reads(cells, fmt="py:percent")
    notebook.metadata = {"kernelspec": build.KERNEL}
    nbformat.write(notebook, page.root / "lab.ipynb")
    open_notebook(page, page.address, "lab.ipynb")


def start(page, cells):
    """Open such a notebook and start all its cells."""
    load(page, cells)
    page.evaluate(RUN_ALL)


def picture(page, selector):
    """Bytes of the picture that an element shows."""
    return base64.b64decode(page.evaluate(PICTURE, selector))
