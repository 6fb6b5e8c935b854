"""Files that are written completely or not at all."""

import os
import uuid


def write_atomically(path, text):
    """Write a text file in such a way that nobody ever reads half of it, even if two processes write it at once.

    Parameters
    ----------
    path : pathlib.Path
        Its folder exists.
    text : str
    """
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    new.write_text(text, encoding="utf-8", newline="\n")
    os.replace(new, path)
