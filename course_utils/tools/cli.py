"""The command ``course``."""

import argparse
import codecs
import json
import os
import pathlib
import signal
import sys
import tempfile

from course_utils.formatting import printable

# What the commands print, for terminals whose encoding lacks it, such as that of some Windows consoles.
ASCII = {"✓": "+", "✗": "x", "·": ".", "−": "-", "–": "-", "…": "...", "→": "->", "×": "x", "’": "'"}
codecs.register_error("course", lambda error: (
    "".join(ASCII.get(char, "?") for char in error.object[error.start:error.end]), error.end))


def main(arguments=None):
    """Run one subcommand; the exit status is 0 if everything went well, and an expected error is one sentence."""
    from course_utils.doctor import __main__ as terminal
    from course_utils.tools.sandbox import Limits

    parser = argparse.ArgumentParser(prog="course", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(run, summary, argument, *, expected=ValueError, **options):
        command = commands.add_parser(run.__name__, help=summary)
        command.add_argument(argument, **options)
        command.set_defaults(run=run, expected=expected)
        return command

    add(build, "execute text twins and write their notebooks",
        "names", nargs="*", help="numbers, or how the names begin, e.g. 7 (default: all)")
    add(check, "judge the answers in your exercises", "names", nargs="*", expected=(ValueError, RuntimeError),
        help="number of an exercise or path of a notebook (default: all)")
    grading = add(grade, "judge the submissions of a class (for instructors)", "submissions",
                  expected=(ValueError, OSError), help="a folder with notebooks, or one notebook; it is only read")
    grading.add_argument("--out", default="grades.csv", help="the table to write (default: grades.csv)")
    grading.add_argument("--format", choices=["csv", "moodle", "json"], default="csv",
                         help="a file for another gradebook, besides the table (default: csv, only the table)")
    grading.add_argument("--jobs", type=_positive(int), help="submissions at the same time (default: one a core)")
    grading.add_argument("--timeout", type=_positive(float), default=Limits.seconds,
                         help="seconds for one submission (default: %(default)g)")
    grading.add_argument("--cell-timeout", type=_positive(float), default=Limits.cell_seconds,
                         help="seconds for one cell (default: %(default)g)")
    grading.add_argument("--memory", type=_positive(float), default=Limits.memory / (1 << 30),
                         help="GB of memory for one process (default: %(default)g)")
    add(reset, "restore a pristine exercise; yours is moved to a dated backup",
        "names", nargs="+", help="number of an exercise")
    examination = commands.add_parser("doctor", help="find out what is wrong with a network of yours")
    terminal.arguments(examination)
    examination.set_defaults(run=terminal.run, expected=(ValueError, TypeError, OSError))
    add(claims, "measure the claims that are registered, and try the others again", "keys", nargs="*",
        expected=(ValueError, FileExistsError), help="keys of claims (default: all); after the word register, they are "
        "registered instead, which takes a pilot")
    for server in (
            add(present, "show a lecture to a class, step by step, with your notes",
                "names", nargs="*", help="number, or how the name begins (default: choose in the browser)"),
            add(voila, "serve labs as pages without code", "names", nargs="*",
                expected=(ValueError, ModuleNotFoundError), help="e.g. batch_norm (default: all labs)")):
        server.add_argument("--port", type=_positive(int), help="where to serve (default: any that is free)")
        server.add_argument("--no-browser", dest="browser", action="store_false", help="only print the address")

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="course")
    options = parser.parse_args(arguments)
    try:
        return options.run(options) or 0
    except options.expected as error:
        print(*map(printable, str(error).splitlines()), sep="\n", file=sys.stderr)
        return 1


def _positive(kind):
    """A number above zero, for argparse."""
    def number(text):
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value
    return number


def build(options):
    """``course build [7 …]``"""
    from course_utils.tools import build, pages

    lectures, solutions = build.twins(), build.solutions()
    chosen = _chosen(lectures + solutions, options.names)
    pages.update()
    for twin in chosen:
        print(f"{twin.stem} …" if twin in lectures else f"solution and exercise {twin.stem} …", end=" ", flush=True)
        if twin in lectures:
            build.build(twin)
            kept = None
        else:
            kept = build.build_solution(twin)
        print(f"built, but {kept.parent.name}/{kept.name} was left as it is: somebody changed it" if kept else "built")


