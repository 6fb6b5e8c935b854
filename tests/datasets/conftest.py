import socket

import pytest


@pytest.fixture
def offline(monkeypatch):
    """Whoever asks for a connection fails."""
    def refuse(*args, **kwargs):
        raise AssertionError("something asked for a network connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
