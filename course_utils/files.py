"""Files that are written completely or not at all, and read completely or not at all."""

import os
import uuid

import numpy as np


def write_atomically(path, content):
    """Write a file in such a way that nobody ever reads half of it, even if two processes write it at once.

    Parameters
    ----------
    path : pathlib.Path
        Its folder exists.
    content : str or bytes
    """
    if isinstance(content, str):
        content = content.encode()
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        new.write_bytes(content)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)   # where it couldn't be written, or not put in place


def read_arrays(path):
    """The arrays in an npz file: dict name → array.

    Raises
    ------
    ValueError
        The file is missing or damaged; its checksums are compared.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:   # a damaged archive can fail in any way
        raise ValueError(f"The file {path} is {'damaged' if path.exists() else 'missing'} ({type(error).__name__}); "
                         "fetch it again, for instance with `git checkout`.") from None
