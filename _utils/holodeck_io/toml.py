"""TOML, which Python reads by itself only from 3.11 on."""

import importlib

from holodeck_io.errors import HolodeckError

# pip brings one along, and Salt brings pip along.
_PARSERS = ("tomllib", "tomli", "pip._vendor.tomli")


def parsed(text):
    """Return a TOML document as data; raise ``ValueError`` when it is none."""
    for name in _PARSERS:
        try:
            parser = importlib.import_module(name)
        except ImportError:
            continue
        return parser.loads(text)
    raise HolodeckError(
        "TOML: this minion's Python reads none; install tomli for it, or give it "
        "Python 3.11 or newer."
    )
