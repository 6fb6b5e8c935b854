"""Answers as the judge has them, without a second process: everything is sent, and received, as JSON."""

import json

from course_utils.remote import answering, asking


class Kernel:
    """Stands for the kernel of an answer: asks the judge through a prompt."""

    def __init__(self, on_call):
        self.on_call = on_call

    def raw_input(self, prompt):
        return json.dumps(self.on_call(json.loads(prompt.removeprefix(answering.CALLBACK))))


def remote(*answers):
    """The answers as `asking.fetch` gives them to a check."""
    namespace = {f"answer_{place}": answer for place, answer in enumerate(answers)}

    def ask(request, on_call=None):
        try:
            return json.loads(answering.serve(json.dumps(request), namespace, Kernel(on_call)))
        except KeyboardInterrupt:
            return {"error": "interrupted"}

    fetched = asking.fetch(list(namespace), ask)
    return tuple(fetched[name] for name in namespace)
