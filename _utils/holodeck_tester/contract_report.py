"""
What Schemathesis proved of one host: from its two reports to a verdict.

Its JSON report says how far it came, JUnit's what failed and how to send it again.
"""

import json
import re
from xml.etree import ElementTree as ET

_GROUP = re.compile(r"^\d+\. Test Case ID: .*$", re.MULTILINE)
_AGAIN = "Reproduce with:"
_TITLE = re.compile(r"^- (?:ST\d+ )?(.+)$", re.MULTILINE)


def judge(report, cases, *, exit_status, timed_out=False, output=""):
    """
    Say what one run proved: ``{"state", "counts", "failures"}``.

    report, cases
        The texts of the two reports, empty where none was written.
    exit_status
        The exit status of the process.
    timed_out
        Whether the deadline killed it.
    output
        The end of what it printed.

    ``state`` is ``passed`` only when each chosen operation was tested, none failed,
    and the run ended.
    """
    told = _parsed(report)
    found = _cases(cases)
    counts = _counts(found)
    failures = [fault for case in found for fault in case["failures"]]
    state, why = _state(told, counts, exit_status, timed_out, output)
    if why:
        failures.append({"id": "schema", "why": why})
    return {"state": state, "counts": counts, "failures": failures}


def _state(told, counts, exit_status, timed_out, output):
    reached = (told or {}).get("operations") or {"selected": 0, "tested": 0, "total": 0}
    missed = reached["selected"] - reached["tested"]
    status = f"exit status {exit_status}"
    refused = told and not told["operations"]
    # In this order: the first that holds says most about what went wrong.
    rules = (
        (timed_out, "timeout", "The deadline ended the run."),
        (told is None, "error", f"Schemathesis did not run ({status}).\n{output}"),
        (refused, "error", refused and _refusal(told, output)),
        (not reached["selected"], "no-tests", _none_selected(reached)),
        (counts["failed"], "failed", None),
        (counts["error"], "error", None),
        (not told or not told["complete"], "error", f"The run broke off ({status})."),
        (missed, "timeout", _missed(reached)),
        (exit_status, "error", f"Nothing failed, but {status}.\n{output}"),
        (not counts["passed"], "no-tests", "No operation was tested."),
        (True, "passed", None),
    )  # fmt: skip
    return next((state, why) for broken, state, why in rules if broken)


def _missed(reached):
    return (
        f"{reached['selected'] - reached['tested']} of {reached['selected']} "
        "operations were not tested in time; give the contract more seconds."
    )


def _none_selected(reached):
    return (
        f"No operation was tested: the schema has {reached['total']}, and of those "
        "none may be sent to this target."
    )


def _refusal(told, output):
    """Return why the schema could not be loaded, in the words that were printed."""
    title = next((error["title"] for error in told["errors"]), "Error")
    said = output.partition(title)[2].partition("\nTip:")[0].partition("\nReports:")[0]
    words = " ".join(said.split())
    return f"{title}: {words}" if words else f"{title}.\n{output}"


def _parsed(report):
    try:
        told = json.loads(report)
        return told if {"operations", "complete", "errors"} <= set(told) else None
    except (ValueError, TypeError):
        return None


def _cases(text):
    """Return ``[{"outcome", "failures"}]`` of what JUnit's report says."""
    try:
        # Of the bundle's own Schemathesis, which escapes what a service answered.
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError:
        return []
    return [_case(element) for element in root.iter("testcase")]


def _case(element):
    name = element.get("name", "")
    failed = [f for each in element.iter("failure") for f in _groups(name, each.text)]
    errors = dict.fromkeys(each.text or "" for each in element.iter("error"))
    failures = [*failed, *({"id": name, "why": _one_line(why)} for why in errors)]
    skipped = element.find("skipped") is not None
    outcome = (
        "failed"
        if failed
        else "error"
        if errors
        else "skipped"
        if skipped
        else "passed"
    )
    return {"outcome": outcome, "failures": failures}


def _groups(name, text):
    """Return the failures of one operation, one for each request that showed some."""
    groups = [group for group in _GROUP.split(text or "") if group.strip()]
    return [_failure(name, group) for group in groups or [""]]


def _failure(name, text):
    told, _, again = text.partition(_AGAIN)
    titles = "; ".join(_TITLE.findall(told)) or "failed"
    found = {"id": name, "why": f"{titles}\n{told.strip()}"}
    return {**found, "curl": again.strip()} if again.strip() else found


def _one_line(text):
    """Return an error with its title and its reason in the first line."""
    title, _, rest = text.strip().partition("\n\n")
    return f"{title}: {rest}"


def _counts(cases):
    counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
    for case in cases:
        counts[case["outcome"]] += 1
    return {**counts, "collected": len(cases), "total": len(cases)}
