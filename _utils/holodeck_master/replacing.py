"""
The replacement: new hosts with the new commit, tested, and swapped in at the balancers.

The old hosts are never switched. They serve until every new one does, stay for a while
for whoever wants to go back, and are destroyed then. Until the release is good, its
hosts are the environment's ``incoming`` ones, by :mod:`holodeck.generations`; with the
write that calls it good they are the current ones.
"""

import dataclasses

from holodeck import generations, names
from holodeck.model import IN_PLACE, REPLACE
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    agreement,
    environments,
    keeping,
    leaving,
    ledger,
    pillar,
    probing,
    rolling,
    rotation,
    stages,
    staging,
    way_back,
)


def strategy(run, target):
    """
    Return how a run brings ``target`` onto its environment.

    Nobody is replaced where nothing was released, or runs; and whoever goes home goes
    to the hosts that have been there.
    """
    if "strategy" in run.record:
        return run.record["strategy"]
    runs = run.kept or any(run.service_on(host) for host in run.hosts)
    if not run.served or not runs or run.goes_home(target):
        return IN_PLACE
    return run.plan.rules.strategy


def changes_hosts(world, plan):
    """Tell whether a release would replace hosts, or may have to undo that."""
    is_begun = "incoming" in world.records.generation(plan.environment.name)
    return is_begun or plan.rules.strategy == REPLACE


def needed(run):
    """Return the environment whose hosts have to answer before anything begins."""
    environment = run.plan.environment
    if not run.kept:
        return environment
    # Whoever goes back does not ask the hosts that went wrong.
    return generations.turned(environment, _numbers(environment, run.kept))


def check_configuration(run, target):
    """Raise where the hosts could not have the configuration of an earlier release."""
    placed = run.world.records, run.plan.service, run.plan.placement
    if target["config"] == pillar.config_digest(*placed):
        # Also a host that has come since makes it.
        return
    without = run.without(target["deployment"], run.kept or run.hosts)
    if strategy(run, target) == REPLACE and not run.kept:
        without = ["pillar"]
    if without:
        raise HolodeckError(
            f"Rollback to {target['id']}: its configuration is no longer "
            f"{'in' if without == ['pillar'] else 'on'} {', '.join(without)}; release "
            f"{names.short(target['commit'])} instead, which takes the configuration "
            "that pillar has now."
        )


def check_place(world, plan, record):
    """Raise where a dead replacement was of other hosts than there are by now."""
    incoming = keeping.of(world, plan).get("incoming", {})
    is_alike = generations.can_be_replaced(plan.environment)
    if incoming.get("release") != record["id"] or not is_alike:
        return
    members = _numbers(plan.environment, plan.environment.members("web"))
    if members != incoming["old"]:
        raise HolodeckError(
            f"{record['id']}: the number of web hosts has changed since it began; "
            "`holodeck.abort` it and release again."
        )
    if others := set(plan.environment.services) - {plan.service.name}:
        raise HolodeckError(
            f"{record['id']}: its new hosts are without {', '.join(sorted(others))}, "
            "placed there since it began; `holodeck.abort` it and release again."
        )


def settle(run):
    """Undo what another release, whose runner died, has left of its replacement."""
    incoming = _generation(run).get("incoming")
    if not incoming or incoming["release"] == run.record["id"]:
        return
    # For the way back: those that were to be replaced were never switched.
    run.record["strategy"] = REPLACE
    with run.phase("settle"):
        way_back.go_back(run)
        withdraw(run)
        if run.record.pop("away") or _generation(run).get("incoming"):
            raise HolodeckError(
                f"{incoming['release']}: what its runner left could not be undone; "
                "`salt-run holodeck.status` shows where hosts stand."
            )
        run.record["touched"] = []
    del run.record["strategy"]


def replace(run):
    """Make new hosts, prove them, and let them serve in the old ones' place."""
    with run.phase("create"):
        fresh, plan = _made(run)
    with run.phase("stage"):
        placed = {"web": [run.record["bundle"]], "tester": [run.record["suite"]]}
        stages.stage(run.world, plan, placed)
    with stages.standby(run.world, run.plan, run.record) as run.standby:
        with run.phase("rollout"):
            _prove(run, fresh)
            _swap(run, fresh)
        with run.phase("balancer"):
            run.test(stages.suite_on_balancers)
            agreement.check(run, fresh)
            agreement.check_outside(run, run.hosts)
    run.record |= {"touched": [], "done": fresh}


def conclude(run):
    """Have the environment as the record says; what need not be kept is destroyed."""
    if run.record.get("strategy") != REPLACE:
        return
    world, name = run.world, run.plan.environment.name
    generation = world.records.generation(name)
    world.records.keep_generation(name, generation)
    environment = generations.placed(run.plan.environment, generation)
    run.plan = dataclasses.replace(run.plan, environment=environment)
    try:
        if not run.plan.rules.kept_s:
            keeping.end(world, environment)
    except HolodeckError as error:
        world.say("leave", str(error))


