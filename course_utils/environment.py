"""Does this machine have what the course needs? One line each, and what to do if not."""

import importlib.metadata
import sys

SHOWN = ["tensorflow", "keras", "numpy", "scikit-learn", "xarray", "matplotlib", "ipywidgets", "jupyterlab"]


def check():
    """Print ✓ or ✗ for Python, each package, and one small training, with one sentence on what to fix."""
    _say(problem_with_python(sys.version_info), f"Python {sys.version_info[0]}.{sys.version_info[1]}")
    for name, (version, problem) in packages().items():
        _say(problem, f"{name} {version}")
    _say(problem_with_training(), "a small network trains")


def problem_with_python(version):
    """One sentence if the course does not run on this Python, else None."""
    if (3, 11) <= tuple(version[:2]) <= (3, 13):
        return None
    return (f"This is Python {version[0]}.{version[1]}; the course needs 3.11 to 3.13: "
            "run `make lab PYTHON=python3.12` in its folder.")


def packages(requirements=None, version_of=importlib.metadata.version):
    """Version of each main package, and one sentence if it is missing or out of range.

    Parameters
    ----------
    requirements : list of str, optional
        By default, those of the installed course.
    version_of : callable name → str

    Returns
    -------
    dict name → (version or "missing", sentence or None)
    """
    from packaging.requirements import Requirement

    results = {}
    for requirement in map(Requirement, requirements or importlib.metadata.requires("course") or []):
        name = "tensorflow" if requirement.name == "tensorflow-cpu" else requirement.name
        if name not in SHOWN or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            version = _version(requirement.name, version_of)
        except importlib.metadata.PackageNotFoundError:
            results[name] = "missing", f"{name} is missing: close JupyterLab and run `make lab`."
            continue
        fits = requirement.specifier.contains(version, prereleases=True)
        results[name] = version, None if fits else (
            f"{name} is {version}; the course needs {requirement.specifier}: close JupyterLab and run `make lab`.")
    return {name: results[name] for name in SHOWN if name in results}


def problem_with_training():
    """One sentence if a small network cannot be trained, else None."""
    from course_utils import datasets, fit_many, models

    try:
        runs = fit_many(models.mlp, datasets.digits(), {"learning_rate": 0.1, "seed": [0]}, epochs=2)
    except Exception as error:   # whatever it is, the learner needs one sentence instead of a traceback
        return f"Training failed ({type(error).__name__}: {error}): close JupyterLab, remove .venv, run `make lab`."
    if not float(runs.val_accuracy.isel(epoch=-1, seed=0)) > 0.5:
        return "Training ran but learned nothing: please report this with your processor and system."
    return None


def slider():
    """A slider and a number that follows it, to test that widgets reach the kernel and come back."""
    import ipywidgets as widgets

    from course_utils import accessible

    control = widgets.IntSlider(value=3, min=1, max=10, description="move me", tooltip="from 1 to 10")
    answer = widgets.Label()

    def follow(_=None):
        answer.value = f"The kernel sees {control.value}."

    control.observe(follow, "value")
    follow()
    accessible.enable()
    return widgets.VBox([control, answer])


def _version(name, version_of):
    """The installed version; with a GPU, tensorflow replaces the tensorflow-cpu that the course requires."""
    try:
        return version_of(name)
    except importlib.metadata.PackageNotFoundError:
        if name == "tensorflow-cpu":
            return version_of("tensorflow")
        raise


def _say(problem, fine):
    print(f"✗ {problem}" if problem else f"✓ {fine}")
