"""Links that open the course elsewhere: `.venv/bin/python classroom/links.py [ADDRESS] [HUB]`.

ADDRESS is where git finds the course; without it, where this folder was cloned from.
HUB is the address of a JupyterHub, such as https://hub.example.org.
"""

import pathlib
import subprocess
import sys
from urllib.parse import quote, urlencode, urlsplit

HOME = pathlib.Path(__file__).resolve().parents[1]
WELCOME = "notebooks/00_welcome.ipynb"


def origin(folder=HOME):
    """Where a folder was cloned from, as others can reach it.

    Raises
    ------
    ValueError
        It was cloned from nowhere, or from this machine.
    """
    done = subprocess.run(["git", "-C", str(folder), "remote", "get-url", "origin"], capture_output=True, text=True)
    address = done.stdout.strip()
    if address.startswith("git@"):  # learners have no key
        address = "https://" + address.removeprefix("git@").replace(":", "/", 1)
    if not address.startswith("https://"):
        raise ValueError(
            f"This folder was not cloned from an https address ({address or 'it has no origin'}): give "
            "one, as in `classroom/links.py https://github.com/NAME/improving-performance`."
        )
    return address


def links(address, hub=None, branch="main"):
    """Where the course opens: dict place → link, or for Colab the first cell of a notebook.

    Parameters
    ----------
    address : str
        Of the repository, beginning with https://.
    hub : str, optional
    branch : str

    Returns
    -------
    dict; Colab's and Codespaces' links are there only for what is on GitHub
    """
    address = address.rstrip("/").removesuffix(".git")
    host, path = urlsplit(address).netloc, urlsplit(address).path.strip("/")
    name = path.split("/")[-1]
    where = f"gh/{path}" if host == "github.com" else f"git/{quote(address, safe='')}"
    found = {"Binder": f"https://mybinder.org/v2/{where}/{branch}?{urlencode({'urlpath': f'lab/tree/{WELCOME}'})}"}
    if host == "github.com":
        found["Codespaces"] = f"https://codespaces.new/{path}"
        found["Colab"] = f"https://colab.research.google.com/github/{path}/blob/{branch}/{WELCOME}"
    found["Colab, first cell"] = f"!git clone --quiet --depth 1 {address} {name}\n%run {name}/classroom/colab.py"
    if hub:
        asked = {"repo": address, "branch": branch, "urlpath": f"lab/tree/{name}/{WELCOME}"}
        found["JupyterHub"] = f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(asked)}"
    return found


if __name__ == "__main__":
    try:
        for place, link in links(sys.argv[1] if sys.argv[1:] else origin(), *sys.argv[2:3]).items():
            print(f"{place}:\n{link}\n")
    except ValueError as error:
        sys.exit(str(error))
