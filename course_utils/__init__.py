"""Helpers shared by the notebooks of the course "Improving Performance".

Each module is one idea; `import course_utils` loads none of them, and most of them import
TensorFlow only when something is trained.
"""

import importlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")   # no page about how TensorFlow was compiled in a learner's notebook
# The same kernels on every processor, so that numbers differ less between machines; where TensorFlow would choose
# oneDNN's, it says so in red in the first cell, whatever the log level. Nothing here is slower without them.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

_ROOMS = ["batch_norm", "build", "claims", "covariate_shift", "datasets", "descent", "environment", "halving", "labs",
          "measured", "models", "patients", "plots", "power_law", "quiz", "search", "stacked", "stats", "tabular"]
_ENGINE = ["augmented", "early_stopping", "fit_many"]
__all__ = [*_ROOMS, *_ENGINE]


def __getattr__(name):
    if name in _ENGINE:
        return getattr(importlib.import_module("course_utils.engine"), name)
    if name in _ROOMS:
        return importlib.import_module(f"course_utils.{name}")
    raise AttributeError(f"module 'course_utils' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
