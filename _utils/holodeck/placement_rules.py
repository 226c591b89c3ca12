"""What the place of a service in an environment may say, and what is wrong with it."""

import re

from holodeck import ephemeral, fields, generations, names, rollout, schema
from holodeck.model import (
    HOSTS_MAX,
    IN_PLACE,
    REPLACE,
    Placement,
    Rollout,
    Tests,
)

_PORT_MAX = 65535
_DAY_S = 24 * 3600
_KEPT_MOST_S = 30 * _DAY_S
# For hosts that are taken over one batch after the other.
_BATCHES = ("batch", "failures", "hold_s", "min_healthy_s", "promote")


def placement(service, data, path, faults):
    """Return the :class:`~holodeck.model.Placement`, ``None`` where it has faults."""
    values = schema.mapping(data, path, _PLACEMENT, faults)
    rules = schema.mapping(
        values.pop("rollout", {}), f"{path}/rollout", _ROLLOUT, faults
    )
    tests = schema.mapping(values.pop("tests", {}), f"{path}/tests", _TESTS, faults)
    fields.check_settings(values, path, faults)
    fields.check_settings(tests, f"{path}/tests", faults)
    if rules.get("promote") == "by-hand" and not rules.get("hold_s"):
        faults.add(
            f"{path}/rollout/promote", "needs hold_s: how long to wait for somebody"
        )
    if "batch" in rules and _is_batch(rules["batch"]):
        rules["batch"] = _listed(rules["batch"])
    _check_strategy(rules, f"{path}/rollout", faults)
    if faults:
        return None
    return Placement(
        service=service, rollout=Rollout(**rules), tests=Tests(**tests), **values
    )


def check_replacing(environment, path, faults):
    """New hosts have to be made, to be swapped, and to be of one service alone."""
    for name, placement in environment.services.items():
        if placement.rollout.strategy != REPLACE:
            continue
        place = f"{path}/services/{name}/rollout/strategy"
        if not generations.can_be_replaced(environment):
            faults.add(
                place,
                f"{REPLACE} makes new hosts: hosts/web needs a profile and a count",
            )
        if not environment.members("balancer"):
            faults.add(place, f"{REPLACE} swaps hosts at balancers: there is none")
        if others := sorted(set(environment.services) - {name}):
            faults.add(
                place,
                f"{REPLACE} makes hosts of one service anew, which have "
                f"{', '.join(others)} too; give it an environment of its own",
            )


def _check_strategy(rules, path, faults):
    """A rule that would not be followed is refused."""
    if rules.get("strategy") != REPLACE:
        if "kept_s" in rules:
            faults.add(f"{path}/kept_s", f"needs strategy: {REPLACE}; nothing is kept")
        return
    for key in _BATCHES:
        if rules.get(key, getattr(Rollout, key)) != getattr(Rollout, key):
            faults.add(
                f"{path}/{key}",
                f"is for hosts that are taken over in place; by strategy: {REPLACE} "
                "new ones go in together, and any that fails is too many",
            )


def _listed(batch):
    return tuple(batch) if isinstance(batch, list) else (batch,)


def _is_batch(value):
    sizes = _listed(value)
    return bool(sizes) and all(map(rollout.is_size, sizes))


def _is_paths(value):
    paths = value if isinstance(value, list) else []
    return bool(paths) and all(isinstance(p, str) and p[:1] == "/" for p in paths)


def _is_factor(value):
    return isinstance(value, (int, float)) and type(value) is not bool and value >= 1


def _is_bind(value):
    """Tell whether HAProxy can listen on it: an address, a colon and a port."""
    text = value if isinstance(value, str) and "\n" not in value else ""
    words = text.split() or [""]
    port = words[0].rpartition(":")[2]
    return ":" in words[0] and port.isdecimal() and 0 < int(port) <= _PORT_MAX


_SIZE = "is no number of hosts such as 2, and no share such as 25%"
_SIZES = "is no size, and no list of sizes, such as [1, 25%, 100%]"
_PLACEMENT = {
    "listen": schema.Key(schema.check(_is_bind, "is no HAProxy bind such as '*:80'")),
    "url": schema.Key(
        schema.text(
            re.compile(r"https?://\S+"), "should begin with https:// or http://"
        )
    ),
    "settings": schema.Key(schema.table()),
    "files": schema.Key(schema.table()),
    "allow_writes": schema.Key(schema.boolean()),
    "push": schema.Key(
        schema.check(ephemeral.is_pattern, f"is not a branch name; {names.REF_RULE}")
    ),
    "rollout": schema.Key(schema.table()),
    "tests": schema.Key(schema.table()),
}
_FILE = schema.text(re.compile(r"/\S+"), "should be a whole path, from / on")
_TESTS = {
    "settings": schema.Key(schema.table()),
    "ca": schema.Key(_FILE),
    "cert": schema.Key(_FILE),
    "key": schema.Key(_FILE),
    "ready_s": schema.Key(schema.integer(1, 3600)),
    "test_s": schema.Key(schema.integer(1, 3600)),
    "probe_per_s": schema.Key(schema.integer(0, 100)),
    "probe_paths": schema.Key(schema.check(_is_paths, "is no list of paths as [/]")),
    "latency_factor": schema.Key(
        schema.check(_is_factor, "is no number of at least 1, such as 1.5")
    ),
    "latency_s": schema.Key(schema.integer(1, 600)),
}
_ROLLOUT = {
    "strategy": schema.Key(schema.one_of(IN_PLACE, REPLACE)),
    "kept_s": schema.Key(schema.integer(0, _KEPT_MOST_S)),
    "batch": schema.Key(schema.check(_is_batch, _SIZES)),
    "floor": schema.Key(schema.check(rollout.is_size, _SIZE)),
    "failures": schema.Key(schema.integer(0, HOSTS_MAX)),
    "hold_s": schema.Key(schema.integer(0, _DAY_S)),
    "promote": schema.Key(schema.one_of("itself", "by-hand")),
    "min_healthy_s": schema.Key(schema.integer(0, 3600)),
    "hosts_s": schema.Key(schema.integer(1, 7200)),
    "build_s": schema.Key(schema.integer(1, 7200)),
    "stage_s": schema.Key(schema.integer(1, 7200)),
    "drain_s": schema.Key(schema.integer(1, 3600)),
    "health_s": schema.Key(schema.integer(1, 3600)),
    "suite_s": schema.Key(schema.integer(1, 7200)),
    "keep": schema.Key(schema.integer(1, 100)),
}
