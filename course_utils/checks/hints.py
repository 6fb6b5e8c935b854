"""Hints: three for each question, each more direct than the last, and a button that shows them one by one."""

import collections
import html
import pathlib
import re
import tomllib

from course_utils import checks
from course_utils.checks import progress

OFTEN = 3   # failures of the same kind, after which a check mentions the hints

_revealed = collections.Counter()   # number of hints that were asked for in this session, by question
_failures = {}   # of each question that failed last: what was violated, and how often in a row


def hint(number=None):
    """Show a button for the hints of a question; where nobody can press one, print one more hint.

    Parameters
    ----------
    number : str
        Of the question, e.g. ``"2.3"``.
    """
    if not isinstance(number, str):   # of a number, 2.10 would be 2.1
        print('Write the number of the question in quotes, as in hint("2.10").')
    elif checks.is_retired(number):
        print(f"Question {number} is no longer asked; if your answer to it is right, you keep the point.")
    elif number not in hints():
        print(f"There is no question {number}; there are {', '.join(hints())}.")
    elif progress.file():
        from IPython.display import display

        display(_button(number))
    else:
        print("\n".join(_one_more(number)))


def hints():
    """All hints: dict question → list of three texts, the last of which names a section of a lecture.

    In the copy that `make classroom` writes, the last one only names the section.
    """
    return {number: [*question["hints"],
                     f"{question.get('last', '')} (Lecture {question['lecture']}, “{question['section']}”.)".lstrip()]
            for path in sorted(checks.KEYS.glob("*.toml"))
            for number, question in tomllib.loads(path.read_text(encoding="utf-8")).items()}


def offer(number, line):
    """The line of a check, which mentions the hints if the answer has failed in the same way several times in a row."""
    kind = line.partition(":")[0] if line.startswith("✗") else None
    before, count = _failures.get(number, (None, 0))
    _failures[number] = kind, count + 1 if kind == before else 1
    if not kind or not progress.file() or _failures[number][1] < OFTEN:
        return line
    more = _revealed[number] < len(hints().get(number, []))
    return line + (" (Stuck? Press “Hint” below for the next hint.)" if more else "")


def _one_more(number):
    """Lines with the hints that have been asked for so far, and with one more."""
    texts = hints()[number]
    _revealed[number] = min(_revealed[number] + 1, len(texts))
    return [f"Hint {place} of {len(texts)}: {text}" for place, text in enumerate(texts[:_revealed[number]], 1)]


def _button(number):
    """A button that shows one more hint with each click, and the way to the solution after the last one."""
    import ipywidgets as widgets

    def click(_):
        lines = [re.sub("`(.*?)`", r"<code>\1</code>", html.escape(line)) for line in _one_more(number)]
        if _revealed[number] == len(hints()[number]):
            button.disabled = True
            lines.append(_solution(number))
        shown.value = "<br>".join(lines)

    button, shown = widgets.Button(description="Hint", tooltip=f"A hint for question {number}"), widgets.HTML()
    button.on_click(click)
    return widgets.VBox([button, shown])


def _solution(number):
    """Where the solution of a question is: HTML."""
    name = next(path.stem for path in checks.KEYS.glob("*.toml")
                if number in tomllib.loads(path.read_text(encoding="utf-8")))
    path = pathlib.Path("..", "solutions", f"{name}.ipynb")
    if (progress.file().parent / path).exists():
        return f"That was the last hint. Compare your answer with <a href='{path.as_posix()}'>the solution</a>."
    return "That was the last hint. Ask your instructor for the solution."
