"""Numbers, intervals, and tables as text.

An `interval` is an xarray.Dataset without dims, with ``mean``, ``low``, and ``high`` as fractions, from `stats`.
"""

import math


def minus(text):
    """A text with minus signs in place of hyphens; all its hyphens must be in front of numbers."""
    return text.replace("-", "−")


def rounded(mean, low, high):
    """Mean and interval with the digits the interval deserves: ``3.4 [3.1, 3.8]``."""
    half = (high - low) / 2
    digits = 3 if half <= 0 or not math.isfinite(half) else max(0, 1 - math.floor(math.log10(half)))
    digits = min(digits, 4)
    return minus(f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]")


def in_percent(interval):
    """An accuracy as text: its mean and its interval, both limited to 0 to 100%."""
    mean, low, high = (min(max(float(interval[part]), 0), 1) for part in ("mean", "low", "high"))
    return f"{mean:.1%} [{low:.1%}, {high:.1%}]"


def in_points(interval):
    """A difference of accuracies as text: its mean and its interval, signed, in points of 1%."""
    mean, low, high = (100 * float(interval[part]) for part in ("mean", "low", "high"))
    return minus(f"{mean:+.1f} [{low:+.1f}, {high:+.1f}] points")


def points(difference, digits=1):
    """A difference of accuracies as text, signed, in points of 1%, without its interval."""
    return minus(f"{100 * float(difference):+z.{digits}f} points")


def printable(text):
    """A text with spaces in place of the control characters that a terminal, a table, or a page would obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def table(columns, rows):
    """A table in Markdown, from the names of its columns and its rows of strings."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
