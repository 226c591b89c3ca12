"""
Which of an environment's web hosts are current, and which are beside them. Pure.

A release by replacement makes hosts of other numbers. They are ``incoming`` until it is
good, and current from then on; those that they replaced are ``kept`` for a while. A
generation says so:

``first``
    The number of the first current host; 1 where nothing was ever replaced.
``incoming``
    ``{"numbers", "old", "release", "kept"}``: theirs, those of the hosts that they are
    to replace, the release's id, and, of hosts that were kept before, what is below.
``kept``
    ``{"numbers", "release", "since"}``: which release they run, and when they were
    replaced.
``going``
    ``{"numbers"}`` of those that nobody needs any more, as long as they are not gone.
"""

import dataclasses
import datetime as dt

from holodeck import moments, names

#: Which hosts are no members.
BESIDE = ("incoming", "kept", "going")


def applied(definition, generations):
    """
    Return a definition whose environments have the hosts that are current.

    generations
        ``{environment: generation}``.
    """
    environments = {
        name: placed(each, generations.get(name, {}))
        for name, each in definition.environments.items()
    }
    return dataclasses.replace(definition, environments=environments)


def placed(environment, generation):
    """Return an environment with the hosts of a generation, and of no earlier one."""
    if not can_be_replaced(environment):
        # What was made by other rules is nobody's any more.
        return environment
    beside = {n for which in BESIDE for n in _numbers(generation, which)}
    return _with(environment, first=generation.get("first", 1), beside=beside)


def turned(environment, numbers):
    """Return an environment whose members are those; its own are beside them."""
    group = environment.hosts["web"]
    beside = {*group.beside, *group.numbers} - {*numbers}
    row = {"first": numbers[0], "count": len(numbers), "left": 0}
    return _with(environment, beside=beside, **row)


def can_be_replaced(environment):
    """Tell whether a profile makes the web hosts, all alike."""
    group = environment.hosts.get("web")
    return bool(group and group.profile and not group.each)


def free(count, taken):
    """Return the lowest ``count`` numbers in a row of which none is ``taken``."""
    first = 1
    while clash := set(range(first, first + count)) & set(taken):
        first = max(clash) + 1
    return list(range(first, first + count))


def hosts(environment, generation, which):
    """Return the names of the hosts that are ``incoming``, ``kept`` or ``going``."""
    numbers = _numbers(generation, which)
    return [names.host(environment, "web", number) for number in numbers]


def promoted(generation, record):
    """
    Return a generation whose incoming hosts are the current ones.

    record
        Their release, which is good.
    """
    incoming = generation["incoming"]
    kept = {
        "numbers": incoming["old"],
        "release": record["previous"],
        "since": record["ended"],
    }
    left = {"going": generation["going"]} if "going" in generation else {}
    return {"first": incoming["numbers"][0], "kept": kept, **left}


def leaving(generation, environment, going):
    """Return a generation in which hosts are no more than about to go."""
    beside = {*_numbers(generation, "incoming"), *_numbers(generation, "kept")}
    numbers = {n for n in beside if names.host(environment, "web", n) in going}
    numbers |= {*_numbers(generation, "going")}
    left = without(generation, environment, going)
    return {**left, "going": {"numbers": sorted(numbers)}} if numbers else left


def without(generation, environment, gone):
    """Return a generation without hosts that are gone."""
    left = dict(generation)
    for which in BESIDE:
        numbers = [
            number
            for number in _numbers(generation, which)
            if names.host(environment, "web", number) not in gone
        ]
        if numbers:
            left[which] = {**generation[which], "numbers": numbers}
        else:
            left.pop(which, None)
    return left


def until(kept, seconds):
    """Return until when hosts are kept, as records write times."""
    since = moments.parsed(kept["since"])
    return moments.text(since + dt.timedelta(seconds=seconds))


def _numbers(generation, which):
    return (generation.get(which) or {}).get("numbers", [])


def _with(environment, beside, **facts):
    own = environment.hosts["web"]
    group = dataclasses.replace(own, beside=tuple(sorted(beside)), **facts)
    return dataclasses.replace(environment, hosts={**environment.hosts, "web": group})
