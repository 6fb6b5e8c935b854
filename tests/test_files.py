"""Files are written completely or not at all, and read completely or not at all."""

import os
import threading

import numpy as np
import pytest

from course_utils.files import read_arrays, write_atomically
from tests.helpers.sentences import refused


def test_text_and_bytes_arrive_as_they_are(tmp_path):
    write_atomically(tmp_path / "text", "1\n−2\n")
    assert (tmp_path / "text").read_bytes() == "1\n−2\n".encode()
    write_atomically(tmp_path / "text", b"\0\r\n")
    assert (tmp_path / "text").read_bytes() == b"\0\r\n"


def test_nobody_reads_half_a_file(tmp_path):
    path, whole = tmp_path / "file", 2_000_000
    write_atomically(path, b"a" * whole)

    def write(letter):
        for _ in range(30):
            write_atomically(path, letter * whole)

    writers = [threading.Thread(target=write, args=[letter]) for letter in (b"b", b"c")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        content = path.read_bytes()
        assert len(content) == whole
        assert content == content[:1] * whole
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def fail(*args):
        raise PermissionError

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PermissionError):
        write_atomically(path, "new")
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_are_read_whole_or_refused(tmp_path):
    path = tmp_path / "arrays.npz"
    with refused(ValueError, "missing"):
        read_arrays(path)
    np.savez(path, a=np.arange(100), b=np.ones(3))
    assert read_arrays(path).keys() == {"a", "b"}
    content = path.read_bytes()
    for damaged in (content[:-1], content[:200] + b"?" + content[201:], b"", b"text", content[100:]):
        path.write_bytes(damaged)
        with refused(ValueError, "damaged"):
            read_arrays(path)
    with path.open("wb") as file:
        np.save(file, np.arange(3))   # an array, but no archive
    with refused(ValueError, "damaged"):
        read_arrays(path)
