"""Hosts that were replaced: kept for a while, for a fast way back, then destroyed."""

from holodeck import generations
from holodeck.model import REPLACE, Hosts, Rollout
from holodeck_io.errors import HolodeckError
from holodeck_master import agreement, leaving, locks, records


def present(world, environment):
    """Return an environment with the hosts that are current by now."""
    return generations.placed(environment, world.records.generation(environment.name))


def of(world, plan):
    """
    Return the generation of a plan's environment.

    What is to come is of one service: another one's release has nothing to do with it.
    """
    generation = world.records.generation(plan.environment.name)
    incoming = generation.get("incoming")
    record = incoming and world.records.find(incoming["release"])
    if record and record["service"] != plan.service.name:
        return {
            which: each for which, each in generation.items() if which != "incoming"
        }
    return generation


def hosts(world, environment, which="kept"):
    """
    Return the names of the hosts that are ``kept``, ``incoming`` or ``going``.

    environment
        As it is by now: another definition may have made members of them.
    """
    generation = world.records.generation(environment.name)
    found = generations.hosts(environment.name, generation, which)
    return [host for host in found if host not in environment.members("web")]


def end(world, environment):
    """Destroy kept hosts, for whoever holds the lock; return their names."""
    over = [*hosts(world, environment), *left_over(world, environment)]
    if not over:
        return []
    return leaving.retire(world, environment, leaving.web(over))


def make_room(world, environment, goal):
    """
    Destroy hosts whose numbers are needed for members; return their names.

    goal
        The environment as it is to be.

    Raises where a release needs them, whose runner died.
    """
    web = goal.hosts.get("web", Hosts())
    if len(goal.members("web")) == len(web.ids or range(web.count)):
        return []
    with leaving.locked(world, environment, "hosts to make room"):
        gone = end(world, environment)
    if len(present(world, goal).members("web")) < web.count:
        raise HolodeckError(
            f"Environment {environment.name}: the numbers of {web.count} web hosts are "
            "of hosts that are to take others' place; `salt-run holodeck.status` names "
            "their release, which `holodeck.resume` or `abort` ends."
        )
    return gone


def end_unlike(world, environment):
    """Destroy kept hosts that are not as many as would go for them; return them."""
    kept = hosts(world, environment)
    if not kept or len(kept) == len(environment.members("web")):
        return []
    with leaving.locked(world, environment, "kept hosts to leave"):
        return leaving.retire(world, environment, leaving.web(kept))


def expire(world, now=None):
    """
    Destroy the kept hosts whose time is over, and those that no release wants.

    Returns their names. Where a release runs, or has not ended, they stay. Raises for
    those that could not be destroyed, after the others.
    """
    gone, faults = [], []
    for environment in world.definition.environments.values():
        if not _over(world, environment, now):
            continue
        try:
            gone += _expire(world, environment.name, now)
        except locks.LockedError as error:
            world.say("leave", str(error))
        except HolodeckError as error:
            faults.append(f"{environment.name}: {error}")
    if faults:
        raise HolodeckError("\n".join(faults))
    return gone


def _expire(world, name, now):
    with locks.held_hosts(world.opts, name, "holodeck.expire"):
        # Who was to go a moment ago may be wanted again.
        world = world.present()
        environment = world.definition.environments[name]
        with leaving.locked(world, environment, "hosts to leave"):
            over = _over(world, environment, now)
            return leaving.retire(world, environment, leaving.web(over)) if over else []


def _over(world, environment, now):
    for service in environment.services:
        if world.records.unfinished(service, environment.name):
            return []
    found = left_over(world, environment)
    kept = world.records.generation(environment.name).get("kept")
    if kept and until(world, environment, kept) <= (now or records.now()):
        found += hosts(world, environment)
    return found


def until(world, environment, kept):
    """Return until when hosts are kept, as the definition says now."""
    record = world.records.find(kept["release"])
    placement = environment.services.get(record and record["service"])
    rules = placement.rollout if placement else Rollout(kept_s=0)
    return generations.until(kept, rules.kept_s)


def left_over(world, environment):
    """Return hosts that no release wants: of one that ended without them, or going."""
    generation = world.records.generation(environment.name)
    found = hosts(world, environment, "going")
    if "incoming" in generation:
        record = world.records.find(generation["incoming"]["release"]) or {}
        runs = record.get("status") == records.RUNNING
        # Nobody can resume what is placed there no more.
        if not runs or record["service"] not in environment.services:
            found += hosts(world, environment, "incoming")
    return found


def shown(world, environment):
    """Return ``{which: {"hosts", "release", …}}`` of those beside the current ones."""
    generation = world.records.generation(environment.name)
    found = {
        which: {
            "hosts": generations.hosts(environment.name, generation, which),
            "release": generation[which]["release"],
        }
        for which in ("incoming", "kept")
        if which in generation
    }
    if "kept" in found:
        found["kept"]["until"] = until(world, environment, generation["kept"])
    return found


def stand_in(run):
    """
    Return the kept hosts that a rollback only has to swap in.

    All of them run the release that it goes back to; else there are none.
    """
    world, environment = run.world, run.plan.environment
    generation = world.records.generation(environment.name)
    incoming = generation.get("incoming") or {}
    kept = generation.get("kept") or incoming.get("kept")
    if run.record["kind"] != "rollback" or run.plan.rules.strategy != REPLACE:
        return []
    target = world.records.find(run.record["to"])
    if not kept or run.goes_home(target):
        return []
    old = generations.hosts(environment.name, {"kept": kept}, "kept")
    if len(old) != environment.hosts["web"].count:
        return []
    replies = world.fleet.ask(old, "webapp.status")
    found = {host: reply.value for host, reply in replies.items() if reply.ok}
    is_there = len(found) == len(old) and all(
        agreement.runs(status["services"].get(run.plan.service.name, {}), target)
        for status in found.values()
    )
    return old if is_there else []
