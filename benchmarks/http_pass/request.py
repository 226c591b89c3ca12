"""Processor seconds of one request, by each client in turn."""

import statistics
import time

import clients
import server

_REQUESTS = 500
_WARM_UP = 50


def measure(rounds, say):
    """Return ``{client: [microseconds of a request in each round, …]}``."""
    with server.Hosts(1) as hosts:
        ways = clients.ways(hosts.ports[0])
        for name, get in ways.items():
            _warm_up(name, get)
        found = {name: [] for name in ways}
        for number in range(rounds):
            # Another one first in each round: what came before warms the caches.
            names = list(ways)
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                found[name].append(_cost_us(ways[name]))
            say(f"request: round {number + 1} of {rounds}")
    return found


def ratio(found, name):
    """Return the median over all rounds of a client's cost to bare urllib3's."""
    pairs = zip(found[name], found[clients.BARE], strict=True)
    return statistics.median(own / bare for own, bare in pairs)


def _warm_up(name, get):
    for _ in range(_WARM_UP):
        if get() != server.BODY:
            raise SystemExit(f"{name}: did not get what the server sends")


def _cost_us(get):
    begin = time.process_time()
    for _ in range(_REQUESTS):
        get()
    return (time.process_time() - begin) / _REQUESTS * 1e6
