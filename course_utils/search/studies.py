"""The study and its storage: opened by the driver, shared by the workers."""

import json
import os

import optuna

from course_utils.search import space as spaces
from course_utils.search import trials

NAME = "search"   # the name of the study in its storage
optuna.logging.set_verbosity(optuna.logging.WARNING)   # the bar and the table of trials say the rest


def address(storage):
    """The storage as text that means the same in every process of this machine."""
    storage = os.fspath(storage)
    return storage if "://" in storage else os.path.abspath(storage)


def create(storage, direction, pruner, space, grid):
    """The study of a storage; one sentence if it holds another search."""
    if storage is not None and not isinstance(storage, str | os.PathLike):
        raise TypeError(f"storage is {storage!r}; expected a path, or a database URL such as sqlite:///search.db.")
    try:
        study = optuna.create_study(study_name=NAME, direction=direction, pruner=pruner, load_if_exists=True,
                                    storage=storage if storage is None else _open(address(storage), mend=True))
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"The storage {storage} cannot be opened ({type(error).__name__}: {reason}): expected a path "
                         "in a folder that exists, to a file that only searches write, or a database URL.") from error
    if study.direction.name.lower() != direction:
        raise ValueError(f"The storage {storage} holds a search that {study.direction.name.lower()}s: use "
                         "that direction, or another storage.")
    wanted = {"grid": json.dumps(grid), "space": spaces.describe(space)}
    stored = study.user_attrs
    if stored.keys() <= {"grid"}:   # a new study, or one whose driver died here
        for name, value in wanted.items():
            study.set_user_attr(name, value)
    elif stored.get("space") != wanted["space"]:
        names = ", ".join(json.loads(stored.get("space") or "{}")) or "not from search.run"
        raise ValueError(f"The storage {storage} holds a search of another space ({names}): use another storage.")
    elif stored.get("grid") != wanted["grid"]:
        raise ValueError(f"The storage {storage} holds a search over another grid, or without one; a grid depends "
                         "on n_trials: use the same n_trials and sampler, or another storage.")
    return study


def in_memory(study):
    """A copy of a study whose storage is about to be deleted."""
    memory = optuna.storages.InMemoryStorage()
    optuna.copy_study(from_study_name=NAME, from_storage=study._storage, to_storage=memory)
    return optuna.load_study(study_name=NAME, storage=memory, sampler=study.sampler, pruner=study.pruner)


def _open(storage, *, mend=False):
    """Optuna's storage for a database URL, or for the path of a file that is written line by line."""
    if "://" in storage:
        return optuna.storages.RDBStorage(storage)
    from optuna.storages import journal

    if os.path.exists(storage):   # Optuna would append to it, whatever the file holds
        with open(storage, "rb") as file:
            if not (first := file.readline()).startswith(b'{"op_code"'[:len(first)]):
                raise ValueError("the file holds something else")
    links = os.name != "nt"   # they need rights on Windows
    lock = journal.JournalFileSymlinkLock(storage) if links else journal.JournalFileOpenLock(storage)
    backend = journal.JournalFileBackend(storage, lock)
    if mend:
        with journal._file.get_lock_file(lock):
            _drop_cut_off_line(storage, backend)
    return journal.JournalStorage(backend)


def _drop_cut_off_line(path, backend):
    """Remove the last line of a journal if a full disk or a power failure cut it off; Optuna would append to it."""
    with open(path, "rb+") as file:
        number = 1
        try:
            for _ in backend.read_logs(0):
                file.readline()
                number += 1
        except ValueError as error:
            raise ValueError(f"line {number} is damaged; to resume there, delete it and all lines after it") from error
        file.truncate()


def shared_report(storage, pruner, number):
    """The report of a trial in a process that shares only the storage with the driver."""
    if "://" not in storage and not os.path.exists(storage):
        raise FileNotFoundError(f"This node does not see the storage {storage}: intermediate scores need a path that "
                                "all nodes share, or a database URL.")
    study = optuna.load_study(study_name=NAME, storage=_open(storage), pruner=pruner,
                              sampler=optuna.samplers.RandomSampler())   # not used here
    return trials.Report(optuna.trial.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id))
