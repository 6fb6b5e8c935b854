"""A tiny exercise without TensorFlow, and what learners really hand in for it.

Each submission of `SUBMISSIONS` is (bytes of the file, lines): the beginnings of the lines of its two
checks, or one sentence if it cannot be judged at all.
"""

import copy
import json

import nbformat

from course_utils.tools import build

NAME = "09_small"
CHECK = {
    "9.1": """\
from course_utils.checks import call, check, expect

@check("9.1", "the double is twice the number")
def judge(double, rng):
    expect(call(double, {"x": 3}) == 6, "3 does not become 6", "multiply by two")

judge(double)""",
    "9.2": """\
from course_utils.checks import check
from course_utils.checks.shared import objections

@check("9.2", "you found the flaw")
def judge(flaws, rng):
    objections(flaws, {"a": "look for one seed"}, {"b": "pairs need fewer seeds"})

judge(flaws)"""}
RIGHT = ["✓ 9.1 the double is twice the number", "✓ 9.2 you found the flaw"]
OPEN = ["· 9.1 not answered yet", "· 9.2 not answered yet"]
GONE = ["✗ 9.1 was not run, since", "✗ 9.2 was not run, since"]
NO_NOTEBOOK = "{name} cannot be read as a notebook; open it in JupyterLab and save it again."
NO_EXERCISE = "{name} belongs to no exercise; there are 09_small."


def key():
    """The answer key."""
    cells = [nbformat.v4.new_code_cell(source, id=f"09-check-{number.replace('.', '-')}", execution_count=1,
                                       metadata={"tags": [build.CHECKED]},
                                       outputs=[nbformat.v4.new_output("stream", text=line + "\n")])
             for (number, source), line in zip(CHECK.items(), RIGHT, strict=True)]
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": build.KERNEL})


def notebook(first="import math", double="def double(x):\n    return 2 * x", flaws='flaws = {"a"}', **metadata):
    """A submission as JupyterLab writes it; cells 1 to 5 as this function names them, checks as 3 and 5."""
    sources = {"09-small-01": first, "09-answer-9-1": double, "09-check-9-1": CHECK["9.1"], "09-answer-9-2": flaws,
               "09-check-9-2": CHECK["9.2"]}
    cells = [nbformat.v4.new_markdown_cell("# A small exercise", id="09-small-00"),
             *(nbformat.v4.new_code_cell(source, id=name) for name, source in sources.items())]
    metadata = {"course": {"exercise": NAME}, "kernelspec": build.KERNEL} | metadata
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def raw(book):
    return json.dumps(book).encode()


def changed(change, **parts):
    """A submission whose list of cells was changed."""
    book = notebook(**parts)
    book.cells = change(list(book.cells)) or book.cells
    return raw(book)


def with_plain(change, **parts):
    """A submission whose plain JSON was changed."""
    book = json.loads(raw(notebook(**parts)))
    change(book)
    return json.dumps(book).encode()


def without_ids(book):
    for cell in book["cells"]:
        del cell["id"]
    book["nbformat_minor"] = 4


def other_ids(book):
    for number, cell in enumerate(book["cells"]):
        cell["id"] = f"{number:08x}"


def anonymous(book):
    other_ids(book)
    book["metadata"] = {}


def colab(book):
    without_ids(book)
    book["metadata"] |= {"colab": {"provenance": [], "toc_visible": True}, "accelerator": "GPU",
                         "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for number, cell in enumerate(book["cells"]):
        cell["metadata"] = {"id": f"aB{number}", "colab": {"base_uri": "https://localhost:8080/"}, "outputId": "x"}


def vs_code(book):
    without_ids(book)
    book["nbformat_minor"] = 2
    book["metadata"] |= {"kernelspec": {"display_name": ".venv", "language": "python", "name": "python3"},
                         "vscode": {"interpreter": {"hash": "0" * 64}}, "orig_nbformat": 4}
    for cell in book["cells"]:
        cell["metadata"]["vscode"] = {"languageId": "python"}


def version_3(book):
    """The format of 2014."""
    cells = [{"cell_type": "code", "language": "python", "collapsed": False, "input": cell["source"], "outputs": [],
              "metadata": {}} for cell in book["cells"] if cell["cell_type"] == "code"]
    exercise = book["metadata"]["course"]
    book.clear()
    book |= {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "", "course": exercise},
             "worksheets": [{"cells": cells, "metadata": {}}]}


