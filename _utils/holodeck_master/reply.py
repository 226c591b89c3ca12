"""What hosts answer to a call: a value, an error, or nothing at all."""

from dataclasses import dataclass
from typing import Any

from holodeck import outcome


@dataclass(frozen=True)
class Reply:
    """What one host made of a call."""

    host: str
    value: Any = None
    error: str = ""
    lost: bool = False

    @classmethod
    def of(cls, host, data):
        """Return what an event, or the job cache, says of a host's answer."""
        value = data.get("return")
        if _is_trimmed(value):
            return cls(host, error="answered more than max_event_size; raise that.")
        if data.get("success") is False or data.get("retcode"):
            return cls(host, value, error=_shown(value))
        return cls(host, value)

    @property
    def ok(self):
        """Whether the function did what it was asked for."""
        return not self.error


def _is_trimmed(value):
    """Tell whether Salt has replaced the answer, or a part of it."""
    if isinstance(value, dict):
        return any(map(_is_trimmed, value.values()))
    if isinstance(value, list):
        return any(map(_is_trimmed, value))
    return value == outcome.TRIMMED


def _shown(value):
    """Return why a call failed; of a run of states only its failures."""
    text = value if isinstance(value, str) else "; ".join(outcome.failures(value))
    return text.removeprefix("ERROR: ").strip() or "failed without a word."
