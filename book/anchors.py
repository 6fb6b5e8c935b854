"""Where a link to a heading leads: the book takes the same anchors as JupyterLab."""


def anchor(heading):
    """The anchor of a heading, from its text without markup, as JupyterLab makes it."""
    return heading.replace(" ", "-")
