"""axe-core in a page: what stands in the way of people who use the keyboard, a screen reader, or little contrast."""

from axe_playwright_python.base import AXE_SCRIPT

# All rules of WCAG 2.0 to 2.2, levels A and AA, and axe's best practices.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def barriers(page, within=None):
    """What axe-core finds, a line for each element.

    Parameters
    ----------
    page : playwright Page
    within : str, optional
        Selector of the parts to look at; the whole page otherwise.

    Returns
    -------
    list of str
        Empty if there is nothing.
    """
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE_SCRIPT)
        # JupyterLab's body has no height; axe-core takes all that stands in it for clipped, and looks at no color.
        page.add_style_tag(content="body { min-height: 100vh; }")
    options = {"runOnly": TAGS, "resultTypes": ["violations"], "preload": False}   # nothing is fetched
    found = page.evaluate("([context, options]) => axe.run(context, options)",
                          [{"include": [[within or "html"]]}, options])
    assert found["passes"], "axe-core had nothing to look at"
    return [f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))}: {node['html'][:200]}: " +
            "; ".join(check["message"] for check in node["any"] + node["all"] + node["none"])
            for rule in found["violations"] for node in rule["nodes"]]
