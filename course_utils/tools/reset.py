"""A fresh start for an exercise: ``course reset 2``."""

import datetime
import shutil

from course_utils import checks
from course_utils.tools import build, judging


def pristine(name):
    """Path of the pristine exercise meant by ``2``, ``02``, or the beginning of its name; a ValueError if unclear."""
    return judging.meant(name, sorted(checks.PRISTINE.glob("*.ipynb")))


def reset(name, home=build.HOME):
    """Restore a pristine exercise, after moving the learner's copy to a dated backup.

    Parameters
    ----------
    name : str
        As in `pristine`, which raises a ValueError if it is unclear.
    home : pathlib.Path
        Where ``exercises/`` is.

    Returns
    -------
    pathlib.Path of the backup, or None if there was no copy

    Raises
    ------
    ValueError
        The name is unclear, or nothing can be written there.
    """
    source = pristine(name)
    target = home / "exercises" / source.name
    backup = None
    try:
        if target.exists():
            now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
            backup = target.parent / "backup" / f"{target.stem}_{now}.ipynb"
            backup.parent.mkdir(exist_ok=True)
            if backup.exists():
                raise ValueError(f"There is a backup of this very second, {backup.name}; run the command again.")
            shutil.move(target, backup)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise ValueError(f"{target.stem} could not be restored, since {error.filename or target} cannot be written "
                         f"({error.strerror or error}).") from None
    return backup
