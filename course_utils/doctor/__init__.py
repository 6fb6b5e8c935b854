"""Find out what is wrong with a network that doesn't improve, in your own project.

    history = model.fit(...)
    report = doctor.examine(model, (x_train, y_train), (x_val, y_val), history=history)
    report                # what is probably wrong, the evidence, and the fix
    report.try_fix()      # trains with and without the fix, within a minute

    model.fit(..., callbacks=[doctor.Doctor()])   # reports at the end of training
    doctor.read(history)                          # from the recorded curves alone

This folder needs only Keras 3 and NumPy, with any of Keras's backends (Matplotlib draws the curves if it is installed),
and can be copied into any project.
"""

import importlib

HOMES = {"Doctor": "callback", "examine": "examination", "read": "examination"}
__all__ = list(HOMES)


def __getattr__(name):
    """Import Keras only when the doctor is called: the command `course` needs nothing but the options."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{HOMES[name]}", __name__), name)
