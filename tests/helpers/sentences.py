"""What the course says when something is wrong: one sentence, every time."""

import contextlib

import pytest


def is_one_sentence(text):
    return text.endswith(".") and not any(end in text for end in (". ", "? ", "! ", "\n"))


@contextlib.contextmanager
def refused(error, match):
    """`pytest.raises` for an error whose message is one sentence and holds `match`."""
    with pytest.raises(error, match=match) as caught:
        yield caught
    said = str(caught.value.args[0])   # str(KeyError) would put it in quotes
    assert is_one_sentence(said), said
