"""
What a run of a suite proved: from JSON lines to a verdict.

Pure: text and numbers in, plain data out. The rule throughout: what is missing
is never passed.
"""

import copy
import json

#: Salt replaces returns over 1 MiB by a placeholder without an error.
LIMIT_BYTES = 256 << 10

_NO_ANSWER = "TransportError"


def parse(text):
    """
    Parse a result file; a last line cut by a kill is left out.

    Returns ``{"collected": number or None, "tests": […], "running": id or None,
    "exit": status or None}``.
    """
    run = {"collected": None, "tests": [], "running": None, "exit": None}
    for line in text.splitlines():
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, KeyError, TypeError):
            continue
        if kind == "collected":
            run["collected"] = event["count"]
        elif kind == "started":
            run["running"] = event["id"]
        elif kind == "test":
            run["tests"].append(event)
            run["running"] = None
        elif kind == "finished":
            run["exit"] = event["exit"]
    return run


def judge(run, *, exit_status, timed_out=False, output=""):
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

    Returns ``{"state", "counts", "failures"}``. ``state`` is ``passed`` only when
    each collected test ran, at least one passed, none failed, and the run ended.
    """
    counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
    for test in run["tests"]:
        counts[test["outcome"]] = counts.get(test["outcome"], 0) + 1
    counts["collected"] = run["collected"] or 0
    bad = [
        test for test in run["tests"] if test["outcome"] not in ("passed", "skipped")
    ]
    failures = [{"id": test["id"], "why": test.get("why", "")} for test in bad]
    state, why = _state(run, counts, bad, exit_status, timed_out)
    if why:
        where = run["running"] or "suite"
        failures.append({"id": where, "why": f"{why}\n{output}".strip()})
    return {"state": state, "counts": counts, "failures": failures}


def _state(run, counts, bad, exit_status, timed_out):
    ran = sum(test.get("phase") != "collect" for test in run["tests"])
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
        (not collected and not bad, "no-tests", "No test was collected."),
        (ran != collected, "error", f"{collected} tests were collected, {ran} ran."),
        (bad, "failed", None),
        (exit_status or ended, "error", f"All tests passed, but {status}."),
        (not counts["passed"], "no-tests", "All were skipped; nothing is proved."),
        (True, "passed", None),
    )
    return next((state, why) for broken, state, why in rules if broken)


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


def doubts(returned, expected):
    """
    Return why a tester's answer does not prove that all targets passed.

    An empty list is proof. ``returned`` is whatever came back through Salt:
    ``None`` from a lost minion, a traceback's text, a trimmed value.

    expected
        The names of the targets the tester was to test.
    """
    if not isinstance(returned, dict) or not isinstance(returned.get("targets"), dict):
        return [f"tester: gave no result but {str(returned)[:200]!r}."]
    found = []
    for name in expected:
        entry = returned["targets"].get(name)
        state = entry.get("state") if isinstance(entry, dict) else None
        if state != "passed":
            found.append(f"{name}: {state or 'no result came back'}.")
        elif not _adds_up(entry.get("counts")):
            found.append(f"{name}: says passed, but its counts do not add up.")
    if not expected:
        found.append("targets: none were to be tested; nothing is proved.")
    if returned.get("ok") is not True and not found:
        found.append("tester: says that not all is well.")
    return found


def _adds_up(counts):
    try:
        ran = counts["passed"] + counts["skipped"]
        clean = counts["failed"] == counts["error"] == 0
        return clean and counts["passed"] > 0 and ran == counts["collected"]
    except (KeyError, TypeError):
        return False


def cap(summary, limit_bytes=LIMIT_BYTES):
    """
    Return ``summary`` within ``limit_bytes`` of JSON; states and counts stay.

    The reasons are shortened first, then only the first failures of each target
    are kept; ``truncated`` says so.
    """
    for why_chars, failures in ((2000, 200), (500, 100), (200, 20), (100, 5), (0, 1)):
        short = _shorten(summary, why_chars, failures)
        if len(json.dumps(short)) <= limit_bytes:
            break
    return short


def _shorten(summary, why_chars, most):
    short = copy.deepcopy(summary)
    for entry in short["targets"].values():
        for failure in entry["failures"]:
            failure["id"] = failure["id"][:300]
            failure["why"] = failure["why"][:why_chars]
        del entry["failures"][most:]
    if short != summary:
        short["truncated"] = True
    return short
