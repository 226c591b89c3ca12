"""The failures of work that was asked for correctly."""

from salt.exceptions import CommandExecutionError


class HolodeckError(CommandExecutionError):
    """Work failed: the message says what, why, and what to do."""


class CommandError(HolodeckError):
    """A command ended with a non-zero status or outlived its deadline."""
