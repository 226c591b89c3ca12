"""What all testers proved together. Pure; what is missing is never passed."""

from holodeck_http import results

_SHARED = "part"


def joined(dealt, answers, lost):
    """
    Join what testers answered to what they were dealt.

    dealt
        ``{tester: [target, …]}`` as :func:`holodeck_http.dealing.assign` made it.
    answers
        ``{tester: what came back through Salt}``: also a traceback's text, a trimmed
        value, or nothing.
    lost
        ``{tester: why}`` of those that gave no answer.

    Returns ``{"rows": {name: entry}, "faults": [{"target", "why", "is_own"}], "tests":
    {name: {id: [outcome, ms]}}, "cut": {tester: path}}``. Without a fault everything
    passed. A fault is not the target's own where a tester is to blame. A target that
    several testers tested as a whole, a balancer, has a row for each. ``cut`` says
    where that is what was too long to come back.
    """
    found = {"rows": {}, "faults": [], "tests": {}, "cut": {}}
    if not any(dealt.values()):
        found["faults"].append(_fault("targets", "none were to be tested.", False))
    shared = {}
    times = _times(dealt)
    for tester, targets in dealt.items():
        answer = answers.get(tester)
        why = lost.get(tester) or _unusable(answer)
        if not why and answer.get("truncated"):
            found["cut"][tester] = str(answer.get("report"))
        for target in targets:
            name = target["name"]
            if why:
                text = f"was not tested: {tester} {why}"
                found["faults"].append(_fault(name, text, False))
                found["rows"].setdefault(
                    _row(name, tester, times), results.not_run(text)
                )
                continue
            entry = answer["targets"].get(name)
            tests = _tests(answer, name)
            if _SHARED in target:
                shared.setdefault(name, []).append((tester, entry, tests))
            else:
                _add(found, _row(name, tester, times), name, tester, entry, tests)
    for name, parts in shared.items():
        _add_parts(found, name, parts)
    return found


def _times(dealt):
    """Return how often each target is tested as a whole."""
    times = {}
    for target in (t for targets in dealt.values() for t in targets):
        if _SHARED not in target:
            times[target["name"]] = times.get(target["name"], 0) + 1
    return times


def _row(name, tester, times):
    return f"{name} from {tester}" if times.get(name, 0) > 1 else name


def _unusable(answer):
    if isinstance(answer, dict) and isinstance(answer.get("targets"), dict):
        return None
    return f"gave no result but {str(answer)[:200]!r}."


def _add(found, row, name, tester, entry, tests):
    why = _doubt(entry) or _none_passed(entry["counts"])
    found["rows"][row] = _usable(entry, why)
    found["tests"][row] = tests
    if why:
        found["faults"].append(_fault(name, f"{why} (tested from {tester})", True))


def _add_parts(found, name, parts):
    """Join the parts of a target whose files several testers ran."""
    whys, good = [], []
    for tester, entry, _ in parts:
        if why := _doubt(entry):
            whys.append(f"{why} (tested from {tester})")
        else:
            good.append(entry)
    counts = _summed([entry["counts"] for entry in good])
    if not whys:
        totals = {entry["counts"]["total"] for entry in good}
        digests = {entry.get("digest") for entry in good}
        if totals != {counts["collected"]} or len(digests) > 1:
            whys.append("its parts do not make the whole suite")
        elif why := _none_passed(counts):
            whys.append(why)
    joint = found["rows"].get(name) or {"state": "passed", "failures": [], "seconds": 0}
    states = [joint["state"]]
    for _, entry, tests in parts:
        usable = _usable(entry, None)
        states.append(usable["state"])
        joint["failures"] = [*joint["failures"], *usable["failures"]]
        joint["seconds"] = max(joint["seconds"], usable.get("seconds", 0))
        joint["http"] = joint.get("http") or usable.get("http")
        found["tests"].setdefault(name, {}).update(tests)
    bad = [state for state in states if state != "passed"]
    joint |= {"counts": counts, "state": bad[0] if bad else "passed"}
    if whys and not bad:
        joint["state"] = "error"
    found["rows"][name] = joint
    found["faults"] += [_fault(name, why, True) for why in whys]


def _doubt(entry):
    """Return why an entry does not say that all its tests passed, or ``None``."""
    state = entry.get("state") if isinstance(entry, dict) else None
    if state != "passed":
        return str(state or "no result came back")
    counts = entry.get("counts")
    try:
        ran = counts["passed"] + counts["skipped"]
        clean = counts["failed"] == counts["error"] == 0
        whole = ran == counts["collected"] <= counts["total"]
    except (KeyError, TypeError):
        clean = whole = False
    return None if clean and whole else "says passed, but its counts do not add up"


def _none_passed(counts):
    if not counts["passed"]:
        return "says passed, but no test did"
    if counts["collected"] != counts.get("total", counts["collected"]):
        return "ran a part of its suite alone"
    return None


def _summed(counts):
    names = ("passed", "failed", "error", "skipped", "collected")
    return {name: sum(each[name] for each in counts) for name in names}


def _usable(entry, why):
    if not isinstance(entry, dict) or "state" not in entry:
        return results.not_run(why or "no result came back")
    state = entry["state"] if entry["state"] != "passed" or not why else "error"
    return {"failures": [], "counts": {}, "seconds": 0, **entry, "state": state}


def _tests(answer, name):
    """Return ``{id: [outcome, ms]}`` of a target, as far as the answer has room."""
    try:
        return results.row(answer["matrix"], name)
    except (KeyError, TypeError, ValueError):
        return {}


def _fault(target, why, is_own):
    return {"target": target, "why": why, "is_own": is_own}