def printed(book, megabytes):
    """A notebook that has printed much, as it was saved."""
    book["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ("x" * 99 + "\n") * 100}
                                   for _ in range(megabytes * 100)]
    return book


def merged(cells):
    cells[1].source = "\n".join([cells[1].source, cells[2].source, cells[3].source])
    return [cells[0], cells[1], *cells[4:]]


def split(cells):
    first, second = copy.deepcopy(cells[2]), cells[2]
    first.id, first.source, second.source = "half", "factor = 2", "def double(x):\n    return factor * x"
    return [*cells[:2], first, *cells[2:]]


def reordered(cells):
    return [cells[0], cells[5], cells[4], cells[3], cells[1], cells[2]]


def with_edited_checks(cells):
    cells[3].source, cells[5].source = (f"print({line!r})" for line in RIGHT)


ENDLESS = "while True:\n    pass"
STUBBORN = "while True:\n    try:\n        while True:\n            pass\n    except KeyboardInterrupt:\n        pass"
UNANSWERED = {"double": "def double(x):\n    ...", "flaws": "flaws = ..."}
WALK = """\
import sys

def double(x):
    frame = sys._getframe()
    while frame:
        for name in ("expect", "close", "call"):
            frame.f_globals[name] = frame.f_locals[name] = lambda *_, **__: True
        frame = frame.f_back"""
FORGED = """\
import json, os
lines = "".join(json.dumps({"line": line, "passed": True}) + "\\n" for line in ("✓ 9.1 mine", "✓ 9.2 mine"))
for process in [os.getppid(), *(int(name) for name in os.listdir("/proc") if name.isdigit())]:
    for number in range(30):
        try:
            with open(f"/proc/{process}/fd/{number}", "a") as file:
                if process != os.getpid():
                    file.write(lines)
        except OSError:
            pass
os.kill(os.getppid(), 9)
"""

