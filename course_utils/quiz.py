"""Predict first: a question whose answers are explained when they are chosen.

The questions are in ``quizzes/NN.toml``, where learners don't see the answers. A quiz is plain HTML:
it works with the keyboard, in a notebook without a kernel, and on GitHub.
"""

import functools
import html
import pathlib
import re
import tomllib

FOLDER = pathlib.Path(__file__).with_name("quizzes")


class Quiz:
    """One question; Jupyter draws it as a list of answers to open."""

    def __init__(self, question, answers):
        self.question, self.answers = question, answers

    def _repr_html_(self):
        answers = "\n".join(
            f"<details style='margin:0.3em 0'><summary style='cursor:pointer'>{_marked_up(answer['says'])}</summary>"
            f"<p style='margin:0.2em 0 0.6em 1.2em'><b>{'✓' if answer.get('right') else '✗'}</b> "
            f"{_marked_up(answer['because'])}</p></details>" for answer in self.answers)
        return (f"<div role='group' aria-label='Question' style='border-left:4px solid #0072B2;padding-left:1em'>"
                f"<p><b>{_marked_up(self.question)}</b><br>Choose one answer; it opens.</p>\n{answers}</div>")

    def __repr__(self):
        """Without HTML: the question and its answers, without explanations."""
        return "\n".join([self.question, *(f"  ( ) {answer['says']}" for answer in self.answers)])


def ask(lecture, key):
    """Show one question.

    Parameters
    ----------
    lecture : str
        Its number, e.g. ``"07"``.
    key : str
        Name of the question in that lecture.

    Raises
    ------
    KeyError
        No such lecture or question; the message lists those that exist.
    """
    questions = _questions(lecture)
    if key not in questions:
        raise KeyError(f"Lecture {lecture} has no question {key!r}; it has {', '.join(questions) or 'none'}.")
    return Quiz(questions[key]["question"], questions[key]["answers"])


@functools.cache
def _questions(lecture):
    path = FOLDER / f"{lecture}.toml"
    if not path.exists():
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.toml")))
        raise KeyError(f"There are no questions for lecture {lecture!r}; there are for {known}.")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _marked_up(text):
    """HTML for a text with `code` and *emphasis* as in Markdown."""
    text = html.escape(text.strip(), quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)
