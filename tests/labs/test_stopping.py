"""Labs that train stop after the first chunk if they are told to, and say how far they got."""

import pytest

from course_utils import labs
from tests.helpers.lab_states import closed


@pytest.mark.parametrize("name", ["domain_shift", "dropout", "emoji", "learning_curve", "playground"])
def test_training_stops_when_told(name):
    lab, asked = closed(getattr(labs, name)), []
    runs = lab.compute(lab.checked({}), lambda partial: asked.append(lab.done(partial)) or True)
    assert asked == [lab.done(runs)]
    assert 0 < lab.done(runs) < 1
