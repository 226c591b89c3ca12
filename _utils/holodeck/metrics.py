"""The metrics of releases, as Prometheus reads them: its text format, version 0.0.4."""

from holodeck import moments, tally

#: The states of a place's newest release, exactly one of which is 1.
STATES = (tally.RUNNING, "unfinished", *tally.OUTCOMES)


def exposition(places):
    """
    Return the text of all metrics.

    places
        A list of ``{"service", "environment", "tally", "frozen", "held"}``, the third
        as in :mod:`holodeck.tally`, the last whether a process releases there. A place
        whose records cannot be read has ``"error"`` in their stead.
    """
    lines, named = [], [(_place(place), place) for place in places]
    for name, kind, words, samples in _FAMILIES:
        lines += [f"# HELP {name} {_escaped(words)}", f"# TYPE {name} {kind}"]
        lines += [
            f"{name}{{{','.join([own, *_labels(more)])}}} {value}"
            for own, place in named
            for more, value in samples(place)
        ]
    return "".join(f"{line}\n" for line in lines)


def _place(place):
    own = {key: place[key] for key in ("service", "environment")}
    return ",".join(_labels(own))


def _labels(labels):
    for name, text in labels.items():
        value = _escaped(str(text)).replace('"', r"\"")
        yield f'{name}="{value}"'


def _escaped(text):
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _readable(place):
    yield {}, int("error" not in place)


def _ended(place):
    for kind in tally.KINDS if "tally" in place else ():
        counts = place["tally"]["ended"].get(kind, {})
        for outcome in tally.OUTCOMES:
            yield {"kind": kind, "outcome": outcome}, counts.get(outcome, 0)


def _states(place):
    newest = place.get("tally", tally.NONE)["newest"]
    state = newest and newest["status"]
    if state == tally.RUNNING and not place["held"]:
        state = STATES[1]
    for each in STATES if newest else ():
        yield {"state": each}, int(each == state)


def _away(place):
    for newest in _facts(place, "newest"):
        yield {}, newest["away"]


def _started(place):
    yield from _when(place, "newest", "started")


def _last_ended(place):
    yield from _when(place, "last", "ended")


def _duration(place):
    for last in _facts(place, "last"):
        yield {}, last["seconds"]


def _phases(place):
    for last in _facts(place, "last"):
        for phase, seconds in last["phases"].items():
            yield {"phase": phase}, seconds


def _current(place):
    for current in _facts(place, "current"):
        yield {"commit": current["commit"], "id": current["id"]}, 1


def _current_since(place):
    yield from _when(place, "current", "ended")


def _frozen(place):
    if "frozen" in place:
        yield {}, int(bool(place["frozen"]))


def _facts(place, which):
    """Yield the facts of a release, where there is one."""
    found = place.get("tally", tally.NONE)[which]
    if found:
        yield found


def _when(place, which, moment):
    """Yield the Unix time of a moment of a release."""
    for found in _facts(place, which):
        if text := found[moment]:
            yield {}, int(moments.parsed(text).timestamp())


_FAMILIES = (
    ("holodeck_records_readable", "gauge",
     "Whether the place's records could be read; without them nothing else is told.",
     _readable),
    ("holodeck_releases_total", "counter",
     "Releases and rollbacks that have ended, by outcome.", _ended),
    ("holodeck_release_state", "gauge",
     "What the newest release is, as 1; unfinished when its runner died.", _states),
    ("holodeck_release_start_timestamp_seconds", "gauge",
     "When the newest release began.", _started),
    ("holodeck_release_hosts_away", "gauge",
     "Hosts that the newest release has out of rotation or could not bring home.",
     _away),
    ("holodeck_release_end_timestamp_seconds", "gauge",
     "When the last release that has ended did so.", _last_ended),
    ("holodeck_release_duration_seconds", "gauge",
     "How long the last release that has ended worked.", _duration),
    ("holodeck_release_phase_duration_seconds", "gauge",
     "How long each phase of the last release that has ended took.", _phases),
    ("holodeck_release_info", "gauge",
     "The commit that is current: the last good release's.", _current),
    ("holodeck_release_good_timestamp_seconds", "gauge",
     "When the last good release ended.", _current_since),
    ("holodeck_frozen", "gauge",
     "Whether every release is refused, by holodeck.freeze.", _frozen),
)  # fmt: skip
