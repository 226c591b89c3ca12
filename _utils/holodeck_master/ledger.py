"""
Which hosts an environment has had made, prepared and put into rotation.

It is written before salt-cloud is told: whatever dies in between, what was made is
known by its name.
"""


def of(world, name):
    """Return what records have of an environment's hosts, empty where there is none."""
    empty = {"addresses": {}, "made": {}, "prepared": [], "joining": []}
    return {**empty, **world.records.environment(name)}


def make(world, environment, now=()):
    """
    Note every host that a cloud makes for the environment.

    now
        Those that are about to be made, by the profile that they have by now. Others
        are where the profile has put them that they were made by.
    """
    known = of(world, environment.name)["made"]
    made = {
        host: {"profile": profile, "role": environment.role_of(host)}
        for host, profile in environment.profiles().items()
        if host in now or host not in known
    }
    if not made.items() <= known.items():
        world.records.keep_environment(environment.name, made={**known, **made})


def prepare(world, environment, hosts):
    """Note hosts that have the base states; who is new has to be put into rotation."""
    known = of(world, environment.name)
    web = set(environment.members("web"))
    new = [h for h in hosts if h in web and h not in known["prepared"]]
    world.records.keep_environment(
        environment.name,
        prepared=sorted({*known["prepared"], *hosts}),
        joining=sorted({*known["joining"], *new}),
    )


def join(world, name, hosts):
    """Note hosts that are in rotation for every service."""
    left = [h for h in of(world, name)["joining"] if h not in hosts]
    world.records.keep_environment(name, joining=left)


def forget(world, name, hosts):
    """Forget hosts that are gone."""
    known = of(world, name)
    world.records.keep_environment(
        name,
        **{
            fact: {h: v for h, v in known[fact].items() if h not in hosts}
            for fact in ("addresses", "made")
        },
        **{
            fact: [h for h in known[fact] if h not in hosts]
            for fact in ("prepared", "joining")
        },
    )


def surplus(world, environment):
    """Return ``{host: {"profile", "role"}}`` of those that it has no more."""
    members = set(environment.everybody())
    made = of(world, environment.name)["made"]
    return {host: facts for host, facts in made.items() if host not in members}
