"""Who goes when, and who tests whom."""


def batches(hosts, size):
    """
    Return the hosts in batches of ``size``.

    A pool of several hosts never loses all of them at once: the size is at
    most one less than the pool.
    """
    most = max(1, min(size, len(hosts) - 1))
    return [hosts[start : start + most] for start in range(0, len(hosts), most)]


def assign(testers, targets):
    """Return ``{tester: [target, …]}``, dealt out in turn; none gets nothing."""
    dealt = {}
    for number, target in enumerate(targets):
        dealt.setdefault(testers[number % len(testers)], []).append(target)
    return dealt


def port_of(listen):
    """Return the port of an HAProxy bind address such as ``*:80 ssl``."""
    return int(listen.split()[0].rpartition(":")[2])


def host_target(minion, address, port):
    """Return the suite's target for one host."""
    return {"name": minion, "kind": "host", "url": f"http://{_bracketed(address)}:{port}"}


def balancer_target(minion, address, placement):
    """Return the suite's target for one balancer."""
    url = placement.url or f"http://{_bracketed(address)}:{port_of(placement.listen)}"
    return {"name": minion, "kind": "balancer", "url": url}


def expected_digests(bundles):
    """Return ``{root: tree digest}`` that every host has to report."""
    return {
        layer["root"]: layer["tree"] for bundle in bundles for layer in bundle["layers"]
    }


def unproven(replies, expected):
    """Return the hosts whose digests are not the expected ones, sorted."""
    return sorted(
        host
        for host, digests in replies.items()
        if any(digests.get(root) != digest for root, digest in expected.items())
    )


def suite_faults(results, targets):
    """
    Return one line for each target that did not pass, and for a silent one.

    results
        ``{tester: result}`` of ``webtest.run``.
    targets
        The names of the targets that each tester had.
    """
    faults = []
    for tester, expected in targets.items():
        seen = (results.get(tester) or {}).get("targets", {})
        for target in expected:
            state = seen.get(target, {"state": "not-run"})
            if state["state"] != "passed":
                faults.append(f"{target}: {_suite_words(state)} (from {tester})")
    return faults


def _suite_words(state):
    failures = state.get("failures") or []
    shown = "; ".join(f"{f['id']}: {_first_line(f['why'])}" for f in failures[:3])
    more = f" and {len(failures) - 3} more" if len(failures) > 3 else ""
    return f"{state['state']}{': ' if shown else ''}{shown}{more}"


def _first_line(text):
    lines = str(text).strip().splitlines()
    return lines[-1][:160] if lines else ""


def _bracketed(address):
    return f"[{address}]" if ":" in address else address
