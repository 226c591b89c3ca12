"""From what salt-cloud says about a new host to the record that the host is made of."""

from holodeck_io.errors import HolodeckError

# Limits hold where the machine's control groups can enforce them.
SIZES = {
    "small": {"memory_mb": 512, "cpus": 1},
    "medium": {"memory_mb": 2048, "cpus": 2},
    "large": {"memory_mb": 4096, "cpus": 4},
}
_MODES = ("private", "host")
# An ext4 file system and what a boot writes.
_LEAST_DISK_MB = 16


def record(settings, *, cache, ca_bundle):
    """
    Return a host's record from its ``settings``: name, image, size and the rest.

    cache, ca_bundle
        What ``{cache}`` and ``{ca_bundle}`` stand for in binds.

    Raises :class:`HolodeckError` that names every fault.
    """
    found = list(_faults(settings))
    if found:
        raise HolodeckError(f"{settings['name']}: {'; '.join(found)}.")
    size = SIZES[settings.get("size") or "small"]
    places = {"cache": str(cache), "ca_bundle": str(ca_bundle)}
    return {
        "name": settings["name"],
        "profile": settings.get("profile"),
        "image": settings.get("image") or "bookworm",
        "size": settings.get("size") or "small",
        "memory_mb": settings.get("memory_mb") or size["memory_mb"],
        "cpus": settings.get("cpus") or size["cpus"],
        "disk_mb": settings.get("disk_mb"),
        "network_mode": settings.get("network_mode") or "private",
        "binds": [parse_bind(each, places) for each in settings.get("binds") or []],
    }


def parse_bind(text, places):
    """Return source, target and read_only of ``source:target`` or with ``:ro``."""
    source, target, *mode = text.format(**places).split(":")
    return {"source": source, "target": target, "read_only": mode == ["ro"]}


def _faults(settings):
    size = settings.get("size") or "small"
    if size not in SIZES:
        yield f"size: {size!r} should be one of {', '.join(SIZES)}"
    mode = settings.get("network_mode") or "private"
    if mode not in _MODES:
        yield f"network_mode: {mode!r} should be one of {', '.join(_MODES)}"
    for key, least in (("memory_mb", 64), ("cpus", 0.05), ("disk_mb", _LEAST_DISK_MB)):
        value = settings.get(key)
        if value is not None and not (_is_number(value) and value >= least):
            yield f"{key}: {value!r} should be a number of at least {least}"
    for index, each in enumerate(settings.get("binds") or []):
        yield from _bind_faults(f"binds/{index}", each)


def _bind_faults(path, text):
    form = "source:target or source:target:ro with absolute paths"
    places = {"cache": "/cache", "ca_bundle": "/ca"}
    try:
        source, target, *mode = str(text).format(**places).split(":")
    except (ValueError, KeyError, IndexError):
        yield f"{path}: {text!r} should be {form}"
        return
    whole = source.startswith("/") and target.startswith("/")
    if not whole or mode not in ([], ["ro"]):
        yield f"{path}: {text!r} should be {form}"


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)
