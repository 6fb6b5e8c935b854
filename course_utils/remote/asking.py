"""The judge's side: answers as functions and values that can be used like the learner's own."""

import numpy as np

from course_utils.remote import answering
from course_utils.remote.codec import Codec


class Failed(Exception):
    """An answer stopped with an error; the message says which and where."""


class Answer:
    """A learner's function in another process.

    Parameters
    ----------
    name : str
        What it is called there.
    ask : callable (request, on_call)
        Sends a request, a dict, to `answering.serve` and returns the reply, also a dict; ``on_call(prompt)`` returns
        what an answer is told that calls one of the judge's functions.
    """

    def __init__(self, name, ask):
        self.name, self.ask = name, ask

    def __call__(self, *given):
        return self.run(given).value

    def run(self, given, place=None):
        """`answering.run`; arguments that aren't values are lent."""
        codec, raised = Codec(lends=True), []

        def on_call(prompt):
            number, method, arguments, options = prompt
            try:
                lent, arguments = codec.lent[number], codec.decode(arguments)
                value = _method(lent, method)(*arguments, **codec.decode(options))
                drawn = [part if isinstance(part, np.random.Generator) else None for part in arguments]
                return ["value", codec.encode(value), codec.encode(drawn), getattr(lent, "reseeds", False)]
            except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
                return ["error", type(error).__name__, str(error)]
            except Exception as error:   # a check has found what it was looking for
                raised.append(error)
                return ["enough"]

        reply = self.ask({"call": self.name, "arguments": codec.encode(list(given)), "place": place}, on_call)
        if raised:
            raise raised[0]
        _refuse(reply)
        after = codec.decode(reply["after"])
        (kind, content), = reply["value"].items()
        value = after[content] if kind == "yours" else codec.decode(content)
        return answering.Outcome(value, after, codec.decode(reply["calls"]), reply["is_empty"])


def _method(lent, name):
    if name == "__call__" and callable(lent):
        return lent
    if name.startswith("_") or not callable(getattr(type(lent), name, None)):
        raise AttributeError(f"there is no method {name}")
    return getattr(lent, name)


def fetch(names, ask):
    """The learner's values of these names, where they exist; functions are `Answer` objects."""
    reply = ask({"fetch": sorted(names)})
    _refuse(reply)
    return {name: Answer(name, ask) if content == {"function": None} else Codec().decode(content)
            for name, content in reply.items() if name in names}


def _refuse(reply):
    if "error" in reply:
        raise Failed(reply["error"])
