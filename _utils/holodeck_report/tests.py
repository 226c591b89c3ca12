"""Which test ended how on which target, failures first."""

_WORDS = {
    "P": "passed",
    "F": "failed",
    "E": "error",
    "S": "skipped",
    "-": "did not run",
}
_BAD = "FE"


def table(tests):
    """
    Return ``{"targets", "rows": [{"id", "bad", "cells"}], "counts"}``.

    tests
        ``{target: {id: [outcome, ms]}}``. A cell is ``{"outcome", "title"}``; its
        ``outcome`` is a letter, ``-`` where the test did not run on that target.
    """
    targets = sorted(tests)
    ids = dict.fromkeys(name for target in targets for name in tests[target])
    rows = [_row(name, tests, targets) for name in ids]
    rows.sort(key=lambda row: (not row["bad"], row["id"]))
    letters = [cell["outcome"] for row in rows for cell in row["cells"]]
    counts = {word: letters.count(letter) for letter, word in _WORDS.items()}
    return {"targets": targets, "rows": rows, "counts": counts}


def failures(rows):
    """
    Return ``[{"target", "id", "why", "curl"}, …]`` of all targets.

    rows
        ``{target: entry}``, as :func:`holodeck_http.verdict.joined` makes them.
    """
    return [
        {"target": target, "curl": "", **failure}
        for target, entry in sorted(rows.items())
        for failure in entry["failures"]
    ]


def latencies(rows):
    """Return ``[{"target", "n", "p50", "p95", "p99", "max"}, …]`` in ms."""
    return [
        {"target": target, **entry["http"]}
        for target, entry in sorted(rows.items())
        if entry.get("http")
    ]


def _row(name, tests, targets):
    cells = [_cell(*tests[target].get(name, ["-", 0])) for target in targets]
    bad = sum(cell["outcome"] in _BAD for cell in cells)
    return {"id": name, "bad": bad, "cells": cells}


def _cell(letter, ms):
    took = f", {ms} ms" if letter in "PFE" else ""
    return {"outcome": letter, "title": f"{_WORDS.get(letter, letter)}{took}"}
