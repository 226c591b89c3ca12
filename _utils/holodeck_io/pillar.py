"""This minion's own part of the pillar, as the master has it now."""

import salt.pillar


def own(opts, grains):
    """
    Return this pack's part of the pillar, compiled anew.

    The pillar in memory may be older than the definition being released. Its values
    are read, never returned or logged: they may be secrets.
    """
    compiler = salt.pillar.get_pillar(
        opts, grains, opts["id"], pillarenv=opts.get("pillarenv")
    )
    return compiler.compile_pillar().get("holodeck", {})
