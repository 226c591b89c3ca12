"""An environment's hosts: made when missing, reached, and up to date."""

import ipaddress
import time
from pathlib import Path

from holodeck import generations
from holodeck_io import lock
from holodeck_io.errors import HolodeckError
from holodeck_master import balancers, fleet, ledger, locks, rotation, signals
from holodeck_master.plan import plan_for

_START_S = 180
# For a host that was made, but not prepared: its runner may have died just then.
_AWAKE_S = 60
_STATES_S = 900
_STATUS_S = 40
_REFRESH_S = 15


def ensure(world, environment, within_s=_STATES_S, paths=None, *, strict=True):
    """
    Bring every host of the environment to life; return ``{host: status}``.

    Hosts that their cloud profile has not made yet are made in parallel. Those
    and the ones that an earlier run left half prepared get the base states.

    within_s
        Seconds for each of the states and the pack's code to reach them.
    paths, strict
        What balancers are to check services by, as for
        :func:`holodeck_master.balancers.choose`.
    """
    with _held(world, environment.name):
        return _ensure(world, environment, within_s, paths or {}, strict)


def _held(world, name):
    """Wait for, and hold, the lock under which an environment's hosts change."""
    place = Path(world.opts["cachedir"], "holodeck", "locks", name)
    return lock.held(place, signals.check)


def _ensure(world, environment, within_s, paths, strict):
    replies = world.fleet.ask(
        environment.all_members(), "webapp.status", deadline_s=_STATUS_S
    )
    silent = [host for host, reply in replies.items() if reply.lost]
    if silent:
        _create(world, environment, silent)
    unprepared = _unprepared(world, environment, replies)
    stale = [host for host, reply in replies.items() if _is_stale(world, reply)]
    _update(world, sorted(set(stale) - set(unprepared)), within_s)
    # By the pack's present code, and before a balancer gets anything.
    balancers.choose(world, environment, paths, strict=strict)
    if unprepared:
        _prepare(world, environment, unprepared, within_s)
    _refresh_pillar(world, environment, replies)
    # After the update: the balancers' state calls the pack's present code.
    balancers.tell(world, environment, set(unprepared), within_s)
    if stale:
        replies |= world.fleet.ask(stale, "webapp.status", deadline_s=_STATUS_S)
    return _answers(world, replies)


def destroy(world, environment):
    """Destroy the hosts that a cloud made, and forget its sizes; return their names."""
    for service in environment.services:
        if locks.is_held(world.opts, service, environment.name):
            raise HolodeckError(
                f"Environment {environment.name}: {service} is being released there; "
                "wait for the end."
            )
    name = environment.name
    with locks.held_hosts(world.opts, name, "holodeck.destroy"), _held(world, name):
        gone = _remove(world, name, ledger.of(world.records, name)["made"])
        world.records.keep_sizes(name, {})
        world.records.keep_generation(name, {})
    return gone


def remove(world, name, hosts):
    """
    Destroy hosts of ``{name: {"profile"}}``, and forget them; return their names.

    name
        Their environment's, which may have left the definition.
    """
    with _held(world, name):
        return _remove(world, name, hosts)


def tell_balancers(world, environment):
    """
    Bring the balancers to the definition's servers, where there are any.

    As long as one of these is still to be made, nothing happens: who makes it tells
    the balancers.
    """
    known = world.records.addresses(environment.name)
    if set(environment.members("web")) <= set(known):
        with _held(world, environment.name):
            balancers.choose(world, environment, {})
            balancers.tell(world, environment, (), _STATES_S)


def check_by(world, environment, service, path):
    """Let balancers check by a path, where all that serve answer it."""
    known = balancers.paths(world.records, world.definition, environment)
    if known[service] != path:
        with _held(world, environment.name):
            balancers.choose(world, environment, {service: path}, strict=False)
            balancers.tell(world, environment, (), _STATES_S)


def _remove(world, name, hosts):
    profiles = {host: each["profile"] for host, each in hosts.items()}
    gone = world.cloud.destroy(profiles)
    forget(world, name, hosts)
    return gone


def forget(world, name, hosts):
    """Forget hosts that are gone, or that are left to others."""
    ledger.forget(world.records, name, hosts)
    if generation := world.records.generation(name):
        left = generations.without(generation, name, hosts)
        world.records.keep_generation(name, left)


def platform_of(statuses, hosts):
    """
    Return the platform that all ``hosts`` share.

    A bundle holds compiled code: it is built on what it runs on.
    """
    found = {host: statuses[host]["platform"] for host in hosts}
    if len(set(found.values())) > 1:
        shown = "; ".join(f"{host} is {what}" for host, what in sorted(found.items()))
        raise HolodeckError(f"Platforms differ: {shown}. Build on what you run on.")
    return next(iter(found.values()))


def _unprepared(world, environment, replies):
    """Return the hosts that are new, or whose base states never succeeded."""
    prepared = ledger.of(world.records, environment.name)["prepared"]
    return [
        host
        for host, reply in replies.items()
        if reply.lost or not reply.ok or host not in prepared
    ]


