"""The command ``course``."""

import argparse
import sys


def main(arguments=None):
    """Run one subcommand; the exit status is 0 when all went well."""
    parser = argparse.ArgumentParser(prog="course", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("build", help="execute text twins and write their notebooks")
    command.add_argument("names", nargs="*", help="how the names begin, e.g. 07 (default: all)")
    command.set_defaults(run=build)

    command = commands.add_parser("claims", help="put every claim on trial again, write results.json")
    command.add_argument("keys", nargs="*", help="keys of claims (default: all)")
    command.set_defaults(run=claims)

    options = parser.parse_args(arguments)
    return options.run(options)


def build(options):
    """``course build [07 …]``"""
    from course_utils import build as room

    twins = [twin for twin in room.twins()
             if not options.names or any(twin.stem.startswith(name) for name in options.names)]
    if not twins:
        print(f"No text twin begins with {' or '.join(options.names)}; there are "
              f"{', '.join(twin.stem for twin in room.twins())}.", file=sys.stderr)
        return 1
    for twin in twins:
        print(f"{twin.stem} …", end=" ", flush=True)
        room.build(twin)
        print("built")
    return 0


def claims(options):
    """``course claims [key …]``"""
    import json

    from course_utils import claims as room

    chosen = [room.get(key) for key in options.keys] if options.keys else room.everything()
    found = room.results() | room.retry(chosen)
    ordered = {claim.key: found[claim.key] for claim in room.everything() if claim.key in found}
    room.RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
