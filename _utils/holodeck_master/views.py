"""What people ask: where things stand, what would happen, what happened."""

from holodeck import differences, names, rollout, sbom, spec
from holodeck.model import REPLACE
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    answering,
    building,
    keeping,
    locks,
    pillar,
    reports,
    stages,
)
from holodeck_master.plan import plan_for

_ASK_S = 40
_SHOWN = 3


def status(world, service=None, environment=None):
    """
    Return one entry for each service and environment, with a row for each host.

    What a host really runs is compared with the record.
    """
    return [
        _place_status(world, plan_for(world, name, place))
        for place, name in _places(world, service, environment)
    ]


def history(world, service, environment, limit):
    """Return the newest records of a service in an environment."""
    plan = plan_for(world, service, environment)
    newest = world.records.history(*plan.key)[: int(limit)]
    return [_row(world, record) for record in newest]


def show(world, release):
    """Return one record, whole, and where its report is."""
    record = world.records.find(release)
    if record is None and world.records.is_reserved(release):
        raise HolodeckError(
            f"Release {release}: has not begun. It waits for another release to end, "
            "or what was pushed was refused, or runs already; `salt-run "
            "holodeck.history SERVICE ENV` lists those that began."
        )
    if record is None:
        raise HolodeckError(
            f"Release {release}: there is no record of it; "
            "`salt-run holodeck.history SERVICE ENV` lists them."
        )
    page = reports.page_of(world, release)
    return {**record, "report": str(page)} if page.exists() else record


def preview(world, service, environment, ref):
    """Return what a release would do, before anything happens."""
    wanted = plan_for(world, service, environment)
    building.check_ref(wanted.service, ref)
    last = world.records.last_good(*wanted.key)
    replies = world.fleet.ask(wanted.environment.all_members(), "webapp.status", _ASK_S)
    missing = sorted(host for host, reply in replies.items() if not reply.ok)
    builder_is_there = not set(wanted.environment.members("builder")) & set(missing)
    commit = ref or wanted.service.branch
    if builder_is_there or names.is_commit(ref or ""):
        commit = building.resolve(world, wanted.environment, wanted.service, ref)
    config = pillar.config_digest(world.records, wanted.service, wanted.placement)
    return {
        "service": service,
        "environment": environment,
        "commit": commit,
        "from": last and last["commit"],
        "unchanged": bool(last)
        and last["deployment"] == names.deployment(commit, config)
        and _all_at(wanted, replies, last),
        "commits": _commits(world, wanted, last, commit, builder_is_there),
        "configuration": _configuration(last, config),
        "settings": _settings(world, wanted, last),
        "dependencies": _dependencies(world, wanted, last, commit, replies),
        "create": [host for host in missing if host in wanted.environment.profiles()],
        "silent": missing,
        "built": _is_built(world, wanted, commit, replies),
        **_order(world, wanted, last, replies),
        "seconds": _usual_seconds(world, wanted),
    }


def _order(world, plan, last, replies):
    """Return who goes when: in batches, or all for new ones."""
    hosts, name = plan.environment.members("web"), plan.service.name
    runs = [h for h in hosts if name in (replies[h].value or {}).get("services", {})]
    if plan.rules.strategy != REPLACE or not (last and runs):
        sizes = plan.rules.batch, plan.rules.floor
        return {"batches": rollout.batches(hosts, *sizes)}
    gone = keeping.hosts(world, plan.environment)
    return {"batches": [], "replaced": hosts, "destroyed": gone}


def test(world, service, environment):
    """Run the last good release's suite against every host and balancer."""
    plan = plan_for(world, service, environment)
    last = world.records.last_good(*plan.key)
    if last is None:
        raise HolodeckError(f"{service} in {environment}: has no good release to test.")
    hosts, code = plan.environment.members("web"), stages.code(last)
    stages.stage(world, plan, {"tester": [last["suite"]]})
    return {
        "hosts": stages.suite_on_hosts(world, plan, code, hosts),
        "balancers": stages.suite_on_balancers(world, plan, code),
    }


def _places(world, service, environment):
    for name, known, noun in (
        (service, world.definition.services, "Service"),
        (environment, world.definition.environments, "Environment"),
    ):
        if name is not None and name not in known:
            raise HolodeckError(
                f"{noun} {name}: is not defined in pillar; the defined ones are "
                f"{', '.join(sorted(known)) or 'none'}."
            )
    for place in world.definition.environments.values():
        if environment not in {None, place.name}:
            continue
        for name in place.services:
            if service in {None, name}:
                yield place.name, name


def _place_status(world, plan):
    service, environment = plan.service.name, plan.environment
    last = world.records.last_good(*plan.key)
    hosts = environment.members("web")
    replies = world.fleet.ask(hosts, "webapp.status", _ASK_S)
    members = environment.members("balancer")
    balancers = world.fleet.ask(members, "balancer.status") if members else {}
    intact = {}
    if last:
        intact = world.fleet.ask(
            hosts, "bundle.verify", _ASK_S, name=service, commit=last["commit"]
        )
    rows = [
        _host_row(replies[host], intact.get(host), balancers, service, last)
        for host in hosts
    ]
    newest = world.records.history(*plan.key)[:1]
    return {
        "service": service,
        "environment": environment.name,
        "release": last and _row(world, last),
        "newest": _row(world, newest[0]) if newest else None,
        "frozen": world.records.freeze(*plan.key),
        "hosts": rows,
        "answers": answering.urls(world, plan),
        **keeping.shown(world, environment),
        "agree": bool(last) and all(not row["drift"] for row in rows),
    }


