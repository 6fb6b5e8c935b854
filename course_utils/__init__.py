"""Helpers shared by the notebooks of the course "Improving Performance".

Each module is one idea; `import course_utils` loads none of them, and TensorFlow is
imported only when something is trained.
"""

import importlib

_ROOMS = ["build", "claims", "datasets", "environment", "labs", "measured", "models", "plots", "quiz", "stats"]
__all__ = [*_ROOMS, "fit_many"]


def __getattr__(name):
    if name == "fit_many":
        return importlib.import_module("course_utils.engine").fit_many
    if name in _ROOMS:
        return importlib.import_module(f"course_utils.{name}")
    raise AttributeError(f"module 'course_utils' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
