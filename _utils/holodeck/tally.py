"""
What a place's releases come to: how many ended how, and the facts of the newest ones.

A place is a service in an environment. Records are many and have whole bills of
materials; a tally has what metrics tell of them, and grows record by record.
"""

#: How a release stands.
GOOD, BAD, RUNNING = "good", "bad", "running"
ROLLED_BACK, ABORTED = "rolled-back", "aborted"

KINDS = ("release", "rollback")
OUTCOMES = (GOOD, BAD, ABORTED)
# Of a place without any record.
NONE = {"number": 0, "ended": {}, "newest": None, "last": None, "current": None}
# What was taken back later had ended well; the rollback is one more release.
_ENDED = {GOOD: GOOD, ROLLED_BACK: GOOD, BAD: BAD, ABORTED: ABORTED}


def grown(tally, record):
    """
    Return a tally with one record more, or with what the newest says by now.

    Each record counts once, when it has ended: also one that is taken up again. So no
    count gets lower, and a tally made anew from all records has the same.

    tally
        ``{"number": of the last record that counts, "ended": {kind: {outcome: how
        many}}, "newest", "last": that has ended, "current": the last good one}``, the
        last three as :func:`facts` has them, or ``None``.
    """
    found, outcome = facts(record), _ENDED.get(record["status"])
    tally = {**tally, "newest": found}
    if outcome is None:
        return tally
    tally["last"] = found
    if record["status"] == GOOD:
        tally["current"] = found
    if record["number"] > tally["number"]:
        kind = record.get("kind", KINDS[0])
        counts = dict(tally["ended"].get(kind, {}))
        counts[outcome] = counts.get(outcome, 0) + 1
        tally["number"] = record["number"]
        tally["ended"] = {**tally["ended"], kind: counts}
    return tally


def is_settled(tally):
    """Tell whether a place's newest record has ended, or there is none."""
    newest = tally["newest"]
    return newest is None or newest["status"] != RUNNING


def facts(record):
    """Return what metrics and events tell of a release: no secret is among it."""
    phases = {}
    for phase in record["phases"]:
        seconds = phases.get(phase["name"], 0) + phase["seconds"]
        phases[phase["name"]] = round(seconds, 1)
    told = {
        name: record.get(name)
        for name in ("id", "kind", "commit", "status", "user", "started", "ended")
    }
    if told["status"] == RUNNING:
        # Of one that is taken up again, it is when it ended before.
        told["ended"] = None
    return {
        **told,
        "phases": phases,
        "seconds": round(sum(phases.values()), 1),
        "away": len(_away(record)),
    }


def _away(record):
    """Return the hosts that are out of rotation, or not at the last good release."""
    if record["status"] == GOOD:
        return set(record.get("failed", ()))
    away = set(record.get("away", ()))
    if record["status"] == RUNNING:
        away |= {*record.get("touched", ()), *record.get("failed", ())}
    return away