def _chosen(twins, names):
    """The text twins that have these numbers or whose names begin this way; without names, all of them."""
    from course_utils.tools.build import named

    chosen = [twin for twin in twins if not names or any(twin in named(twins, name) for name in names)]
    if not chosen:
        raise ValueError(f"No text twin begins with {' or '.join(names)}; there are "
                         f"{', '.join(twin.stem for twin in twins)}.")
    return chosen


def check(options):
    """``course check [2 | path …]``"""
    from course_utils.tools import judging

    paths = [judging.find(name) for name in options.names] or judging.exercises()
    if not paths:
        raise ValueError("There are no exercises here; name a notebook, or run `course build`.")
    passed = [_print_table(path) for path in paths]
    return 0 if all(passed) else 1


def _print_table(path):
    """Judge one exercise, print one line per check, and return whether all passed."""
    from course_utils.tools import judging

    print(printable(path.stem), flush=True)
    verdicts = judging.check(path)
    judged = [verdict.passed for verdict in verdicts if verdict.is_check]
    failed = len(verdicts) - len(judged)
    total = f"{sum(judged)} of {len(judged)} checks passed" + f", {failed} other cells failed" * bool(failed)
    print(*(f"  {printable(verdict.line)}" for verdict in verdicts), f"  {total}\n", sep="\n")
    return all(verdict.passed for verdict in verdicts)


def grade(options):
    """``course grade submissions/ --out grades.csv``"""
    from course_utils.tools import gradebook, grading, sandbox

    limits = sandbox.Limits(seconds=options.timeout, cell_seconds=options.cell_timeout,
                            memory=int(options.memory * (1 << 30)))
    print(sandbox.lacks(), end="\n" if sandbox.lacks() else "", file=sys.stderr)
    # Terminating this command also ends the submissions that it runs.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        out = pathlib.Path(options.out)
        gradebook.clear(out)
        grades = grading.grade(pathlib.Path(options.submissions), out, jobs=options.jobs, limits=limits)
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    print(grading.summary(grades))
    left_out = gradebook.write(grades, out, options.format)
    print(left_out, end="\n" if left_out else "", file=sys.stderr)
    return 1 if any(grade.problem for grade in grades) else 0


def reset(options):
    """``course reset 2``"""
    from course_utils.tools import reset

    for name in options.names:
        backup = reset.reset(name)
        restored = reset.pristine(name).stem
        print(f"{restored} is as it was at first." + (f" Yours is now {backup}" if backup else ""))


def present(options):
    """``course present [7 …]``"""
    from course_utils.tools import build, present

    return present.present(_chosen(build.twins(), options.names), port=options.port, browser=options.browser)


def voila(options):
    """``course voila [batch_norm …]``"""
    from course_utils import labs
    from course_utils.tools import present
    from course_utils.tools.present import voila

    names = options.names or labs.__all__
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        voila.prepare(names, folder)
        return present.serve(*voila.command(names, folder, port=options.port, browser=options.browser))


def claims(options):
    """``course claims [register] [key …]``"""
    from course_utils import claims
    from course_utils.claims import register

    registering, keys = options.keys[:1] == ["register"], options.keys[options.keys[:1] == ["register"]:]
    try:
        chosen = [claims.get(key) for key in keys] or claims.all_claims()
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    os.environ.setdefault("TQDM_DISABLE", "1")
    studies = register.studies()
    for claim in chosen:
        if claim.key in studies:
            (register.register if registering else register.measure)(studies[claim.key])
    older = [claim for claim in chosen if claim.trial and claim.key not in studies]
    if older and not registering:
        rerun = claims.rerun(older)
        results = claims.results() | rerun   # read after the trials: another run may have written in the meantime
        ordered = {claim.key: results[claim.key] for claim in claims.all_claims() if claim.key in results}
        claims.RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
