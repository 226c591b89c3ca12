"""What each host went through, and when, as bars of a chart."""

_WIDTH = 1000
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_TICKS_MOST = 8
# What a step ends, by the first words that it is told in.
_KINDS = (
    ("out of rotation", "drain"),
    ("healthy at", "switch"),
    ("the suite passed", "test"),
    ("back in rotation", "ready"),
    ("in rotation at", "back"),
    ("begins", ""),
)


def chart(steps, phases):
    """
    Return ``{"rows": [{"name", "bars"}], "ticks", "seconds"}``.

    steps
        ``[[epoch, phase, [hosts], words], …]`` in their order.
    phases
        The record's, ``[{"name", "at", "seconds"}, …]``.

    A bar is ``{"x", "width", "kind", "title"}`` in thousandths of the whole time.
    """
    times = [step[0] for step in steps]
    starts = [phase["at"] for phase in phases if "at" in phase]
    ends = [phase["at"] + phase["seconds"] for phase in phases if "at" in phase]
    if not (times or starts):
        return {"rows": [], "ticks": [], "seconds": 0}
    begin = min([*times, *starts])
    scale = _Scale(begin, max(max([*times, *ends]) - begin, 0.1))
    rows = [{"name": "release", "bars": list(_phase_bars(phases, scale))}]
    rows += [
        {"name": host, "bars": list(_host_bars(host, steps, scale))}
        for host in sorted({host for step in steps for host in step[2]})
    ]
    return {"rows": rows, "ticks": scale.ticks(), "seconds": scale.seconds}


class _Scale:
    def __init__(self, begin, seconds):
        self._begin, self.seconds = begin, round(seconds, 1)

    def bar(self, start, end, kind, words):
        x = self._place(start)
        width = max(round(self._place(end) - x, 1), 2)
        took = f"{end - start:.1f} s"
        return {"x": x, "width": width, "kind": kind, "title": f"{words} ({took})"}

    def ticks(self):
        """Return ``[{"x", "label"}, …]`` at round seconds, few enough to be read."""
        every = next((t for t in _TICKS if self.seconds / t <= _TICKS_MOST), 14400)
        found = range(0, int(self.seconds) + 1, every)
        return [
            {"x": round(s / self.seconds * 100, 1), "label": f"{s} s"} for s in found
        ]

    def _place(self, time):
        return round((time - self._begin) / self.seconds * _WIDTH, 1)


def _phase_bars(phases, scale):
    for number, phase in enumerate(p for p in phases if "at" in p):
        end = phase["at"] + phase["seconds"]
        kind = "back" if phase["name"] == "back" else f"phase{number % 2}"
        yield scale.bar(phase["at"], end, kind, phase["name"])


def _host_bars(host, steps, scale):
    """Each step ends what lies between it and the one before."""
    before = None
    for at, _, hosts, words in steps:
        if host not in hosts:
            continue
        kind = _kind(words)
        if before is not None and kind:
            yield scale.bar(before, at, kind, words)
        before = at


def _kind(words):
    return next((kind for start, kind in _KINDS if words.startswith(start)), "failed")
