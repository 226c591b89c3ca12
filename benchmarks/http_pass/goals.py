"""The goals of the HTTP pass, and the tables."""

import dataclasses
import statistics

import clients
import hosts
import request


@dataclasses.dataclass(frozen=True)
class Goal:
    """A ratio and the most that it may be."""

    text: str
    value: float
    limit: float

    @property
    def met(self):
        """Tell whether the limit is kept."""
        return self.value <= self.limit

    def __str__(self):
        verdict = "met   " if self.met else "MISSED"
        return f"{verdict} {self.value:5.2f}x <= {self.limit:g}x  {self.text}"


def of_request(found):
    """Return the goal of one request."""
    value = request.ratio(found, clients.OURS)
    return Goal("processor seconds of a request, to bare urllib3's", value, 1.3)


def of_hosts(latency_ms, rounds):
    """Return the goal of many hosts that answer after ``latency_ms``."""
    text = (
        f"{hosts.TESTS} tests x {hosts.HOSTS} hosts ({latency_ms:g} ms) by two "
        "testers, to the larger of one alone and processor seconds over cores"
    )
    return Goal(text, hosts.median(rounds, "ratio"), 1.2)


def request_table(found):
    """Return the table of clients."""
    rows = [("processor µs of a request (median)", "µs", "to urllib3", "least µs")]
    for name, values in found.items():
        us, least = statistics.median(values), min(values)
        ratio = request.ratio(found, name)
        rows.append((name, f"{us:.0f}", f"{ratio:.2f}", f"{least:.0f}"))
    return _aligned(rows)


def hosts_table(found):
    """Return the table of latencies: medians of all rounds."""
    header = (
        "medians, in seconds and cores", "alone", "all", "cpu", "cpu/cores", "ratio",
        "others' cores", "ratio, cores left",
    )  # fmt: skip
    rows = [header]
    for latency_ms, rounds in found.items():
        alone, wall, cpu, *rest = (
            hosts.median(rounds, what)
            for what in ("alone_s", "wall_s", "cpu_s", "ratio", "others", "ratio_left")
        )
        figures = (alone, wall, cpu, cpu / hosts.cores(), *rest)
        rows.append((f"{latency_ms:g} ms a host", *(f"{each:.2f}" for each in figures)))
    return _aligned(rows)


def _aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [first.ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        )
        for first, *rest in rows
    )
