"""
What a run of a suite proved: from JSON lines to a verdict.

Pure: text and numbers in, plain data out. The rule throughout: what is missing
is never passed.
"""

import copy
import json
import math

#: Salt replaces returns over 1 MiB by a placeholder without an error.
LIMIT_BYTES = 256 << 10

# Fewer failures than this are kept only where the matrix is too large as well.
_MATRIX_FAILURES = 100
_NO_ANSWER = "TransportError"
# Phases of what is told like a test, and is none.
_NOT_RUN = ("collect", "ready")


def parse(text):
    """
    Parse a result file; a last line cut by a kill is left out.

    Returns ``{"collected": number or None, "total": the same of all who share the
    target, "digest": of the ids of those, "tests": […], "running": id or None,
    "stopped": why or None, "exit": status or None, "http": percentiles or None}``.
    """
    run = {"collected": None, "total": None, "digest": "", "tests": [], "running": None,
           "stopped": None, "exit": None, "http": None}  # fmt: skip
    for line in text.splitlines():
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, KeyError, TypeError):
            continue
        if kind == "collected":
            run["collected"] = event["count"]
            run["total"] = event.get("total", event["count"])
            run["digest"] = event.get("digest", "")
        elif kind == "started":
            run["running"] = event["id"]
        elif kind == "test":
            run["tests"].append(event)
            run["running"] = None
        elif kind == "stopped":
            run["stopped"] = event["why"]
        elif kind == "finished":
            run["exit"], run["http"] = event["exit"], event.get("http")
    return run


def judge(run, *, exit_status, timed_out=False, output="", shared=False):
    """
    Say what one run against one target proved.

    run
        What :func:`parse` returned.
    exit_status
        The exit status of the process.
    timed_out
        Whether the deadline killed it.
    output
        The end of what it printed, for the case that it never began.
    shared
        Whether other testers ran other files of the suite: this part may be empty.

    Returns ``{"state", "counts", "failures", "http"}``. ``state`` is ``passed`` only
    when each collected test ran, at least one passed, none failed, and the run ended.
    """
    counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
    for test in run["tests"]:
        counts[test["outcome"]] = counts.get(test["outcome"], 0) + 1
    counts["collected"], counts["total"] = run["collected"] or 0, run["total"] or 0
    bad = [
        test for test in run["tests"] if test["outcome"] not in ("passed", "skipped")
    ]
    failures = [_failure(test) for test in bad]
    empty = shared and bool(run["total"]) and not (bad or counts["passed"])
    state, why = _state(run, counts, bad, exit_status, timed_out, empty)
    if why:
        where = run["running"] or "suite"
        said = "" if state == "failed" else output
        failures.append({"id": where, "why": f"{why}\n{said}".strip()})
    return {
        "state": state, "counts": counts, "failures": failures, "http": run["http"],
        "digest": run["digest"],
    }  # fmt: skip


def _failure(test):
    """Return what a person needs of a failed test: also how to send it again."""
    found = {"id": test["id"], "why": test.get("why", "")}
    return {**found, "curl": test["curl"]} if test.get("curl") else found


def percentiles(seconds):
    """
    Return ``{"n", "p50", "p95", "p99", "max"}`` of how long requests took, in ms.

    By nearest rank: a percentile is a request that happened. Without any, ``None``.
    """
    if not seconds:
        return None
    ordered = sorted(seconds)
    found = {"n": len(ordered)}
    for share in (50, 95, 99, 100):
        rank = max(1, math.ceil(len(ordered) * share / 100))
        name = "max" if share == 100 else f"p{share}"  # noqa: PLR2004
        found[name] = round(ordered[rank - 1] * 1000, 2)
    return found


def by_second(lines):
    """
    Return ``[[epoch second, sent, failed, p95 in ms], …]`` of a steady probe's lines.

    A last line cut by a kill is left out.
    """
    buckets = {}
    for line in lines:
        try:
            at, failed, ms = json.loads(line)
        except (ValueError, TypeError):
            continue
        buckets.setdefault(int(at), []).append((failed, ms))
    return [
        [at, len(seen), sum(failed for failed, _ in seen),
         percentiles([ms / 1000 for _, ms in seen])["p95"]]
        for at, seen in sorted(buckets.items())
    ]  # fmt: skip


