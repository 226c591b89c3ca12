"""Who goes when, and who tests whom."""

import re

_PLACE = re.compile(r"^/\S+:\d+: ")


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
    return {
        "name": minion,
        "kind": "host",
        "url": f"http://{_bracketed(address)}:{port}",
    }


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


def suite_reasons(result):
    """Return the first reasons of a tester's result, one line a target."""
    targets = result.get("targets") if isinstance(result, dict) else None
    return [
        f"{name}:{_shown(entry['failures'])}"
        for name, entry in (targets or {}).items()
        if isinstance(entry, dict) and entry.get("failures")
    ]


def _shown(failures):
    shown = [f"{failure['id']}: {_first_words(failure)}" for failure in failures[:3]]
    if len(failures) > len(shown):
        shown.append(f"and {len(failures) - len(shown)} more")
    return "".join(f"\n  {line}" for line in shown)


def _first_words(failure):
    """Return why a test failed, without the place in a library it failed at."""
    first = (str(failure["why"]).splitlines() or [""])[0]
    return _PLACE.sub("", first)[:160]


def _bracketed(address):
    return f"[{address}]" if ":" in address else address
