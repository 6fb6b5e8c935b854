"""Helpers shared by the notebooks of the course "Improving Performance".

Each module is one idea. `import course_utils` loads none of them, and most of them import TensorFlow only when
something is trained.
"""

import importlib
import os

from course_utils import moved

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")   # no page about how TensorFlow was compiled in a learner's notebook
# The same kernels on every processor, so that numbers differ less between machines; where TensorFlow would choose
# oneDNN's, it says so in red in the first cell, whatever the log level. Nothing here is slower without them.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# What nearly every notebook uses, by the module it is in; all else is imported from its module.
_SHORTCUTS = {"augment": "training.augmentation", "early_stopping": "training.stopping", "fit_many": "training.fit",
              "trained_model": "training.fit"}
__all__ = list(_SHORTCUTS)

moved.watch()


def __getattr__(name):
    if name in _SHORTCUTS:
        return getattr(importlib.import_module(f"course_utils.{_SHORTCUTS[name]}"), name)
    moved.refuse(f"course_utils.{name}")
    raise AttributeError(f"module 'course_utils' has no attribute {name!r}")
