"""
Who serves: hosts in rotation at every balancer, or out of it.

Where there is no balancer, nothing is asked of anybody, and nobody knows who serves.
"""

import collections
import contextlib

from holodeck_master import fleet

_ASK_S = 60
_GRACE_S = 15


def drain(world, plan, hosts, *, floor, come_what_may=False, cut=False):
    """
    Take hosts out of rotation at every balancer; return the balancers that are lost.

    floor
        How many others have to serve; else nothing is done.
    come_what_may
        Go on without lost balancers, as long as one answers, and as ``cut`` does.
    cut
        Go on with requests that are under way when the time is over.
    """
    seconds = plan.rules.drain_s
    more = {"floor": floor, "cut": cut or come_what_may}
    return _balance(world, plan, "drain", hosts, seconds, come_what_may, **more)


def leave(world, plan, hosts, *, floor, come_what_may=False):
    """
    Take hosts out at every balancer that has them in rotation, up or down.

    floor
        How many others have to serve; else nothing is done.
    come_what_may
        Go on without lost balancers.
    """
    replies = ask_balancers(world, plan)
    heard = {name: reply for name, reply in replies.items() if not reply.lost}
    heard = heard if come_what_may else replies
    fleet.check("balancer.status", heard)
    there = {
        name: {host for host in hosts if _is_inside(plan, reply, host)}
        for name, reply in heard.items()
    }
    _drain_there(world, plan, there, plan.rules.drain_s, floor=floor, cut=False)


def drop(world, plan, hosts):
    """
    Take machines that are gone out of rotation at the balancers that answer.

    HAProxy keeps a server's part at its address, also when another machine comes there.
    A balancer that does not answer is looked after by whoever creates it.
    """
    there = {
        balancer: set(hosts) & set(reply.value.get(plan.service.name, ()))
        for balancer, reply in ask_balancers(world, plan).items()
        if reply.ok
    }
    _drain_there(world, plan, there, _ASK_S, floor=0, cut=True)


def ready(world, plan, hosts, *, come_what_may=False):
    """Put hosts into rotation at every balancer; return the balancers that are lost."""
    seconds = plan.rules.health_s
    return _balance(world, plan, "ready", hosts, seconds, come_what_may)


def swap(world, plan, hosts, others, *, floor):
    """Put hosts into rotation at every balancer, and then take others out."""
    seconds = plan.rules.health_s
    more = {"others": list(others), "drain_s": plan.rules.drain_s, "floor": floor}
    _balance(world, plan, "swap", hosts, seconds, without_lost=False, **more)


def pools(world, plan):
    """
    Return the hosts that each balancer sends requests to, a set for each.

    A balancer that has no server yet is left out. ``None`` when nobody knows: there
    is no balancer, or none answered.
    """
    with pools_asked(world, plan) as found:
        return found()


@contextlib.contextmanager
def pools_asked(world, plan):
    """Ask for the pools while the block does something else; yield what returns it."""
    with _balancers_asked(world, plan) as replies:

        def found(seconds=_ASK_S):
            told = [serving(plan, r) for r in replies(seconds).values() if r.ok]
            return [pool for pool in told if pool] if told else None

        yield found


def serving_each(world, plan):
    """
    Return ``{balancer: the hosts that it sends requests to}``; ``{}`` without any.

    Raises :class:`~holodeck_master.fleet.CallFailedError` when one does not answer.
    """
    replies = ask_balancers(world, plan)
    fleet.check("balancer.status", replies)
    return {balancer: serving(plan, reply) for balancer, reply in replies.items()}


def unserved(world, plan):
    """Return ``{balancer: how its servers are}`` of those that have none to send to."""
    found = {}
    for balancer, reply in ask_balancers(world, plan).items():
        if reply.ok and not serving(plan, reply):
            servers = reply.value.get(plan.service.name, {}).values()
            states = collections.Counter(server["status"] for server in servers)
            found[balancer] = (
                ", ".join(
                    f"{many} of {len(servers)} servers are {state}"
                    for state, many in states.items()
                )
                or "there is no server"
            )
    return found


def ask_balancers(world, plan):
    """Return ``{balancer: reply}`` to who serves; ``{}`` where there is none."""
    with _balancers_asked(world, plan) as replies:
        return replies(_ASK_S)


@contextlib.contextmanager
def _balancers_asked(world, plan):
    balancers = plan.environment.members("balancer")
    if not balancers:
        yield lambda _: {}
        return
    asked = {"backend": plan.service.name}
    with world.fleet.begun([(balancers, "balancer.status", asked)]) as replies:
        yield replies


def serving(plan, reply):
    """Return the hosts that a balancer sends requests to, by its reply."""
    servers = reply.value[plan.service.name].items()
    return {name for name, server in servers if server["status"].startswith("UP")}


def _is_inside(plan, reply, host):
    """Tell whether a balancer would send requests to a host as soon as it is well."""
    server = reply.value[plan.service.name].get(host)
    return bool(server) and not server["status"].startswith(("DRAIN", "MAINT"))


def _drain_there(world, plan, there, seconds, **more):
    """Drain servers at the balancers that have them: ``{balancer: servers}``."""
    name = plan.service.name
    groups = [
        (
            [balancer],
            "balancer.drain",
            {"backend": name, "servers": sorted(hosts), "timeout_s": seconds, **more},
        )
        for balancer, hosts in there.items()
        if hosts
    ]
    if groups:
        world.fleet.call_groups(groups, seconds + _GRACE_S)


def _balance(world, plan, verb, hosts, timeout_s, without_lost, **more):
    function = f"balancer.{verb}"
    if not plan.environment.members("balancer"):
        return []
    replies = world.fleet.ask(
        plan.environment.members("balancer"), function,
        deadline_s=timeout_s + more.get("drain_s", 0) + _GRACE_S,
        backend=plan.service.name, servers=list(hosts), timeout_s=timeout_s, **more,
    )  # fmt: skip
    answers = {b: reply for b, reply in replies.items() if not reply.lost}
    heard = answers if without_lost and answers else replies
    fleet.check(function, heard)
    return sorted(set(replies) - set(heard))
