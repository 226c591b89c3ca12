"""
Where YAML is wrong, and how, without a word of what stands there: it may be secret.

Salt's errors are texts alone. Of what libyaml's scanner has found they have no line,
of the rest they quote; the exception has both, and Salt logs it.
"""

import contextlib
import logging
import re

import yaml

# From here on a problem is of the text: which key, which tag.
_NOUN = re.compile(r".*?\b(?:ID|key|tag|anchor|alias)\b|.*", re.DOTALL)
# Words, the names of tokens, and signs: YAML's own.
_OWN = re.compile(r"(?:[A-Za-z ,-]|<[a-z ]+>|'<[a-z ]+>'|'[^\w\s]'|'\\t')+", re.ASCII)


@contextlib.contextmanager
def heard():
    """Yield ``{error: where and how}`` of what Salt's pillar renders meanwhile."""
    ear = _Ear()
    log = logging.getLogger("salt.pillar")
    log.addHandler(ear)
    try:
        yield ear.found
    finally:
        log.removeHandler(ear)


def told(error):
    """Return the place and the problem of a YAML error, as the end of a sentence."""
    mark = error.problem_mark or error.context_mark
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = _NOUN.match(error.problem or "")[0]
    return f"{place}: {problem}" if _OWN.fullmatch(problem) else place


class _Ear(logging.Handler):
    """Remembers what is logged of a YAML error under the whole message."""

    def __init__(self):
        super().__init__()
        self.found = {}

    def emit(self, record):
        error = (record.exc_info or (None, None))[1]
        while error and not isinstance(error, yaml.MarkedYAMLError):
            error = error.__context__
        if error:
            self.found[record.getMessage()] = told(error)
