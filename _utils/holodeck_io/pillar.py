"""This minion's own part of the pillar, as the master has it now."""

import salt.pillar

from holodeck_io.errors import HolodeckError


def own(opts, grains):
    """
    Return this pack's part of the pillar, compiled anew.

    The pillar in memory may be older than the definition being released. Its values
    are read, never returned or logged: they may be secrets.

    Raises :class:`~holodeck_io.errors.HolodeckError` where it does not compile: what
    is missing then, a demand for signatures, would count as never given.
    """
    compiler = salt.pillar.get_pillar(
        opts, grains, opts["id"], pillarenv=opts.get("pillarenv")
    )
    found = compiler.compile_pillar()
    if found.get("_errors"):
        raise HolodeckError(
            f"Pillar of {opts['id']}: does not compile; the master's log tells why. "
            "Mend it and do it again. Nothing was changed."
        )
    return found.get("holodeck", {})
