"""Who goes when, and what is tested where."""

import re
import urllib.parse

_PLACE = re.compile(r"^/\S+:\d+: ")
_RAISED = re.compile(r"^E +(\S.*)$", re.MULTILINE)
_SHARE = re.compile(r"([1-9]\d?|100)%")


def is_size(value):
    """Tell whether a value is a number of hosts, or a share such as ``25%``."""
    if isinstance(value, str):
        return bool(_SHARE.fullmatch(value))
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def size_of(value, pool):
    """
    Return a number of hosts; of a share the whole hosts, and at least one.

    value
        A number, or a share of the pool such as ``25%``.
    pool
        How many hosts there are.
    """
    if isinstance(value, str):
        return max(1, pool * int(value.rstrip("%")) // 100)
    return value


def room(pool, floor):
    """
    Return how many hosts of a pool may be out of rotation at once.

    A pool of one host has no floor: it is out of rotation while it is switched.
    """
    return max(1, pool - size_of(floor, pool))


def batches(hosts, sizes, floor):
    """
    Return the hosts in batches, each small enough to leave the floor.

    sizes
        The batches' sizes in turn; the last one counts until all went.
    floor
        How many hosts stay in rotation.
    """
    most, found, start = room(len(hosts), floor), [], 0
    while start < len(hosts):
        wanted = size_of(sizes[min(len(found), len(sizes) - 1)], len(hosts))
        found.append(hosts[start : start + min(wanted, most)])
        start += min(wanted, most)
    return found


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
    """
    Return the suite's target for one balancer, at its own address.

    Users know it by the place's ``url``, whose host it is asked for.
    """
    scheme = "https" if " ssl" in placement.listen else "http"
    url = f"{scheme}://{_bracketed(address)}:{port_of(placement.listen)}"
    named = (
        {"host": urllib.parse.urlsplit(placement.url).netloc} if placement.url else {}
    )
    return {**_balancer(minion, url, placement), **named}


def url_target(placement):
    """Return the suite's target for the address that users know, by its name."""
    return _balancer("url", placement.url.rstrip("/"), placement)


def _balancer(name, url, placement):
    files = {key: getattr(placement.tests, key) for key in ("ca", "cert", "key")}
    known = {key: file for key, file in files.items() if file}
    return {"name": name, "kind": "balancer", "url": url, **known}


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


def suite_reasons(faults, rows):
    """Return what failed, each target with its first reasons below it."""
    lines, shown = [], set()
    for fault in faults:
        lines.append(f"{fault['target']}: {fault['why'].rstrip('.')}")
        entry = rows.get(fault["target"], {})
        if fault["is_own"] and entry.get("failures") and fault["target"] not in shown:
            shown.add(fault["target"])
            lines += _shown(entry["failures"])
    return lines


def _shown(failures):
    lines = [f"  {failure['id']}: {_first_words(failure)}" for failure in failures[:3]]
    if len(failures) > len(lines):
        lines.append(f"  and {len(failures) - len(lines)} more")
    return lines


def _first_words(failure):
    """Return why a test failed, without the place in a library it failed at."""
    why = str(failure["why"])
    first = (why.splitlines() or [""])[0]
    is_import = first.startswith("ImportError while importing test module")
    # Pytest tells what was raised below.
    if is_import and (raised := _RAISED.search(why)):
        first = raised[1]
    if first.startswith("ModuleNotFoundError"):
        first += "; what testers do not have comes by a `suite_lock`"
    return _PLACE.sub("", first)[:160]


def _bracketed(address):
    return f"[{address}]" if ":" in address else address
