"""
Checks of a document that name the path, the value and the rule.

A check takes ``(value, path, faults)``, adds what is wrong, and returns the
value. This runs inside Salt's own interpreter on the master, where a schema
library would have to be installed by hand.
"""

import difflib
from dataclasses import dataclass
from typing import Any

# Characters of a bad value that an error shows.
_SHOWN = 60


class Faults(list):
    """The faults of one document, each ``path: what is wrong``."""

    def add(self, path, message):
        """Record one fault."""
        self.append(f"{path}: {message}.")


@dataclass(frozen=True)
class Key:
    """One key of a mapping."""

    check: Any
    required: bool = False


def mapping(data, path, keys, faults):
    """Return the known, legal part of the mapping ``data``."""
    if not isinstance(data, dict):
        faults.add(path, f"should be a mapping, not {_shown(data)}")
        return {}
    for unknown in sorted(set(data) - set(keys), key=str):
        alike = difflib.get_close_matches(str(unknown), keys, 1)
        meant = f" did you mean {alike[0]}?" if alike else ""
        faults.add(
            f"{path}/{unknown}",
            f"is unknown;{meant} the keys here are {', '.join(keys)}",
        )
    for name, key in keys.items():
        if key.required and name not in data:
            faults.add(f"{path}/{name}", "is missing")
    return {
        name: keys[name].check(data[name], f"{path}/{name}", faults)
        for name in keys
        if name in data
    }


def text(pattern=None, rule=""):
    """
    Return a check for text, whole matches of ``pattern`` only.

    rule
        What the pattern wants, in words.
    """

    def checked(value, path, faults):
        if not isinstance(value, str) or not value:
            faults.add(path, f"should be text, not {_shown(value)}")
            return ""
        if pattern and not pattern.fullmatch(value):
            told = rule or f"does not match {pattern.pattern}"
            faults.add(path, f"{_shown(value)} {told}")
        return value

    return checked


def integer(least, most):
    """Return a check for a whole number in a range."""

    def checked(value, path, faults):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            faults.add(
                path,
                f"should be a whole number from {least} to {most}, not {_shown(value)}",
            )
        return value

    return checked


def boolean():
    """Return a check for true or false."""

    def checked(value, path, faults):
        if not isinstance(value, bool):
            faults.add(path, f"should be true or false, not {_shown(value)}")
        return value

    return checked


def one_of(*legal):
    """Return a check for one of a few words."""

    def checked(value, path, faults):
        if value not in legal:
            faults.add(path, f"should be {' or '.join(legal)}, not {_shown(value)}")
        return value

    return checked


def check(rule, message, *, secret=False):
    """Return a check by a predicate; ``secret`` keeps the value out of the fault."""

    def checked(value, path, faults):
        if not rule(value):
            faults.add(path, message if secret else f"{_shown(value)} {message}")
        return value

    return checked


def table():
    """
    Return a check for a mapping whose keys are checked elsewhere.

    It never shows what it found instead, which may be a secret.
    """

    def checked(value, path, faults):
        if not isinstance(value, dict):
            faults.add(path, f"should be a mapping, not {type(value).__name__}")
            return {}
        return value

    return checked


def sequence(kind=object):
    """Return a check for a list whose members are of one type."""

    def checked(value, path, faults):
        if not isinstance(value, list) or not all(isinstance(v, kind) for v in value):
            faults.add(path, f"should be a list of {kind.__name__}s")
            return []
        return value

    return checked


def _shown(value):
    rendered = repr(value)
    return rendered if len(rendered) <= _SHOWN else f"{rendered[:_SHOWN]}..."
