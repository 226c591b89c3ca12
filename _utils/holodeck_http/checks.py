"""
Checks written as data: what a service without a suite is tested by.

.. code-block:: yaml

    - path: /healthz
      status: 200                  # or a list of them; 200 by default
      headers: {Content-Type: application/json}
      contains: ok                 # or a list of texts
      json: {status: ok, checks.0.name: database, "$.checks[?@.slow].name": cache}
      within_s: 2
      marks: [smoke]

Only the standard library is needed here: a minion validates what pillar says
before anything starts. What JSONPath's library says of a query, a tester hears when it
collects the checks.
"""

import json

from holodeck_http import queries

#: The marks a test or a check may carry, and what each means.
MARKS = {
    "smoke": "the few tests that say whether the service is alive at all",
    "writes": "changes data; skipped on a live target unless writes are allowed",
    "harmless": "sends a POST, PUT, PATCH or DELETE that changes nothing of worth, "
    "a login for example; runs on read-only targets too",
    "host_only": "makes sense against one host, not through a balancer",
    "lb_only": "makes sense through a balancer only",
}

_FIELDS = {
    "name": str,
    "path": str,
    "method": str,
    "status": (int, list),
    "headers": dict,
    "contains": (str, list),
    "json": dict,
    "within_s": (int, float),
    "marks": list,
}
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_STATUSES = range(100, 600)


def problems(data):
    """Return every fault of the list ``data`` as ``path: rule`` texts."""
    if not isinstance(data, list) or not data:
        return ["checks: should be a list with at least one check."]
    found = []
    for number, check in enumerate(data):
        found += [f"checks/{number}{fault}" for fault in _check_problems(check)]
    return found


def _check_problems(check):
    if not isinstance(check, dict):
        return [f": should be a mapping with path, is {check!r}."]
    found = [
        f"/{key}: is unknown; use {', '.join(_FIELDS)}."
        for key in check
        if key not in _FIELDS
    ]
    for key, kind in _FIELDS.items():
        value = check.get(key)
        if key in check and (not isinstance(value, kind) or isinstance(value, bool)):
            found.append(f"/{key}: has the wrong type: {value!r}.")
    return found or _value_problems(check)


def _value_problems(check):
    path, method = check.get("path", ""), check.get("method", "GET")
    found = []
    if not path.startswith("/"):
        found.append(f"/path: should start with /, is {check.get('path')!r}.")
    if method not in _METHODS:
        found.append(f"/method: is {method!r}; use {', '.join(_METHODS)}.")
    if check.get("within_s", 1) <= 0:
        found.append(f"/within_s: should be more than 0, is {check['within_s']!r}.")
    found += [
        f"/status: should be 100 to 599, is {status!r}."
        for status in _as_list(check.get("status", 200))
        if not isinstance(status, int) or status not in _STATUSES
    ]
    found += [
        f"/contains: should be text, is {text!r}."
        for text in _as_list(check.get("contains", ""))
        if not isinstance(text, str)
    ]
    return found + [
        f"/marks: {mark!r} is unknown; use {', '.join(MARKS)}."
        for mark in check.get("marks", [])
        if mark not in MARKS
    ]


def query_problems(data):
    """Return every fault of the queries in a list of checks that has no other."""
    return [
        f"{name}: json {path}: {problem}."
        for name, check in zip(names(data), data, strict=True)
        for path in check.get("json", {})
        if (problem := queries.problem(path))
    ]


def names(data):
    """Return one distinct name for each check, stable over runs."""
    seen, result = {}, []
    for check in data:
        name = check.get("name") or f"{check.get('method', 'GET')} {check['path']}"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def faults(check, answer, seconds):
    """
    Compare one ``answer`` with what ``check`` expects; return what differs.

    check
        One entry of the list.
    answer
        A WebTest or WebOb response.
    seconds
        How long it took.
    """
    found = []
    expected = _as_list(check.get("status", 200))
    if answer.status_int not in expected:
        wanted = " or ".join(map(str, expected))
        found.append(f"status: is {answer.status_int}, should be {wanted}")
    for name, value in check.get("headers", {}).items():
        actual = answer.headers.get(name)
        if actual != str(value):
            found.append(f"header {name}: is {actual!r}, should be {str(value)!r}")
    body = answer.body
    found += [
        f"body: does not contain {text!r}"
        for text in _as_list(check.get("contains", ""))
        if text.encode(answer.charset or "utf-8") not in body
    ]
    if "json" in check:
        found += _json_faults(check["json"], body)
    limit = check.get("within_s")
    if limit is not None and seconds > limit:
        found.append(f"time: took {seconds:.2f} s, may take {limit} s")
    return found


def _json_faults(expected, body):
    try:
        document = json.loads(body)
    except ValueError as error:
        return [f"body: is not JSON ({error})"]
    found = []
    for path, value in expected.items():
        try:
            actual = queries.lookup(document, path)
        except queries.QueryError as error:
            found.append(f"json {path}: {error}")
            continue
        if actual is queries.MISSING:
            found.append(f"json {path}: is missing, should be {value!r}")
        elif actual != value:
            found.append(f"json {path}: is {actual!r}, should be {value!r}")
    return found


def _as_list(value):
    return value if isinstance(value, list) else [value]
