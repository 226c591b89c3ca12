"""What the processes of a deployment said before it was given up."""

import re

from holodeck import masking, names
from holodeck_io import systemd
from holodeck_webapp import deployments

# Lines, after equal ones became one.
_LAST = 40
# Beside exceptions: what systemd, uvicorn and gunicorn say of what they cannot start.
_CAUSE = re.compile(
    r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*"
    r"|(?:Failed to locate executable|Error loading ASGI app|Could not import module"
    r"|Failed to find attribute)\b.*",
    re.MULTILINE,
)
# systemd's own, of any start and any stop.
_COMES_AND_GOES = re.compile(
    r"(?:Start(?:ing|ed)|Stopp(?:ing|ed)) .* at [0-9a-f]{12}\.+"
    r"|\S+: (?:Scheduled restart job, |Deactivated successfully|Consumed ).*"
)
# Each frame of a traceback has it; what comes after says enough.
_LIBRARY = re.compile(
    re.escape(names.PREFIX) + r"/[^/\s]+/[^/\s]+/lib/python3\.\d+/site-packages/"
)
# A client's port is another one each time.
_CLIENT = re.compile(r"\b(\d+(?:\.\d+){3}):\d+\b")


def of(summary, since, *, crashes=False):
    """
    Return what the units wrote, without what the configuration keeps secret.

    since
        The moment of the switch: what the processes before wrote is of no interest.
        ``None`` for whatever is there.
    crashes
        They start again and again: the last words may be a server's alone, and what
        leads to the first cause is told in their place, where there is one.
    """
    written = _written(summary, since)
    first = _until_cause(written) if crashes else []
    return "\n".join((first or written)[-_LAST:])


def raised(summary, since, lines=_LAST):
    """
    Return what the units wrote up to the first line that names a cause, or ``""``.

    lines
        So many at most.
    """
    return "\n".join(_until_cause(_written(summary, since))[-lines:])


def _until_cause(written):
    ends = [n for n, line in enumerate(written, 1) if _CAUSE.match(line)]
    return written[: min(ends, default=0)]


def _written(summary, since):
    text = "\n".join(systemd.journal(unit, since) for unit in summary["units"])
    lines = masking.mask(text, deployments.secrets(summary)).splitlines()
    lines = [_LIBRARY.sub("", line) for line in lines]
    own = [line for line in lines if not _COMES_AND_GOES.fullmatch(line)]
    return _collapsed(own)


def cause(words):
    """Return the line that names a cause, which a server's frames bury, or ``""``."""
    found = _CAUSE.search(words)
    return found[0] if found else ""


def _collapsed(lines):
    """Let equal lines that follow each other be one, with their number."""
    groups = []
    for line in lines:
        shape = _CLIENT.sub(r"\1", line)
        if groups and groups[-1][0] == shape:
            groups[-1][2] += 1
        else:
            groups.append([shape, line, 1])
    return [f"{line} ({n} times)" if n > 1 else line for _, line, n in groups]
