"""The command ``course``."""

import argparse
import sys


def main(arguments=None):
    """Run one subcommand; the exit status is 0 when all went well."""
    from course_utils.tools.sandbox import Limits

    parser = argparse.ArgumentParser(prog="course", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("build", help="execute text twins and write their notebooks")
    command.add_argument("names", nargs="*", help="numbers, or how the names begin, e.g. 7 (default: all)")
    command.set_defaults(run=build)

    command = commands.add_parser("check", help="judge the answers in your exercises")
    command.add_argument("names", nargs="*", help="number of an exercise or path of a notebook (default: all)")
    command.set_defaults(run=check)

    command = commands.add_parser("grade", help="judge the submissions of a class (for instructors)")
    command.add_argument("submissions", help="a folder with notebooks, or one notebook; it is only read")
    command.add_argument("--out", default="grades.csv", help="the table to write (default: grades.csv)")
    command.add_argument("--jobs", type=_positive(int), help="submissions at the same time (default: one a core)")
    command.add_argument("--timeout", type=_positive(float),
                         help=f"seconds for one submission (default: {Limits.seconds:g})")
    command.add_argument("--cell-timeout", type=_positive(float),
                         help=f"seconds for one cell (default: {Limits.cell_seconds:g})")
    command.add_argument("--memory", type=_positive(float),
                         help=f"GB of memory for one process (default: {Limits.memory / (1 << 30):g})")
    command.set_defaults(run=grade)

    command = commands.add_parser("reset", help="restore a pristine exercise; yours is moved to a dated backup")
    command.add_argument("names", nargs="+", help="number of an exercise")
    command.set_defaults(run=reset)

    command = commands.add_parser("claims", help="put every claim on trial again, write results.json")
    command.add_argument("keys", nargs="*", help="keys of claims (default: all)")
    command.set_defaults(run=claims)

    command = commands.add_parser("present", help="show a lecture to a class, step by step, with your notes")
    command.add_argument("names", nargs="*", help="number, or how the name begins (default: choose in the browser)")
    _of_a_server(command)
    command.set_defaults(run=present)

    command = commands.add_parser("voila", help="serve labs as pages without code")
    command.add_argument("names", nargs="*", help="e.g. batch_norm (default: all labs)")
    _of_a_server(command)
    command.set_defaults(run=voila)

    options = parser.parse_args(arguments)
    return options.run(options)


def build(options):
    """``course build [7 …]``"""
    from course_utils.tools import build as room
    from course_utils.tools import pages

    try:
        chosen = _chosen(room.twins() + room.solutions(), options.names)
        lectures, solutions = ([twin for twin in twins if twin in chosen] for twins in (room.twins(), room.solutions()))
        pages.update()
        for twin in lectures:
            print(f"{twin.stem} …", end=" ", flush=True)
            room.build(twin)
            print("built")
        for twin in solutions:
            print(f"solution and exercise {twin.stem} …", end=" ", flush=True)
            left = room.build_solution(twin)
            print(f"built, but {left.parent.name}/{left.name} was left as it is: somebody changed it" if left
                  else "built")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _chosen(twins, names):
    """The text twins of these numbers, or whose names begin so; all of them without names."""
    from course_utils.tools.build import named

    chosen = [twin for twin in twins if not names or any(twin in named(twins, name) for name in names)]
    if not chosen:
        raise ValueError(f"No text twin begins with {' or '.join(names)}; there are "
                         f"{', '.join(twin.stem for twin in twins)}.")
    return chosen


def check(options):
    """``course check [2 | path …]``"""
    from course_utils.tools import judging

    try:
        paths = [judging.find(name) for name in options.names] or judging.exercises()
        if not paths:
            raise ValueError("There are no exercises here; name a notebook, or run `course build`.")
        passed = [_print_table(path) for path in paths]
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if all(passed) else 1


def _print_table(path):
    """Judge one exercise, print one line a check; whether all passed."""
    from course_utils.tools import judging

    print(path.stem, flush=True)
    verdicts = judging.check(path)
    judged = [verdict.passed for verdict in verdicts if verdict.is_check]
    failed = len(verdicts) - len(judged)
    total = f"{sum(judged)} of {len(judged)} checks passed" + f", {failed} other cells failed" * bool(failed)
    print(*(f"  {verdict.line}" for verdict in verdicts), f"  {total}\n", sep="\n")
    return all(verdict.passed for verdict in verdicts)


def grade(options):
    """``course grade submissions/ --out grades.csv``"""
    import pathlib
    import signal

    from course_utils.tools import grading, sandbox

    given = {"seconds": options.timeout, "cell_seconds": options.cell_timeout,
             "memory": options.memory and int(options.memory * (1 << 30))}
    limits = sandbox.Limits(**{name: value for name, value in given.items() if value})
    print(sandbox.fence().lacks, end="\n" if sandbox.fence().lacks else "", file=sys.stderr)
    # Whoever ends this command ends the submissions that it runs.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        grades = grading.grade(pathlib.Path(options.submissions), pathlib.Path(options.out), jobs=options.jobs,
                               limits=limits)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    print(grading.summary(grades))
    return 1 if any(one.problem for one in grades) else 0


def _positive(kind):
    """A number above zero, for argparse."""
    def number(text):
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value
    return number


def reset(options):
    """``course reset 2``"""
    from course_utils.tools import reset

    try:
        for name in options.names:
            backup = reset.reset(name)
            restored = reset.pristine(name).stem
            print(f"{restored} is as it was at first." + (f" Yours is now {backup}" if backup else ""))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def present(options):
    """``course present [7 …]``"""
    from course_utils.tools import build, present

    try:
        return present.present(_chosen(build.twins(), options.names), port=options.port, browser=options.browser)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1


def voila(options):
    """``course voila [batch_norm …]``"""
    import pathlib
    import tempfile

    from course_utils import labs
    from course_utils.tools import present
    from course_utils.tools.present import voila as labs_alone

    names = options.names or labs.__all__
    with tempfile.TemporaryDirectory() as folder:
        try:
            labs_alone.prepare(names, pathlib.Path(folder))
            server = labs_alone.command(names, pathlib.Path(folder), port=options.port, browser=options.browser)
        except (ValueError, ModuleNotFoundError) as error:
            print(error, file=sys.stderr)
            return 1
        return present.serve(*server)


def _of_a_server(command):
    command.add_argument("--port", type=_positive(int), help="where to serve (default: any that is free)")
    command.add_argument("--no-browser", dest="browser", action="store_false", help="only print the address")


def claims(options):
    """``course claims [key …]``"""
    import json

    from course_utils import claims as room

    try:
        chosen = [room.get(key) for key in options.keys] if options.keys else room.all_claims()
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    tried = room.rerun(chosen)
    found = room.results() | tried   # read after the trials: another run may have written meanwhile
    ordered = {claim.key: found[claim.key] for claim in room.all_claims() if claim.key in found}
    room.RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
