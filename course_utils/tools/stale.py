"""Which cells of a notebook have to run again after a change, if its kernel is kept.

Cells are compared by the names that they use and define at the top of a notebook. What a function changes in its
arguments isn't seen, so only the quick answer of *Check my work* relies on this.
"""

import ast
import collections
import dataclasses
import difflib
import symtable

# Methods that change their object although something is done with what they return.
CHANGING = {"fit", "train_on_batch", "open_test", "pop", "popitem", "setdefault",
            "random", "integers", "normal", "uniform", "choice", "permutation", "permuted", "beta", "standard_normal"}


@dataclasses.dataclass(frozen=True)
class Names:
    """What a cell uses and defines; a name whose object the cell changes counts as defined, too."""

    uses: frozenset
    defines: frozenset


def names(source):
    """The `Names` of a cell; None if it isn't plain Python, or imports names that it doesn't mention."""
    try:
        tree, top = ast.parse(source), symtable.symtable(source, "cell", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return None
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)):
        return None
    uses, defines, tables = set(), set(), [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if table is top or symbol.is_global():
                if symbol.is_referenced():
                    uses.add(symbol.get_name())
                if symbol.is_assigned() or symbol.is_imported():
                    defines.add(symbol.get_name())
    return Names(frozenset(uses), frozenset(defines))


def _changed(source):
    """Names whose objects statements change: ``x[0] = 1``, ``x.y = 1``, ``x.append(1)``, ``history = x.fit(…)``."""
    changed = set()
    for node in ast.walk(ast.parse(source)):
        targets = []
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            targets = [node]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            targets = [node.value.func]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            targets = [node.func]
        for target in targets:
            inner = target
            while isinstance(inner, ast.Attribute | ast.Subscript):
                inner = inner.value
            if isinstance(inner, ast.Name) and inner is not target:
                changed.add(inner.id)
    return changed


def stale(before, after):
    """Which cells have to run if those of `before` have run, and those of `after` should have.

    Parameters
    ----------
    before, after : list of str
        Code of all cells, in order.

    Returns
    -------
    tuple of a list with True or False for each cell of `after`, and the set of names to forget before they run; or None
    if all cells have to run in a new kernel
    """
    known = {source: names(source) for source in {*before, *after}}
    if None in known.values():
        return None if before != after else ([False] * len(after), set())
    modules = {name for source in known for name in _imported(source)}
    known = {source: Names(found.uses, found.defines | (_changed(source) - modules)) for source, found in known.items()}
    runs, removed = [True] * len(after), set(range(len(before)))
    for match in difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        for place in range(match.size):
            runs[match.b + place] = False
            removed.discard(match.a + place)
    definers = collections.Counter(name for source in after for name in known[source].defines)
    dirty = {name for place in removed for name in known[before[place]].defines}
    dirty |= {name for _, name in _too_early(after, known) - _too_early(before, known)}
    while True:
        running = [known[source] for source, runs_again in zip(after, runs, strict=True) if runs_again]
        now = dirty.union(*(cell.defines for cell in running),
                          *({name for name in cell.uses if definers[name] > 1} for cell in running))
        again = [runs_again or bool((known[source].uses | known[source].defines) & now)
                 for source, runs_again in zip(after, runs, strict=True)]
        if (now, again) == (dirty, runs):
            break
        dirty, runs = now, again
    defined = {name for source in before for name in known[source].defines}
    return runs, (defined & dirty) | {name for name in defined if not definers[name]}


def _too_early(sources, known):
    """(cell, name) for all names that cells use before another cell defines them."""
    found, defined = set(), set()
    everything = set().union(*(known[source].defines for source in sources))
    for source in sources:
        defined |= known[source].defines
        found |= {(source, name) for name in known[source].uses & everything - defined}
    return found


def _imported(source):
    return {alias.asname or alias.name.partition(".")[0] for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
