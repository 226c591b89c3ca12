"""
What a terminal shows of a release under way: a row for each host. Pure.

A phase has rows, in the order in which hosts were first heard of. Those that were heard
of last are at work: theirs is the time that goes on.
"""

import textwrap

_PHASE = 9
#: What a row says before its host's turn.
WAITS = "waits"


class Board:
    """
    The rows of the phase that goes on.

    Times are in seconds, of any clock that only goes forth.
    """

    def __init__(self):
        self.phase, self._rows = "", {}
        self._since, self._busy, self._changed = 0.0, (), 0.0

    def begin(self, phase, now):
        """Begin a phase, unless it goes on; tell whether it is another one."""
        if phase == self.phase:
            return False
        self.phase, self._rows = phase, {}
        self._since, self._busy = now, ()
        return True

    def expect(self, hosts):
        """Have rows for hosts whose turn is to come."""
        self._rows = {**dict.fromkeys(hosts, WAITS), **self._rows}

    def note(self, hosts, words, now):
        """Note how far hosts have come."""
        self._rows |= dict.fromkeys(hosts, words)
        self._busy, self._changed = tuple(hosts), now

    def settled(self, width):
        """Return the lines that stay, when the phase is over."""
        return [_cut(line, width) for line in self._table({})]

    def lines(self, now, width, height):
        """
        Return the lines of this moment, as many and as long as fit.

        Where not all hosts fit, those that wait, or are done, are left out first.
        """
        room = max(height - 2, 1)
        times = dict.fromkeys(self._busy, f"{now - self._changed:.0f} s")
        rows = self._table(times)
        if len(rows) > room:
            hosts = list(self._rows)
            shown = [n for n, host in enumerate(hosts) if host in self._busy][:room]
            others = [n for n in range(len(hosts)) if n not in shown]
            kept = sorted(shown + others[: max(room - 1 - len(shown), 0)])
            rows = [rows[n] for n in kept]
            rows.append(f"{'':>{_PHASE}}  … and {len(hosts) - len(kept)} more")
        if self.phase:
            rows.append(f"{'':>{_PHASE}}  {self.phase}: {now - self._since:.0f} s")
        return [_cut(line, width) for line in rows]

    def _table(self, times):
        wide = max(map(len, self._rows), default=0)
        long = max(map(len, self._rows.values()), default=0)
        heads = [self.phase, *[""] * len(self._rows)]
        return [
            f"{head:>{_PHASE}}  {host:<{wide}}  {words:<{long}}  "
            f"{times.get(host, '')}".rstrip()
            for head, (host, words) in zip(heads, self._rows.items(), strict=False)
        ]


def said(phase, message, width):
    """
    Return the lines of a message, the first of which names its phase.

    They go on below themselves where the terminal ends; words stay whole.
    """
    found = []
    for line in message.splitlines() or [""]:
        start = f"{'' if found else phase:>{_PHASE}}  "
        rest = " " * (len(start) + len(line) - len(line.lstrip()) + 2)
        found += textwrap.wrap(
            line, width, initial_indent=start, subsequent_indent=rest,
            break_long_words=False, break_on_hyphens=False,
        ) or [start.rstrip()]  # fmt: skip
    return found


def _cut(line, width):
    return line if len(line) < width else line[: max(width - 2, 0)] + "…"
