"""The failures of work that was asked for correctly."""

from types import MappingProxyType

from salt.exceptions import CommandExecutionError


class HolodeckError(CommandExecutionError):
    """
    Work failed: the message says what, why, and what to do.

    ``hosts`` says of those whose own fault it is why, where that is known.
    """

    hosts = MappingProxyType({})


class CommandError(HolodeckError):
    """A command ended with a non-zero status or outlived its deadline."""
