"""Settings of the documentation, which `docs/build` makes."""

import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util.nodes import make_refnode

_PACK = Path(__file__).parents[1]
# Shared code as Salt has it, and loader folders as packages: `_modules.bundle`. These
# last, or the state tree's folder `salt` would stand in Salt's own place.
sys.path.insert(0, str(_PACK / "_utils"))
sys.path.append(str(_PACK))

project = "Holodeck"
extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [("py:class", r"salt\.exceptions\..*")]  # Salt's own reference
smartquotes = False  # names and commands stay as they are typed
add_module_names = False
autodoc_member_order = "bysource"
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False


class _Links(SphinxTransform):
    """
    Relative links, as forges follow them: to documents, and to files of the clone.

    Files can be downloaded; a folder is named. Of what does not exist Sphinx warns.
    """

    default_priority = 400

    def apply(self):
        here = Path(self.document["source"]).parent
        for node in list(self.document.findall(nodes.reference)):
            path = node.get("refuri", "")
            if path and ":" not in path and not path.startswith("#"):
                node.replace_self(self._followed(node.astext(), path, here))

    def _followed(self, text, path, here):
        file, _, part = path.partition("#")
        if file.endswith(".rst") and "/" not in file:
            target = file.removesuffix(".rst") + (part and f"#{part}")
            return addnodes.pending_xref(
                "", nodes.inline(text, text), refdomain="std", reftype="doc",
                reftarget=target, refdoc=self.env.docname, refexplicit=text != path,
                refwarn=True,
            )  # fmt: skip
        shown = nodes.literal(text, text.removeprefix("../"))
        if here.joinpath(path).is_dir():
            return shown
        return addnodes.download_reference("", "", shown, reftarget=path)


def _section(app, env, node, child):
    """Return the link to a section of another document: `releases.rst#drift`."""
    document, _, part = node["reftarget"].partition("#")
    if document not in env.found_docs:
        return None
    section = env.get_doctree(document).ids.get(part)
    if section is None:
        return None
    if not node["refexplicit"]:
        child = nodes.inline("", section.next_node(nodes.title).astext())
    return make_refnode(app.builder, node["refdoc"], document, part, child)


def _called(_app, domain, _objtype, content):
    """Name functions as people call them: `bundle.list`, of `_modules.bundle.list_`."""
    for signature in content.parent.findall(addnodes.desc_signature):
        room, _, module = signature.get("module", "").partition(".")
        for name in signature.findall(addnodes.desc_name):
            if domain == "py" and room.startswith("_"):
                called = f"{module}.{name.astext().rstrip('_')}"
                name.children = [nodes.Text(called)]
                signature["_toc_name"] = f"{called}()"


def setup(app):
    """Connect the above."""
    app.add_transform(_Links)
    app.connect("missing-reference", _section)
    app.connect("object-description-transform", _called)
