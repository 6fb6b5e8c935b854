import socket

import pytest


@pytest.fixture
def offline(monkeypatch):
    """Any attempt to open a connection fails."""
    def refuse(*args, **kwargs):
        raise AssertionError("something asked for a network connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
