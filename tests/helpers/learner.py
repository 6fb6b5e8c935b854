"""A learner at a Jupyter server, without a browser: starts a kernel, runs cells, moves the controls of a lab."""

import contextlib
import json
import struct
import time
import urllib.parse
import uuid

import psutil
import requests
import websocket

ELSEWHERE = ("jax", "pyarrow")   # what benchmarks and Ray install: TensorFlow and pandas import them where they are


def hide_from_learners(folder):
    """Make of an empty folder one that, on PYTHONPATH, hides what learners do not have."""
    for name in ELSEWHERE:
        (folder / f"{name}.py").write_text(f"raise ImportError('{name} is hidden')\n")


def started(word):
    """What this process has started, directly or not, with a word in its command: dict pid → psutil.Process."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):   # it has just ended
            if word in " ".join(process.cmdline()):
                found[process.pid] = process
    return found


class Kernel:
    """A kernel of a Jupyter server, and what its front end would know of it.

    Parameters
    ----------
    address : str
        Of the server, e.g. ``http://127.0.0.1:8888`` or ``http://127.0.0.1:8000/user/ada``.
    session : requests.Session, optional
        Logged in, where the server asks for it.
    seconds : float
        How long an answer may take.

    Raises
    ------
    TimeoutError, by all methods
        No answer came; the message says to what.
    """

    def __init__(self, address, session=None, seconds=600):
        self.address, self.session, self.seconds = address, session or requests.Session(), seconds
        self.widgets = {}   # model id → its state, as the front end would have it
        self.session.get(f"{address}/lab", timeout=seconds).raise_for_status()   # for its cookies
        made = self._request("post", "api/kernels", json={"name": "python3"})
        self.id, self._name = made.json()["id"], uuid.uuid4().hex
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies().items())
        self._socket = websocket.create_connection(
            f"{address.replace('http', 'ws', 1)}/api/kernels/{self.id}/channels?session_id={self._name}",
            timeout=seconds, cookie=cookies, origin="/".join(address.split("/")[:3]))

    def _request(self, method, path, **kwargs):
        answer = self.session.request(method, f"{self.address}/{path}", timeout=self.seconds,
                                      headers={"X-XSRFToken": self._cookies().get("_xsrf", "")}, **kwargs)
        answer.raise_for_status()
        return answer

    def _cookies(self):
        """Those that belong to this server; a hub has some of the same names."""
        here = urllib.parse.urlsplit(f"{self.address}/").path
        ours = [one for one in self.session.cookies if here.startswith(one.path)]
        return {one.name: one.value for one in sorted(ours, key=lambda one: len(one.path))}

    def status(self):
        """What the server says of the kernel: ``idle``, ``busy``, ``starting``, ``restarting`` or ``dead``."""
        return self._request("get", f"api/kernels/{self.id}").json()["execution_state"]

    def close(self):
        """End the kernel and all connections."""
        self._socket.close()
        self._request("delete", f"api/kernels/{self.id}")
        self.session.close()

    def _send(self, kind, content):
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self._name, "username": "",
                  "version": "5.3", "date": ""}
        self._socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content,
                                      "channel": "shell", "buffers": []}))
        return header["msg_id"]

    def _messages(self, what):
        """What the kernel says from now on; widgets are kept up to date."""
        end = time.monotonic() + self.seconds
        while True:
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                message = _read(self._socket.recv())
            except websocket.WebSocketTimeoutException:
                raise TimeoutError(f"After {self.seconds:g} s there is no {what}.") from None
            content = message["content"]
            if message["header"]["msg_type"] == "comm_open":
                self.widgets[content["comm_id"]] = content["data"].get("state", {})
            if message["header"]["msg_type"] == "comm_msg" and content["comm_id"] in self.widgets:
                self.widgets[content["comm_id"]] |= content["data"].get("state", {})
            yield message

    def begin(self, code):
        """Send a cell and wait for nothing; returns the number of the request."""
        return self._send("execute_request", {"code": code, "silent": False, "stop_on_error": True})

    def run(self, code):
        """Run a cell to its end; its text, errors included.

        Raises
        ------
        ConnectionError
            The kernel died over it.
        """
        sent, text = self.begin(code), []
        for message in self._messages("end of the cell"):
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] in ("dead", "restarting", "autorestarting"):
                raise ConnectionError("The kernel died.")
            if message["parent_header"].get("msg_id") != sent:
                continue
            if kind == "stream":
                text.append(content["text"])
            elif kind == "error":
                text.append(f"{content['ename']}: {content['evalue']}")
            elif kind == "execute_result":
                text.append(content["data"].get("text/plain", ""))
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(text)

    def control(self, label):
        """The model id of the control that carries a label.

        Raises
        ------
        KeyError
            There is none.
        """
        for model, state in self.widgets.items():
            if state.get("description") == label:
                return model
        raise KeyError(f"No control is called {label!r}.")

    def move(self, label, value):
        """Set a control, as the front end does when its handle is let go."""
        self._send("comm_msg", {"comm_id": self.control(label),
                                "data": {"method": "update", "state": {"value": value}, "buffer_paths": []}})

    def wait_for(self, shown):
        """Wait until some widget's ``value`` is a text for which `shown` is true; that text."""
        for message in self._messages("such text in the lab"):
            text = message["content"].get("data", {}).get("state", {}).get("value") \
                if message["header"]["msg_type"] == "comm_msg" else None
            if isinstance(text, str) and shown(text):
                return text


def _read(frame):
    """A message from the websocket; pictures come with buffers, in a binary frame."""
    if isinstance(frame, str):
        return json.loads(frame)
    [parts] = struct.unpack("!i", frame[:4])
    first, *others = struct.unpack(f"!{parts}I", frame[4:4 * (parts + 1)])
    return json.loads(frame[first:others[0] if others else None])
