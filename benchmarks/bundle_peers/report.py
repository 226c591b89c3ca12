"""The tables that people read."""

from goals import OURS

_BUILD = (
    ("cold s", "build first"), ("one line s", "build line"),
    ("new lock s", "build lock"),
)  # fmt: skip
_INSTALL = (
    ("first s", "install first"), ("one line s", "install line"),
    ("one dep s", "install lock"),
)  # fmt: skip
_MOVED = (("one line B", "moved line"), ("one dep B", "moved lock"))
_MB = 1e6


def tables(results, app):
    """Return the text of both tables of one application."""
    return "\n\n".join(
        f"{app}: {title}\n{_aligned([header, *rows])}"
        for title, header, rows in (
            ("build (median clock seconds, to ours, processor seconds)",
             *_builds(results, app)),
            ("install and transport (on a fresh ext4; sync included)",
             *_installs(results, app)),
        )
    )  # fmt: skip


def proof(results, app):
    """Return what the proof of the whole bundle adds, on the host."""
    costs = [
        results.seconds(app, OURS, f"prove {change}") for change in ("line", "lock")
    ]
    shown = ["?" if cost is None else f"{cost:.3g}" for cost in costs]
    return (
        f"{app}: the proof of every file of the bundle, which a release adds while it "
        f"stages: {shown[0]} s after a one-line change, {shown[1]} s after a one-"
        "dependency change; the first installation has it in its figure"
    )


def _builds(results, app):
    header = ["", "pyc", *_triple(_BUILD), "RSS MB", "package MB", "x ours"]
    rows = []
    for peer in results.peers(app):
        costs = [
            cell for _, row in _BUILD for cell in _seconds(results, app, peer, row)
        ]
        size = results.median(app, peer, "size")
        base = results.median(app, OURS, "size")
        rss = _rss(results, app, peer, _BUILD)
        cells = [*costs, rss, _number(size, _MB), _times(size, base)]
        if any(cells):
            rows.append([peer, results.facts[peer]["pyc"], *cells])
    return header, rows


def _installs(results, app):
    header = ["", *_triple(_INSTALL), "RSS MB", *(title for title, _ in _MOVED)]
    rows = []
    for peer in results.peers(app):
        costs = [
            cell for _, row in _INSTALL for cell in _seconds(results, app, peer, row)
        ]
        moved = [results.median(app, peer, row) for _, row in _MOVED]
        sent = ["" if value is None else f"{value:,.0f}" for value in moved]
        rows.append([peer, *costs, _rss(results, app, peer, _INSTALL), *sent])
    return header, rows


def _triple(columns):
    return [cell for title, _ in columns for cell in (title, "x ours", "cpu s")]


def _seconds(results, app, peer, row):
    cost = results.median(app, peer, row)
    if cost is None:
        return ["", "", ""]
    base = results.seconds(app, OURS, row)
    return [_number(cost.wall_s), _times(cost.wall_s, base), _number(cost.cpu_s)]


def _rss(results, app, peer, columns):
    costs = [results.median(app, peer, row) for _, row in columns]
    largest = max((cost.rss_mb for cost in costs if cost), default=None)
    return "" if largest is None else f"{largest:.0f}"


def _number(value, unit=1):
    return "" if value is None else f"{value / unit:.3g}"


def _times(value, base):
    return "" if value is None or not base else f"{value / base:.3g}"


def _aligned(rows):
    """Pad the columns: the first to the left, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = (
            cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)
        )
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