def _state(run, counts, bad, exit_status, timed_out, empty):
    ran = sum(test.get("phase") not in _NOT_RUN for test in run["tests"])
    collected, ended = run["collected"], run["exit"]
    silent = bool(bad) and not counts["passed"]
    lost = silent and all(test.get("kind") == _NO_ANSWER for test in bad)
    status = f"exit status {exit_status}"
    # In this order: the first that holds says most about what went wrong.
    rules = (
        (timed_out, "timeout", f"The deadline ended the run after {ran} tests."),
        (lost, "unreachable", None),
        (collected is None, "error", f"The suite did not start ({status})."),
        (ended is None, "error", f"The run broke off ({status})."),
        (empty and not collected, "passed", None),
        (not collected and not bad, "no-tests", "No test was collected."),
        (run["stopped"], "failed", _stopped(run, collected, ran)),
        (ran != collected, "error", f"{collected} tests were collected, {ran} ran."),
        (bad, "failed", None),
        (exit_status or ended, "error", f"All tests passed, but {status}."),
        (empty, "passed", None),
        (not counts["passed"], "no-tests", "All were skipped; nothing is proved."),
        (True, "passed", None),
    )
    return next((state, why) for broken, state, why in rules if broken)


def _stopped(run, collected, ran):
    return f"Stopped: {run['stopped']}; {(collected or 0) - ran} tests were not run."


def not_run(why):
    """Return the entry of a target whose run never began."""
    return {
        "state": "not-run",
        "counts": {},
        "failures": [{"id": "suite", "why": why}],
        "seconds": 0,
    }


def merge(expected, entries):
    """
    Join the entries of all targets into ``{"ok", "targets"}``.

    A target of ``expected`` (names) without an entry becomes ``not-run``.
    """
    targets = {
        name: entries.get(name) or not_run("No result came back.") for name in expected
    }
    passed = all(entry["state"] == "passed" for entry in targets.values())
    return {"ok": bool(targets) and passed, "targets": targets}


def outcomes(run):
    """
    Return ``{id: [letter, ms]}`` of the tests of one run.

    run
        What :func:`parse` returned. The letters are ``P``, ``F``, ``E`` and ``S``.
    """
    tests = {}
    for test in run["tests"]:
        # Of two with one id the worse one counts.
        known = tests.get(test["id"])
        if known is None or known[0] in "PS":
            letter = test["outcome"][0].upper()
            tests[test["id"]] = [letter, round(test.get("seconds", 0) * 1000)]
    return tests


def matrix(tests):
    """
    Return ``{"ids": […], "rows": {target: {"outcomes", "ms"}}}``: each id stands once.

    tests
        ``{target: what outcomes returned}``. A row has a letter for each id, in their
        order, and ``-`` for what did not run there.
    """
    ids = list(dict.fromkeys(name for own in tests.values() for name in own))
    rows = {}
    for target, own in tests.items():
        cells = [own.get(name, ("-", 0)) for name in ids]
        letters = "".join(letter for letter, _ in cells)
        rows[target] = {"outcomes": letters, "ms": [ms for _, ms in cells]}
    return {"ids": ids, "rows": rows}


def row(matrix, target):
    """Return ``{id: [letter, ms]}`` of a target, as :func:`matrix` took it."""
    own = matrix["rows"][target]
    cells = zip(matrix["ids"], own["outcomes"], own["ms"], strict=True)
    return {name: [letter, ms] for name, letter, ms in cells if letter != "-"}


def cap(summary, limit_bytes=LIMIT_BYTES):
    """
    Return ``summary`` within ``limit_bytes`` of JSON; states and counts stay.

    The reasons are shortened first, then only the first failures of each target
    are kept, and the matrix is left out; ``truncated`` says so.
    """
    for why_chars, failures in ((2000, 200), (500, 100), (200, 20), (100, 5), (0, 1)):
        short = _shorten(summary, why_chars, failures)
        if len(json.dumps(short)) <= limit_bytes:
            break
    return short


def _shorten(summary, why_chars, most):
    short = copy.deepcopy(summary)
    if most < _MATRIX_FAILURES:
        short.pop("matrix", None)
    for entry in short["targets"].values():
        for failure in entry["failures"]:
            failure["id"] = failure["id"][:300]
            failure["why"] = failure["why"][:why_chars]
            if "curl" in failure:
                failure["curl"] = failure["curl"][:why_chars]
        del entry["failures"][most:]
    if short != summary:
        short["truncated"] = True
    return short
