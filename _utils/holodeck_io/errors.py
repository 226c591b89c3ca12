"""The failures of work that was asked for correctly."""

import contextlib
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


@contextlib.contextmanager
def of_disk(what):
    """
    Turn what the system says of its files into a :class:`HolodeckError`.

    what
        The thing that was to be written, as the message begins.
    """
    try:
        yield
    except OSError as error:
        raise HolodeckError(
            f"{what}: {error}; make room, or look at the disk, and do it again."
        ) from error
