"""
Which hosts an environment has had made, prepared and put into rotation.

It is written before salt-cloud is told: whatever dies in between, what was made is
known by its name.
"""

import time


def of(world, name):
    """Return what records have of an environment's hosts, empty where there is none."""
    empty = {"addresses": {}, "made": {}, "born": {}, "joining": {}, "prepared": []}
    return {**empty, **world.records.environment(name)}


def make(world, environment):
    """Note every host that a cloud makes for the environment."""
    known = of(world, environment.name)["made"]
    made = {
        host: {"profile": profile, "role": environment.role_of(host)}
        for host, profile in environment.profiles().items()
    }
    if not made.items() <= known.items():
        world.records.keep_environment(environment.name, made={**known, **made})


def prepare(world, environment, hosts):
    """Note hosts that have the base states; who is new has no part in rotation yet."""
    known = of(world, environment.name)
    parts = {*environment.members("web"), *environment.members("balancer")}
    new = parts & set(hosts) - set(known["prepared"])
    services = list(environment.services)
    world.records.keep_environment(
        environment.name,
        prepared=sorted({*known["prepared"], *hosts}),
        joining={**known["joining"], **dict.fromkeys(new, services)},
    )


def new(world, name, service):
    """Return the hosts that have no part in a service's rotation yet."""
    joining = of(world, name)["joining"]
    return {host for host, services in joining.items() if service in services}


def join(world, name, service):
    """Note that every host has its part in a service's rotation."""
    known = of(world, name)["joining"]
    left = {host: [s for s in each if s != service] for host, each in known.items()}
    joining = {host: services for host, services in left.items() if services}
    if joining != known:
        world.records.keep_environment(name, joining=joining)


def forget(world, name, hosts):
    """Forget hosts that are gone."""
    _renew(world, name, hosts)
    known = of(world, name)
    world.records.keep_environment(
        name,
        **{
            fact: {h: v for h, v in known[fact].items() if h not in hosts}
            for fact in ("addresses", "made", "born")
        },
    )


def bear(world, name, hosts):
    """Note that hosts get new machines, of which nothing is known that was."""
    _renew(world, name, hosts)
    born = {**of(world, name)["born"], **dict.fromkeys(hosts, time.time())}
    world.records.keep_environment(name, born=born)


def _renew(world, name, hosts):
    """Forget what hosts had become: other machines come in their place, or none."""
    known = of(world, name)
    world.records.keep_environment(
        name,
        prepared=[h for h in known["prepared"] if h not in hosts],
        joining={h: each for h, each in known["joining"].items() if h not in hosts},
    )


def surplus(world, environment):
    """Return ``{host: {"profile", "role"}}`` of those that it has no more."""
    members = set(environment.all_members())
    made = of(world, environment.name)["made"]
    return {host: facts for host, facts in made.items() if host not in members}