def withdraw(run):
    """
    Take the incoming hosts away again; return ``{host: words}``.

    They are destroyed, or kept as they were before. Those that are needed, for too few
    others serve, stay where they are.
    """
    generation, words = _generation(run), {}
    if not ("incoming" in generation or run.record.get("strategy") == REPLACE):
        return words
    name = run.plan.environment.name
    again = [h for which in ("incoming", "going")
             for h in generations.hosts(name, generation, which)]  # fmt: skip
    if again:
        try:
            words = _withdrawn(run, again)
        except HolodeckError as error:
            words = dict.fromkeys(again, f"could not be destroyed: {error}")
    for host, word in words.items():
        run.note("back", [host], word)
    return words


def _withdrawn(run, hosts):
    world, environment = run.world, run.plan.environment
    generation, going = _generation(run), leaving.web(hosts)
    # Nobody is destroyed to whom a balancer may send requests; but none of those that
    # answer has to go on with it.
    leaving.drain(world, environment, going, come_what_may=True)
    if not generation.get("incoming", {}).get("kept"):
        made = ledger.of(world.records, environment.name)["made"]
        leaving.retire(world, environment, going)
        return {h: "is destroyed" if h in made else "was not made" for h in hosts}
    leaving.drain(world, environment, going)
    kept = generation.pop("incoming")["kept"]
    world.records.keep_generation(environment.name, {**generation, "kept": kept})
    return dict.fromkeys(hosts, "is kept as before")


def _made(run):
    """Return the new hosts, made and prepared, and the plan that has them."""
    world, environment = run.world, run.plan.environment
    if not generations.can_be_replaced(environment):
        raise HolodeckError(
            f"environments/{environment.name}/hosts/web: is not made by a profile any "
            "more, and nothing can be replaced; abort this, and release again."
        )
    if not _generation(run).get("incoming"):
        _choose(run)
    numbers = _generation(run)["incoming"]["numbers"]
    environment = generations.turned(keeping.present(world, environment), numbers)
    fresh = environment.members("web")
    run.record["fresh"] = fresh
    run.save()
    run.note("create", fresh, f"to take the place of {', '.join(run.hosts)}")
    if not run.kept:
        # A refusal would leave a release that has begun without its way back.
        run.statuses |= environments.ensure(
            world, environment, run.plan.rules.hosts_s, strict=False
        )
        staging.check_platform(run, fresh)
    return fresh, dataclasses.replace(run.plan, environment=environment)


def _choose(run):
    """
    Note who is to come before anything is made: highstate leaves them alone then.

    Those that were kept until now stand in, or make room.
    """
    world, environment = run.world, run.plan.environment
    kept = _generation(run).get("kept") if run.kept else None
    numbers = _numbers(environment, run.kept)
    if not kept:
        keeping.end(world, environment)
        numbers = _free(run)
    generation = {k: v for k, v in _generation(run).items() if k != "kept"}
    incoming = {
        "numbers": numbers,
        "old": _numbers(environment, run.hosts),
        "release": run.record["id"],
        "kept": kept,
    }
    world.records.keep_generation(
        environment.name, {**generation, "incoming": incoming}
    )


def _free(run):
    """Return numbers of which nobody here knows a machine: master, provider, pillar."""
    world = run.world.present()
    placed = world.definition.environments
    environment = placed[run.plan.environment.name]
    names_of_all = [
        *ledger.of(world.records, environment.name)["made"],
        *(host for each in placed.values() for host in each.everybody()),
        *world.accepted,
    ]
    web = environment.hosts["web"]
    taken = {*_numbers(environment, names_of_all), *web.beside}
    while True:
        numbers = generations.free(web.count, taken)
        hosts = generations.turned(environment, numbers).members("web")
        known = world.cloud.known(dict.fromkeys(hosts, web.profile))
        if not known:
            return numbers
        taken |= {*_numbers(environment, known)}


def _prove(run, fresh):
    """Let new hosts run the commit, out of rotation, and pass what there is to pass."""
    world, plan, record = run.world, run.plan, run.record
    run.story.note("rollout", fresh, "begins")
    mark = world.mark(plan.environment, "web")
    stages.switch(world, plan, fresh, record, run.next_order(), mark=mark)
    run.note("rollout", fresh, f"healthy at {names.short(record['commit'])}")
    run.test(stages.suite_on_hosts, fresh)
    run.note("rollout", fresh, "the suite passed")
    rolling.look_closer(run, fresh[0])


def _swap(run, fresh):
    """Let the new ones serve, and only then the old ones no more."""
    world, plan, record = run.world, run.plan, run.record
    rolling.pause(run)
    probing.start(run)
    rotation.ready(world, plan, fresh)
    run.note("rollout", fresh, "in rotation")
    record["touched"] = list(dict.fromkeys([*record["touched"], *run.hosts]))
    run.save()
    run.story.note("rollout", run.hosts, "begins")
    # What a kept host has begun it may end.
    more = {"floor": leaving.floor(plan), "cut": plan.rules.kept_s > 0}
    rotation.drain(world, plan, run.hosts, **more)
    run.note("rollout", run.hosts, "out of rotation")


def _generation(run):
    return keeping.of(run.world, run.plan)


def _numbers(environment, hosts):
    return sorted(names.host_numbers(environment.name, "web", hosts))
