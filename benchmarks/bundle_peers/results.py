"""Every value that was measured, and the medians of them."""

import statistics
from collections import defaultdict

import measure


class Results:
    """
    ``{application: {peer: {row: [value of each run, …]}}}``.

    ``facts`` says of each peer what its numbers are to be read with.
    """

    def __init__(self, facts):
        self.facts = facts
        self.failures = []
        self.values = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))

    def add(self, app, peer, row, value):
        """Keep one value; ``None`` is a row that the peer has nothing to show for."""
        if value is not None:
            self.values[app][peer][row].append(value)

    def median(self, app, peer, row):
        """Return the median of a row, field by field for a cost, or ``None``."""
        values = self.values[app].get(peer, {}).get(row)
        if not values:
            return None
        if not isinstance(values[0], measure.Cost):
            return statistics.median(values)
        fields = zip(*(vars(value).values() for value in values), strict=True)
        return measure.Cost(*(statistics.median(field) for field in fields))

    def seconds(self, app, peer, row):
        """Return the median seconds of the clock, or ``None``."""
        cost = self.median(app, peer, row)
        return cost and cost.wall_s

    def rivals(self, app, row):
        """Return the peers, other than ours and the floors, that have this row."""
        return [
            peer
            for peer, rows in self.values[app].items()
            if self.facts[peer]["rival"] and rows.get(row)
        ]

    def peers(self, app):
        """Return the names of the peers with results, in the order of their runs."""
        return list(self.values[app])

    def plain(self):
        """Return all values as JSON has them."""
        return {
            app: {
                peer: {
                    row: [measure.plain(value) for value in values]
                    for row, values in rows.items()
                }
                for peer, rows in peers.items()
            }
            for app, peers in self.values.items()
        }
