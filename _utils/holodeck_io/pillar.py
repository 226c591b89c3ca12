"""This minion's own part of the pillar, as the master has it now."""

import salt.pillar

from holodeck_io.errors import HolodeckError


def own(opts, grains, memory, mark=""):
    """
    Return this pack's part of the pillar, compiled anew where that in memory is old.

    Its values are read, never returned or logged: they may be secrets.

    memory
        The pillar that this minion has in memory.
    mark
        The mark of the part that is meant. What is in memory counts if it has the
        same, which spares the master a compilation; without a mark it never does.

    Raises :class:`~holodeck_io.errors.HolodeckError` where it does not compile: what
    is missing then, a demand for signatures, would count as never given.
    """
    known = memory.get("holodeck", {})
    if mark and known.get("mark") == mark:
        return known
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
