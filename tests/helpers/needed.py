"""What some tests need beside the course: without it they are skipped, in CI they fail."""

import os

import pytest


def needed(there, what, how):
    """Skip the test where something is not installed; in CI, where it has to be, fail.

    Parameters
    ----------
    there : bool
    what, how : str
        Its name, and how to install it.
    """
    if there:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI has to run these tests: {how}.")
    pytest.skip(f"{what} is not installed: {how}")
