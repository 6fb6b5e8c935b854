"""The labs: experiments with controls, retrained when a control moves.

``labs.batch_norm()`` opens one; ``labs.batch_norm(learning_rate=0.3)`` opens it in that state.
Each lab is one file, here ``batch_norm_lab.py``, with its controls, its computation, and its drawing; `base` does the
rest. A lab is imported when it is first used.
"""

import importlib

__all__ = [
    "augmentation", "batch_norm", "batch_norm_modes", "batch_norm_steps", "domain_shift", "dropout", "emoji", "halving",
    "learning_curve", "penalties", "playground", "scaling", "search", "seeds"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"There is no lab {name!r}; there are {', '.join(__all__)}.")
    module = importlib.import_module(f"course_utils.labs.{name}_lab")
    return getattr(module, name.title().replace("_", "") + "Lab")


def __dir__():
    return __all__
