"""
What balancers are told: the servers of each service, and the path to check them by.

Whatever serves has to answer that path. Balancers have another one than before once all
that serve were asked for it, and answered. Records of the environment keep which; it is
the one in the balancers' pillar, so that no highstate and no release of another service
brings one that nobody was asked for.
"""

import hashlib
import json

from holodeck import slices
from holodeck_master import ledger, rotation
from holodeck_master.plan import RefusedReleaseError, plan_for

_ASK_S = 30


def paths(memory, definition, environment):
    """Return ``{service: path}`` of an environment's balancers."""
    return _filled(_kept(memory, environment), definition, environment)


def _filled(kept, definition, environment):
    """Add the definition's own path of each service of which none is kept."""
    return {
        name: kept.get(name, definition.services[name].health)
        for name in environment.services
    }


def wanted(world, plan, record):
    """
    Return the path that a release wants, as :func:`choose` takes it.

    Whoever goes back wants the one of that time, where it is known. A release that had
    failed before its runner died wants none: it goes back by what there is.
    """
    path = plan.service.health
    if record["kind"] == "rollback":
        path = world.records.find(record["to"]).get("health")
    return {plan.service.name: path} if path and "verdict" not in record else {}


def choose(world, environment, news, *, strict=True):
    """
    Let balancers have the wanted paths, from the next time on that they are told.

    news
        ``{service: path}``; the other services' stay.
    strict
        Raise :class:`~holodeck_master.plan.RefusedReleaseError` when a host that serves
        does not answer a path; else balancers keep the one that they have.
    """
    before = _kept(world.records, environment)
    kept = dict(before)
    every = {**_filled(before, world.definition, environment), **news}
    for service, path in every.items():
        if kept.get(service) == path:
            continue
        refusals = _refusals(world, environment, service, path)
        if not refusals:
            kept[service] = path
        elif strict:
            raise RefusedReleaseError(_refused(service, path, refusals))
    if kept != before:
        world.records.keep_environment(environment.name, health=kept)


def tell(world, environment, fresh, within_s):
    """
    Bring balancers to the servers, ports and paths of now, where these changed.

    fresh
        Hosts that have had all states just before.
    within_s
        Seconds for the states to reach them.
    """
    content = slices.balancer(
        world.definition,
        environment,
        world.records.addresses(environment.name),
        ledger.listed(world.records, environment),
        paths(world.records, world.definition, environment),
    )
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    known = told(world.records, environment)
    members = environment.members("balancer")
    if not members:
        return
    changed = [b for b in members if b not in fresh and known.get(b) != digest]
    if changed:
        world.note("hosts", changed, "being told of the servers")
        # Whoever dies now has told some of them, and nobody knows whom.
        rest = {b: known[b] for b in known if b not in changed}
        world.records.keep_environment(environment.name, balancers=rest)
        world.fleet.call(
            changed,
            "state.apply",
            deadline_s=within_s,
            mods="holodeck.balancer",
            queue=True,
        )
    world.records.keep_environment(
        environment.name, balancers=dict.fromkeys(members, digest)
    )


def told(memory, environment):
    """Return ``{balancer: digest of what it was told}``."""
    return memory.environment(environment.name).get("balancers", {})


def _kept(memory, environment):
    return memory.environment(environment.name).get("health", {})


def _refusals(world, environment, service, path):
    """Return ``{host: why}`` of those that serve, and do not answer a path."""
    plan = plan_for(world, service, environment.name)
    asked = rotation.ask_balancers(world, plan)
    # One without HAProxy sends to nobody; of one that is lost, or too slow to say so,
    # nobody knows.
    lost = {b: r.error for b, r in asked.items() if r.lost or "timed out" in r.error}
    if lost:
        return lost
    pools = [rotation.serving(plan, reply) for reply in asked.values() if reply.ok]
    # Who has left the definition leaves the balancers with what they are told now.
    listed = ledger.listed(world.records, environment)
    serving = sorted(set().union(*pools) & set(listed))
    if not serving:
        return {}
    replies = world.fleet.ask(
        serving, "webapp.refusal", deadline_s=_ASK_S, name=service, path=path
    )
    said = {h: reply.value if reply.ok else reply.error for h, reply in replies.items()}
    return {host: why for host, why in said.items() if why}


def _refused(service, path, refusals):
    hosts = {}
    for host, why in refusals.items():
        hosts.setdefault(why, []).append(host)
    shown = "; ".join(f"{', '.join(those)}: {why}" for why, those in hosts.items())
    return (
        f"Health of {service}: what serves does not answer {path}, and balancers would "
        f"take it out ({shown}). First release a commit that answers both paths, with "
        "the old `health`; then change `health` and release again."
    )
