"""What must hold after each case, whatever broke."""

import time

from faults.plan import LOSSES, MAY_END_GOOD, NEVER_SERVED, WEB

# Requests that may be on their way to a host in the moment it loses power, or whose
# answer may be half sent by a process in the moment it is killed.
_IN_FLIGHT = 4
# HAProxy needs this long to see that a host is silent: three checks and their timeouts.
_UNSEEN_S = 8
# A host that was without power starts its service, and HAProxy checks it.
_SETTLE_S = 20


def violations(laboratory, case, seen):
    """Return what is not as it must be, one line each."""
    return [*_of_users(case, seen), *_of_truth(case, seen), *_of_state(laboratory)]


def _of_users(case, seen):
    allowed = _allowed(case, seen)
    failed = sum(seen.tally.failed.values())
    if failed > allowed:
        yield f"{failed} requests failed ({dict(seen.tally.failed)}), {allowed} allowed"
    served = set(seen.tally.commits) - {None}
    if case.commit in NEVER_SERVED and seen.commit in served:
        yield f"{seen.tally.commits[seen.commit]} requests met the bad commit"
    strangers = served - {seen.commit, seen.before}
    if strangers:
        yield f"users met {', '.join(strangers)}"


def _allowed(case, seen):
    """Return how many requests may have been lost with their host."""
    lost = [f for f in seen.met if f.deed in LOSSES and f.target in WEB]
    if lost and (case.commit == "sick" or len({f.target for f in lost}) > 1):
        # Of three hosts one is out of rotation, and two are lost or sick.
        return seen.tally.sent
    if any(fault.deed in {"cut", "freeze"} for fault in lost):
        return int(seen.per_second * _UNSEEN_S / (len(WEB) - 1))
    killed = any(fault.deed == "service" for fault in seen.met)
    return _IN_FLIGHT if lost or killed else 0


def _of_truth(case, seen):
    record, deeds = seen.record, {fault.deed for fault in seen.met}
    if seen.hung:
        yield f"it had not ended after {seen.hung} s"
    if seen.code is not None and (seen.code == 0) != (seen.first["status"] == "good"):
        yield f"exit code {seen.code}, and the record says {seen.first['status']}"
    if record["status"] not in {"good", "bad", "aborted", "rolled-back"}:
        yield f"the record says {record['status']}"
    if record.get("away"):
        yield f"{', '.join(record['away'])} is still away"
    if record["status"] == "good" and case.commit not in MAY_END_GOOD:
        yield f"a commit that {case.commit} was called good"
    harmless = deeds <= {"second"}
    if harmless and case.commit in MAY_END_GOOD and record["status"] != "good":
        yield f"nothing broke, and it ended {record['status']}: {record.get('reason')}"
    if not seen.refused:
        yield "a second release was not refused"


def _of_state(laboratory):
    """Status, record and highstate say the same, soon after all is mended."""
    good = laboratory.last_good()
    end = time.monotonic() + _SETTLE_S
    rows = laboratory.hosts()
    while any(row["drift"] for row in rows.values()) and time.monotonic() < end:
        time.sleep(1)
        rows = laboratory.hosts()
    for host, row in rows.items():
        if row["drift"]:
            yield f"{host}: {'; '.join(row['drift'])}"
        elif row["commit"] != good["commit"]:
            yield f"{host} is at {row['commit']}, and {good['id']} is the last good one"
    answers = laboratory.salt(
        "demo-web*", "state.apply", "holodeck.web", "test=True", "queue=True"
    )
    for host in WEB:
        states = answers.get(host)
        if not isinstance(states, dict):
            yield f"{host}: highstate says {states}"
            continue
        for state in states.values():
            if state["result"] is not True:
                yield f"{host}: highstate: {state['comment']}"
