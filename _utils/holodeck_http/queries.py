"""
Where a check looks in a JSON document: a dotted way, or a JSONPath query.

``a.b.0`` needs only the standard library. A key that begins with ``$`` is a query as
RFC 9535 has it, for which testers and laptops have python-jsonpath.
"""

import importlib
import re

MISSING = object()


class QueryError(ValueError):
    """A query that cannot be understood, or not be followed in this document."""


def is_query(key):
    """Tell whether a key is a JSONPath query."""
    return str(key).startswith("$")


def problem(key):
    """Return why a key cannot be looked up, or ``None``."""
    try:
        _ = is_query(key) and _compiled(key)
    except QueryError as error:
        return str(error)
    return None


def lookup(document, key):
    """
    Return what a key finds in ``document``, or :data:`MISSING`.

    A query with one match finds its value, with several the list of their values.

    Raises :class:`QueryError`.
    """
    if not is_query(key):
        return _follow(document, str(key))
    compiled = _compiled(key)
    try:
        found = compiled.findall(document)
    except _library().JSONPathError as error:
        raise QueryError(_first_line(error)) from error
    return found[0] if len(found) == 1 else found or MISSING


def _compiled(query):
    library = _library()
    try:
        return library.JSONPathEnvironment(strict=True).compile(query)
    except library.JSONPathError as error:
        raise QueryError(f"is no JSONPath ({_first_line(error)})") from error


def _library():
    """Import the library where a query needs it: that takes as long as many a test."""
    try:
        library = importlib.import_module("jsonpath")
    except ImportError:  # a minion's own Python, which only looks at what pillar says
        library = None
    # A suite may have a module of that name.
    if not hasattr(library, "JSONPathEnvironment"):
        raise QueryError("is JSONPath, which needs python-jsonpath; install it")
    return library


def _first_line(error):
    """Return an error's text without the drawing of where it is."""
    return str(error).partition("\n")[0]


def _follow(document, way):
    """Follow ``a.b.0`` (also ``a.b[0]``) into ``document``."""
    for key in re.sub(r"\[(\d+)\]", r".\1", way).split("."):
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return MISSING
    return document