def _prepare(world, environment, hosts, within_s):
    world.note("hosts", hosts, "base states being applied")
    _remember_addresses(world, environment, hosts)
    # A highstate, which also brings the pack's code to the minions.
    world.fleet.call(hosts, "state.apply", deadline_s=within_s, queue=True)
    ledger.prepare(world.records, environment, hosts)


def _update(world, hosts, within_s):
    if hosts:
        world.note("hosts", hosts, "pack being updated")
        world.fleet.call(hosts, "saltutil.sync_all", deadline_s=within_s)


def _refresh_pillar(world, environment, replies):
    """Let hosts keep the present pillar in memory: each call compiles one otherwise."""
    marks = {role: world.mark(environment, role) for role in environment.hosts}
    old = [
        host
        for host, reply in replies.items()
        if reply.ok and reply.value.get("mark", "") != marks[environment.role_of(host)]
    ]
    if old:
        world.fleet.ask(old, "saltutil.refresh_pillar", _REFRESH_S, wait=True)


def _is_stale(world, reply):
    """Tell whether a host has not answered with the pack's present code."""
    return not reply.ok or reply.value.get("pack") != world.pack


def _answers(world, replies):
    """Return what every host said, or raise for those that could not."""
    failed = {host: reply for host, reply in replies.items() if not reply.ok}
    if failed:
        raise fleet.CallFailedError("webapp.status", failed)
    answers = {host: reply.value for host, reply in replies.items()}
    stale = sorted(h for h, status in answers.items() if status["pack"] != world.pack)
    if stale:
        raise HolodeckError(
            f"Pack: {_listing(stale)} did not get this master's version; run `salt-run "
            "fileserver.clear_file_list_cache` and check that `file_roots` has the "
            "pack's folder `salt`."
        )
    return answers


def _create(world, environment, silent):
    """Make the hosts that nobody has made, or whose making nobody has ended."""
    profiles = environment.profiles()
    ours = {host: profiles[host] for host in silent if host in profiles}
    world.fleet.hang_up()
    known = world.cloud.known(ours) if ours else set()
    stillborn = known & ledger.stillborn(world.records, environment.name)
    dead = sorted((set(silent) - set(ours)) | (known - stillborn))
    if remaining := sorted(set(environment.remaining()) & set(silent)):
        raise HolodeckError(
            f"No answer from {_listing(remaining)}; the definition has fewer hosts by "
            f"now: `salt-run holodeck.scale {environment.name}` takes it away."
        )
    if dead:
        raise HolodeckError(_silence(dead))
    again = _awaited(world, environment, sorted(stillborn), _AWAKE_S)
    if again:
        world.note("hosts", again, "never came up, being removed")
        world.cloud.destroy({host: profiles[host] for host in again})
    unmade = {h: p for h, p in ours.items() if h not in known or h in again}
    if not unmade:
        return
    world.note("hosts", sorted(unmade), "being made")
    _take_out(world, environment, unmade)
    ledger.bear(world.records, environment, unmade)
    world.cloud.create(unmade, environment.options())
    if mute := _awaited(world, environment, sorted(unmade), _START_S):
        raise HolodeckError(_silence(mute))


def _take_out(world, environment, hosts):
    """A machine that comes in another's place, at its address, is not in rotation."""
    for service in environment.services:
        plan = plan_for(world, service, environment.name)
        rotation.drop(world, plan, hosts)


def _awaited(world, environment, hosts, within_s):
    """Return the hosts whose minion does not answer in time; note the others."""
    end = time.monotonic() + within_s
    waiting = hosts
    while waiting and time.monotonic() < end:
        replies = world.fleet.ask(waiting, "test.ping", deadline_s=5)
        waiting = [host for host, reply in replies.items() if not reply.ok]
    heard = set(hosts) - set(waiting)
    ledger.answer(world.records, environment.name, heard)
    return waiting


def _remember_addresses(world, environment, hosts):
    """Keep the hosts' addresses: the balancers' server lists are made of them."""
    found = world.fleet.call(hosts, "grains.get", key="ipv4")
    addresses = world.records.addresses(environment.name)
    for host, candidates in found.items():
        addresses[host] = _address(host, candidates, environment.cidr)
    world.records.keep_environment(environment.name, addresses=addresses)


def _address(host, candidates, cidr):
    network = ipaddress.ip_network(cidr or "0.0.0.0/0")
    for candidate in candidates:
        address = ipaddress.ip_address(candidate)
        if address in network and not address.is_loopback:
            return candidate
    raise HolodeckError(
        f"Host {host}: none of its addresses {candidates} is in {network}; set the "
        "environment's `cidr`."
    )


def _silence(hosts):
    return (
        f"No answer from {_listing(sorted(hosts))}; check the host and its minion "
        "(`salt-cloud -a reboot HOST`, `salt-key -L`), or destroy it and release "
        "again, which makes a new one."
    )


def _listing(hosts):
    return ", ".join(hosts)