SUBMISSIONS = {
    "right": (raw(notebook()), RIGHT),
    "unanswered": (raw(notebook(**UNANSWERED)), OPEN),
    "wrong": (raw(notebook(double="def double(x):\n    return x")),
              ["✗ 9.1 3 does not become 6: multiply by two", RIGHT[1]]),
    # The file
    "invalid JSON": (raw(notebook())[:-40], NO_NOTEBOOK),
    "empty file": (b"", NO_NOTEBOOK),
    "a list": (b"[]", NO_NOTEBOOK),
    "other JSON": (b'{"name": "no notebook"}', NO_NOTEBOOK),
    "deeply nested": (b"[" * 100_000, NO_NOTEBOOK),
    "binary": (bytes(range(256)) * 100, NO_NOTEBOOK),
    "broken cells": (with_plain(lambda book: book.update(cells=[7, {"cell_type": "code"}])), NO_NOTEBOOK),
    "of no exercise": (raw(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])), NO_EXERCISE),
    "strange metadata": (with_plain(lambda book: book.update(metadata={"course": ["../../x"]})), RIGHT),
    "nbformat 3": (with_plain(version_3), RIGHT),
    "Colab": (with_plain(colab), RIGHT),
    "VS Code": (with_plain(vs_code), RIGHT),
    "no ids": (with_plain(without_ids), RIGHT),
    "changed ids": (with_plain(other_ids), RIGHT),
    "no ids, a name used again": (with_plain(without_ids, flaws='flaws = {"a"}\ndouble = None'), RIGHT),
    "changed ids, no metadata": (with_plain(anonymous), RIGHT),
    "Latin-1 text": (json.dumps(notebook(first='name = "Jürgen"'), ensure_ascii=False).encode("latin-1"), RIGHT),
    "byte order mark": (b"\xef\xbb\xbf" + raw(notebook()), RIGHT),
    "lone surrogate": (raw(notebook(first='name = "\ud800"')), RIGHT),
    "Windows line ends": (json.dumps(notebook(double="def double(x):\r\n    return 2 * x\r\n"), indent=1)
                          .replace("\n", "\r\n").encode(), RIGHT),
    "wrong kernel": (raw(notebook(kernelspec={"name": "julia-1.9", "display_name": "Julia", "language": "julia"})),
                     RIGHT),
    # The cells
    "missing cells": (changed(lambda cells: cells[:1]), ["✗ 9.1 has no answer: name 'double' is not defined",
                                                         "✗ 9.2 has no answer: name 'flaws' is not defined"]),
    "missing answer": (changed(lambda cells: cells[:2] + cells[3:]),
                       ["✗ 9.1 has no answer: name 'double' is not defined", RIGHT[1]]),
    "reordered": (changed(reordered), RIGHT),
    "duplicated": (changed(lambda cells: [*cells, *copy.deepcopy(cells)]), RIGHT),
    "merged": (changed(merged), RIGHT),
    "split": (changed(split), RIGHT),
    "renamed function": (raw(notebook(double="def twice(x):\n    return 2 * x")),
                         ["✗ 9.1 has no answer: name 'double' is not defined", RIGHT[1]]),
    "edited checks": (changed(with_edited_checks, **UNANSWERED), OPEN),
    "deleted checks": (changed(lambda cells: [cell for cell in cells if "check" not in cell.id]), RIGHT),
    "skipped": (changed(lambda cells: [setattr(cell, "source", "# NBVAL_SKIP\n" + cell.source) for cell in cells][:0],
                        **UNANSWERED), OPEN),
    "skipped, right": (raw(notebook(double="# NBVAL_SKIP\ndef double(x):\n    return 2 * x")), RIGHT),
    # What runs
    "an error": (raw(notebook(first="values = [1, 2]\nvalues[7]")), RIGHT),
    "endless loop": (raw(notebook(first=ENDLESS)), RIGHT),
    "endless loop in an answer": (raw(notebook(double="def double(x):\n    while True:\n        pass")),
                                  ["✗ 9.1 does not end within", RIGHT[1]]),
    "endless loop that cannot be interrupted": (raw(notebook(first=STUBBORN)), GONE),
    "endless printing": (raw(notebook(first='while True:\n    print("x" * 1000)')), RIGHT),
    "100 MB of output": (raw(notebook(first='for _ in range(100):\n    print("x" * 1_000_000)')), RIGHT),
    "100 MB past Jupyter": (raw(notebook(first='import subprocess\n_ = subprocess.run("yes | head -c 100000000", '
                                               'shell=True)')), RIGHT),
    "os._exit": (raw(notebook(first="import os\nos._exit(0)")), GONE),
    "exit": (raw(notebook(first="exit()")), GONE),
    "sys.exit": (raw(notebook(first="import sys\nsys.exit(3)")), RIGHT),
    "sys.exit in an answer": (raw(notebook(double="import sys\n\ndef double(x):\n    sys.exit()")),
                              ["✗ 9.1 your line `sys.exit()` stops with SystemExit", RIGHT[1]]),
    "killed kernel": (raw(notebook(first="import os\nos.kill(os.getpid(), 9)")), GONE),
    "killed parent": (raw(notebook(first="import os\nos.kill(os.getppid(), 9)")), RIGHT),
    "200 children": (raw(notebook(first="import subprocess\nfor _ in range(200):\n"
                                        '    subprocess.Popen(["sleep", "3141"])')), RIGHT),
    "2000 children": (raw(notebook(first="import numpy, subprocess\nfor _ in range(2000):\n"
                                         '    subprocess.Popen(["sleep", "3141"])')), RIGHT),
    "200 daemons": (raw(notebook(first="import subprocess\nfor _ in range(200):\n    subprocess.Popen("
                                       '["sleep", "3141"], start_new_session=True, env={"PATH": "/usr/bin:/bin"})')),
                    RIGHT),
    "8 GB": (raw(notebook(first="memory = bytearray(8 << 30)")), RIGHT),
    "8 GB with NumPy": (raw(notebook(first="import numpy as np\nmemory = np.ones(1 << 30)")), RIGHT),
    "a large file": (raw(notebook(first='with open("large", "wb") as file:\n    for _ in range(1000):\n'
                                        "        file.write(bytes(1 << 20))")), RIGHT),
    "input": (raw(notebook(first="input('your name? ')")), RIGHT),
    # Who cheats
    "rebound check functions": (raw(notebook(
        **UNANSWERED, first=f"class check:\n    pass\njudge = print({RIGHT[0]!r})")), OPEN),
    "patched checks": (raw(notebook(**UNANSWERED, first="import course_utils.checks as c\n"
                                    "import course_utils.checks.shared as s\n"
                                    "c._line = lambda number, title, *_: f'✓ {number} {title}'\n"
                                    "s.objections = c.expect = lambda *_: None")), OPEN),
    "patched modules": (raw(notebook(**UNANSWERED, first="import sys, types\nfake = types.ModuleType('fake')\n"
                                     "fake.check = lambda number, title: lambda judge: lambda *_: "
                                     "print('✓', number, title)\n"
                                     "fake.call = fake.expect = fake.objections = None\n"
                                     "sys.modules['course_utils.checks'] = fake")), OPEN),
    "forged verdicts": (raw(notebook(**UNANSWERED, first=FORGED)), OPEN),
    "patched print": (raw(notebook(
        **UNANSWERED, first=f"import builtins\nlines = iter({RIGHT!r})\nsay = print\n"
        "builtins.print = lambda *_, **__: say(next(lines))")), OPEN),
    "walks the stack": (raw(notebook(**UNANSWERED | {"double": WALK})), [
        "✗ 9.1 the function returns nothing", OPEN[1]]),
    "an answer that cannot be sent": (raw(notebook(flaws="flaws = (1 / 0 for _ in [1])")), [RIGHT[0], "✗ 9.2 "]),
    "forged records": (raw(notebook(**UNANSWERED, first="from types import SimpleNamespace\ntask = SimpleNamespace()\n"
                                    "task.looks = ['opened']")), OPEN),
    "reads the key": (raw(notebook(
        **UNANSWERED, first="import glob\nimport course_utils\nfor path in course_utils.__path__:\n"
        "    assert not glob.glob(path + '/checks/**', recursive=True)[1:]")), OPEN),
    "a finder of one's own": (raw(notebook(**UNANSWERED, first="import sys, types\n"
                                           "sys.meta_path.clear()\ncourse_utils = types.SimpleNamespace()")), OPEN),
}
# Of the failed cell of some of them, its line.
CELLS = {
    "an error": "✗ cell 1 stops at `values[7]` with IndexError: list index out of range",
    "endless loop": "✗ cell 1 does not end within",
    "endless loop that cannot be interrupted": "✗ cell 1 does not end within",
    "endless printing": "✗ cell 1 prints more than 10 MB: look for a print in a loop that never stops",
    "100 MB of output": "✗ cell 1 prints more than 10 MB",
    "os._exit": "✗ cell 1 was not finished, since the kernel died: look for exit, os._exit or os.kill",
    "sys.exit": "✗ cell 1 stops with SystemExit: 3",
    "killed kernel": "✗ cell 1 was not finished, since the kernel died: it was killed",
    "8 GB": "✗ cell 1 stops at `memory = bytearray(8 << 30)` with MemoryError",
    "8 GB with NumPy": "✗ cell 1 stops at `memory = np.ones(1 << 30)` with MemoryError: Unable to allocate 8.00 GiB",
    "a large file": "✗ cell 1 stops at `file.write(bytes(1 << 20))` with OSError: [Errno 27] File too large",
    "input": "✗ cell 1 stops at `input('your name? ')` with StdinNotImplementedError",
    "2000 children": "✗ cell 1 stops at `subprocess.Popen([\"sleep\", \"3141\"])` with BlockingIOError",
}
