"""How a tester starts pytest: pure builders of what to run, and input's faults."""

import re

from holodeck_http import urls

KINDS = ("host", "balancer")
#: Finds what a test left behind, whatever session it fled to.
RUN_ID = "HOLODECK_WEBTEST_RUN"
#: The arguments of the bundle's Python that make it wait for runs of pytest.
FORKSERVER = ("-m", "holodeck_http.forkserver")

_OPTIONS = ("host", "ca", "cert", "key")
_FIELDS = ("name", "kind", "url", "part", *_OPTIONS)
_PARTS = 2
_TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def target_problems(targets):
    """Return every fault of the list ``targets`` as ``path: rule`` texts."""
    if not isinstance(targets, list) or not targets:
        return ["targets: should be a list with at least one target."]
    found, seen = [], set()
    for number, target in enumerate(targets):
        path = f"targets/{number}"
        if not isinstance(target, dict):
            found.append(f"{path}: should be a mapping, is {target!r}.")
            continue
        found += [f"{path}/{fault}" for fault in _target_problems(target)]
        name = str(target.get("name"))
        if name in seen:
            found.append(f"{path}/name: {name!r} is there twice.")
        seen.add(name)
    return found


def _target_problems(target):
    found = [
        f"{key}: is unknown; use {', '.join(_FIELDS)}."
        for key in target
        if key not in _FIELDS
    ]
    name = target.get("name")
    if not isinstance(name, str) or not _TARGET_NAME.fullmatch(name):
        found.append(f"name: {name!r} should be a host's name.")
    if target.get("kind") not in KINDS:
        found.append(f"kind: is {target.get('kind')!r}; use {' or '.join(KINDS)}.")
    part = target.get("part", [0, 1])
    if not _is_part(part):
        found.append(f"part: is {part!r}; use [which, of how many], the first is 0.")
    problem = urls.problem(target.get("url"))
    if problem:
        found.append(f"url: {target.get('url')!r} {problem}")
    for key in _OPTIONS:
        value = target.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            found.append(f"{key}: should be text, is {value!r}.")
    return found


def _is_part(value):
    numbers = isinstance(value, list) and len(value) == _PARTS
    return numbers and all(type(n) is int for n in value) and 0 <= value[0] < value[1]


def common(root, ini):
    """
    Return pytest's arguments that are the same for each target.

    root
        The folder that test ids start from.
    ini
        An empty file: a repository's own pytest options are for laptops, may
        need plugins that a tester lacks, and must not change what is collected.
    """
    return [
        "-p", "holodeck_http.plugin", "-p", "no:cacheprovider", "-q", "-W", "ignore",
        "-c", str(ini), f"--rootdir={root}", f"--confcutdir={root}",
    ]  # fmt: skip


def of_target(target, results):
    """
    Return the plugin's options for one target.

    target
        One entry of the list of targets.
    results
        The file for the JSON lines.
    """
    options = [f"--http-target={target['url']}", f"--http-kind={target['kind']}"]
    options += [f"--http-results={results}"]
    options += [f"--http-{key}={target[key]}" for key in _OPTIONS if target.get(key)]
    if "part" in target:
        options.append("--http-part={}/{}".format(*target["part"]))
    return options


def environment(*, library, home, commit, run_id, settings):
    """
    Return the whole environment of a run: nothing of the minion's own gets in.

    A proxy, ``WEBTEST_TARGET_URL`` or ``PYTEST_ADDOPTS`` would send requests
    elsewhere or change what runs.

    settings
        What the definition gives to the suite, under its own names.
    """
    return {
        **{name: str(value) for name, value in settings.items()},
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        # Its user has no name in any file.
        "USER": "holodeck-suite",
        "LOGNAME": "holodeck-suite",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(library),
        # A bundle is immutable: no caches are written beside its files.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HOLODECK_COMMIT": commit,
        RUN_ID: run_id,
    }
