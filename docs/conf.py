"""How Sphinx builds the site: ``make docs``. Its pages are prepared by tools/site.py."""

import builtins
import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules, walk_packages
from typing import Any

from docutils import nodes
from sphinx.addnodes import desc_signature, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.logging import getLogger
from sphinx.util.nodes import find_pending_xref_condition

import ProxyPatternPool

project = "ProxyPatternPool"
version = release = ProxyPatternPool.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinx_design"]

# --- pages

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4  # named as GitHub names them
highlight_language = "text"

# --- the reference

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autoclass_content = "both"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
maximum_signature_line_length = 72
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
toc_object_entries_show_parents = "hide"

# --- how it looks

html_theme = "furo"
html_title = "ProxyPatternPool"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": [], "light_logo": "favicon.svg", "dark_logo": "favicon.svg"}
pygments_style = "tango"
pygments_dark_style = "github-dark"


DOORS = [*(each.name for each in iter_modules(ProxyPatternPool.__path__) if not each.name.startswith("_")), ""]
NAMES = {
    f"{module.__name__}.{name}"
    for module in [import_module(f"ProxyPatternPool.{door}".rstrip(".")) for door in DOORS]
    for name in module.__all__
}
"""All that can be imported, and where from."""
PUBLIC = {name.rpartition(".")[2]: name for name in sorted(NAMES, key=lambda name: -name.count("."))}
"""The same by the names alone: what the package itself has counts before what its modules have."""


def _lead_to_public(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Annotations name the private module in which a class is: lead to the name that is imported."""
    target = str(node.get("reftarget", ""))
    public = PUBLIC.get(target.rpartition(".")[2])
    if public is None or public == target or node.get("refdomain") != "py":
        return None
    found = env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, node["reftype"], public, node, content)
    return found if isinstance(found, nodes.reference) else None


def _texts_below_values() -> dict[str, list[str]]:
    """The texts that stand below what is neither a class nor a function."""
    found: dict[str, list[str]] = {}
    for module in walk_packages(ProxyPatternPool.__path__, "ProxyPatternPool."):
        try:
            analyzer = ModuleAnalyzer.for_module(module.name)
            analyzer.analyze()
        except PycodeError:
            continue
        found |= {name: text for (scope, name), text in analyzer.attr_docs.items() if not scope and name in PUBLIC}
    return found


TEXTS = _texts_below_values()


VALUES = ("attribute", "data", "property")
UNPARSED: dict[str, list[str]] = {}
"""The texts of values, before napoleon takes "At most so many; 0: unlimited." for a type and a text."""


def _mend_text(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Find the text of a value where it stands, and make links of the pages that a text names."""
    own = TEXTS.get(name.rpartition(".")[2])
    if what == "data" and own is not None:  # Sphinx looks only in the module from which a name is imported
        lines[:] = own
    if name.endswith(".__call__") and lines[:1] == ["Call self as a function."]:  # Python says so, and not we
        lines.clear()
    lines[:] = [re.sub(r"\bdocs/([\w-]+)\.md", r":doc:`/\1`", line) for line in lines]
    if what in VALUES:
        UNPARSED[name] = lines.copy()


def _undo_napoleon(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """The texts of values have no sections."""
    if what in VALUES:
        lines[:] = UNPARSED[name]


def _mend_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """A protocol is not made: what it is called with stands at its ``__call__``."""
    if what == "class" and getattr(obj, "_is_protocol", False):
        return "", None
    if what == "exception":
        return "", None
    if what == "class" and signature == "(*args, **kwargs)":  # derived from a protocol, and without an __init__
        return "()", None
    return signature, returns


def _leave_builtins(app: Sphinx, doctree: nodes.document) -> None:
    """``object`` in an annotation is Python's, and not some attribute of that name."""
    for node in list(doctree.findall(pending_xref)):
        if node.get("refdomain") == "py" and hasattr(builtins, str(node.get("reftarget"))):
            resolved = find_pending_xref_condition(node, "resolved")
            node.replace_self(node.children if resolved is None else resolved.children)


THEIRS = re.compile(r"from-|migration$|house$|decisions$|sources/|index$")
"""Pages on which a name may be that of another pool, or of a module."""


def _link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Lead from the name of a class or of an exception, wherever it is written, to what the reference says of it."""
    if THEIRS.match(app.env.current_document.docname):
        return
    here = app.env.current_document.docname
    for literal in list(doctree.findall(nodes.literal)):
        name = literal.astext()
        own = f"ProxyPatternPool.{here.rpartition('/')[2]}.{name}"
        public = own if own in NAMES else f"ProxyPatternPool.{name}"
        inside = (nodes.reference, nodes.title, pending_xref, desc_signature)
        if public not in NAMES or not name[0].isupper() or any(isinstance(each, inside) for each in _around(literal)):
            continue
        link = pending_xref(refdomain="py", reftype="obj", reftarget=public, refdoc=here)
        literal.replace_self(link)
        link.append(literal)


def _around(node: nodes.Node) -> Iterator[nodes.Node]:
    """What a node is in, from the inside."""
    while node.parent is not None:
        node = node.parent
        yield node


def _miss_none(app: Sphinx, env: BuildEnvironment) -> None:
    """Every public name is in the reference, or the site is not built."""
    told = env.get_domain("py").data["objects"]
    for name in sorted(NAMES - set(told)):
        getLogger(__name__).warning("%s is public, and not in the reference", name)


def setup(app: Sphinx) -> None:
    """Register what is above."""
    app.connect("missing-reference", _lead_to_public)
    app.connect("autodoc-process-docstring", _mend_text, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", _undo_napoleon, priority=600)  # after it
    app.connect("autodoc-process-signature", _mend_signature)
    app.connect("doctree-read", _leave_builtins)
    app.connect("doctree-read", _link_names)
    app.connect("env-check-consistency", _miss_none)