def _host_row(reply, intact, balancers, service, last):
    row = {"host": reply.host, "commit": None, "rotation": [], "drift": []}
    for balancer in balancers.values():
        servers = (balancer.value or {}).get(service, {}) if balancer.ok else {}
        row["rotation"].append(servers.get(reply.host, {}).get("status", "unknown"))
    if not reply.ok:
        return {**row, "drift": [reply.error]}
    found = reply.value["services"].get(service)
    if not found:
        why = "nothing is deployed"
        if last and building.is_foreign(last, reply.value["platform"]):
            why += f": the release was built for {last['bundle']['platform']}"
        return {**row, "drift": [why] if last else []}
    row |= {"commit": found["commit"], "running": found["running"]}
    row["drift"] = list(_drift(found, intact, last, row["rotation"]))
    return row


def _drift(found, intact, last, rotation):
    if found["fault"]:
        yield found["fault"]
    if found.get("stranded"):
        yield found["stranded"]
    if last and found["running"] != last["commit"]:
        yield f"runs {names.short(found['running'] or 'nothing')}"
    elif last and found["deployment"] != last["deployment"]:
        yield "has another configuration"
    if found.get("changed"):
        yield f"configuration differs: {', '.join(found['changed'])}"
    yield from found.get("overridden", [])
    if intact is not None and not intact.ok:
        yield intact.error.splitlines()[0]
    elif intact is not None and not intact.value["ok"]:
        yield "files differ: " + "; ".join(_damage(intact.value["differs"]))
    if any(not state.startswith("UP") for state in rotation):
        yield "out of rotation"


def _damage(differs):
    """Return the first few files of each layer that are not what was built."""
    for root, found in differs.items():
        more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        yield f"{root}: {', '.join(found[:_SHOWN])}{more}"


def _row(world, record):
    keys = ("id", "status", "kind", "commit", "ref", "to", "started", "ended", "reason",
            "message", "user", "waiting", "failed")  # fmt: skip
    row = {key: record.get(key) for key in keys if record.get(key)}
    place = (record["service"], record["environment"])
    if record["status"] == "running" and not locks.is_held(world.opts, *place):
        how = " ".join(place)
        row |= {
            "status": "dead",
            "reason": f"its runner died; holodeck.resume {how}, or holodeck.abort",
        }
    row["seconds"] = _seconds(record)
    return row


def _seconds(record):
    return round(sum(phase["seconds"] for phase in record["phases"]), 1)


def _usual_seconds(world, plan):
    past = [r for r in world.records.history(*plan.key) if r["status"] == "good"]
    times = sorted(_seconds(record) for record in past[:5])
    return times[len(times) // 2] if times else None


def _all_at(plan, replies, last):
    """Tell whether every web host runs the deployment of ``last``, and can go on."""
    found = [
        (replies[host].value or {}).get("services", {}).get(plan.service.name, {})
        for host in plan.environment.members("web")
    ]
    return all(
        service.get("deployment") == last["deployment"] and not service.get("stranded")
        for service in found
    )


def _commits(world, plan, last, commit, builder_is_there):
    if not (last and builder_is_there and names.is_commit(commit)):
        return []
    return building.history(
        world, plan.environment, plan.service, last["commit"], commit
    )


def _configuration(last, config):
    if not last:
        return "new"
    return "unchanged" if last["config"] == config else "changed"


def _settings(world, plan, last):
    """Return ``{setting: new, changed or removed}``; no value is ever shown."""
    old = (last or {}).get("settings")
    if old is None:
        return {}
    new = pillar.setting_digests(world.records, plan.service, plan.placement)
    return differences.changes(old, new)


def _dependencies(world, plan, last, commit, replies):
    """Return ``{package: [old, new]}``, or ``None`` where the commit is not built."""
    new = _built(world, plan, commit, replies).get(plan.service.name)
    bills = [(bundle or {}).get("sbom") for bundle in ((last or {}).get("bundle"), new)]
    if not all(bills):
        return None
    return differences.packages(*(sbom.summary(bill)["packages"] for bill in bills))


def _is_built(world, plan, commit, replies):
    built = _built(world, plan, commit, replies)
    return bool(built) and all(built.values())


def _built(world, plan, commit, replies):
    """Return ``{bundle name: manifest or None}``, or ``{}`` without a web host."""
    web = plan.environment.members("web")[0]
    if not replies[web].ok:
        return {}
    platform = replies[web].value["platform"]
    recipes = building.recipes_of(world, plan.service, platform)
    return {
        name: building.known(world, spec.key(name, commit, recipe, platform))
        for name, recipe in recipes.items()
    }
