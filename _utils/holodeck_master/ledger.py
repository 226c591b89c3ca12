"""
Which hosts an environment has had made, prepared and put into rotation.

It is written before salt-cloud is told: whatever dies in between, what was made is
known by its name. Nothing else is ever destroyed: a machine that this master did not
make may be another one's. ``memory`` is the
:class:`~holodeck_master.records.Records`.
"""

import time

_EMPTY = {"addresses": {}, "made": {}, "joining": {}, "leaving": [], "prepared": []}


def of(memory, name):
    """Return what records have of an environment's hosts, empty where there is none."""
    return {**_EMPTY, **memory.environment(name)}


def knows(memory, minion):
    """Tell whether a minion was ever prepared as a host of an environment."""
    return any(minion in of(memory, name)["prepared"] for name in memory.environments())


def bear(memory, environment, hosts):
    """Note that machines are made for hosts, of which nothing is known that was."""
    profiles = environment.profiles()

    def change(known):
        made = {
            host: {
                "profile": profiles[host],
                "role": environment.role_of(host),
                "since": time.time(),
            }
            for host in hosts
        }
        return {**_without(known, hosts), "made": {**known["made"], **made}}

    _change(memory, environment.name, change)


def answer(memory, name, hosts):
    """Note hosts whose minion has answered: nobody replaces them any more."""

    def change(known):
        heard = {
            host: {**facts, "answered": True}
            for host, facts in known["made"].items()
            if host in hosts
        }
        return {"made": {**known["made"], **heard}}

    _change(memory, name, change)


def stillborn(memory, name):
    """Return the machines that this master made and that never answered."""
    made = of(memory, name)["made"]
    return {host for host, facts in made.items() if not facts.get("answered")}


def prepare(memory, environment, hosts):
    """Note hosts that have the base states; who is new has no part in rotation yet."""
    parts = {*environment.members("web"), *environment.members("balancer")}
    services = list(environment.services)

    def change(known):
        fresh = parts & set(hosts) - set(known["prepared"])
        return {
            "prepared": sorted({*known["prepared"], *hosts}),
            "joining": {**known["joining"], **dict.fromkeys(fresh, services)},
        }

    _change(memory, environment.name, change)


def new(memory, name, service):
    """Return the hosts that have no part in a service's rotation yet."""
    joining = of(memory, name)["joining"]
    return {host for host, services in joining.items() if service in services}


def join(memory, name, service, hosts):
    """Note hosts that have their part in a service's rotation."""

    def change(known):
        left = {
            host: [s for s in services if s != service or host not in hosts]
            for host, services in known["joining"].items()
        }
        return {
            "joining": {host: services for host, services in left.items() if services},
            "leaving": [host for host in known["leaving"] if host not in hosts],
        }

    if new(memory, name, service) & set(hosts):
        _change(memory, name, change)


def leave(memory, environment, hosts):
    """Note hosts on their way out: should they stay, they have to prove themselves."""
    services = list(environment.services)

    def change(known):
        return {
            "joining": {**known["joining"], **dict.fromkeys(hosts, services)},
            "leaving": sorted({*known["leaving"], *hosts}),
        }

    _change(memory, environment.name, change)


def retire(memory, name, hosts):
    """Note hosts that serve no more: balancers need not know them."""

    def change(known):
        addresses = {h: a for h, a in known["addresses"].items() if h not in hosts}
        prepared = [h for h in known["prepared"] if h not in hosts]
        return {"addresses": addresses, "prepared": prepared}

    _change(memory, name, change)


def listed(memory, environment):
    """
    Return the web hosts that balancers have to know.

    Of the environment's own and those beside them, those that were there once; where
    none was, they all count, so that lost records are noticed. Those that it has no
    more serve until somebody has drained them: a lower number in the definition does
    not.
    """
    known = of(memory, environment.name)
    there = {*known["prepared"], *known["addresses"]}
    left = [
        host
        for host, facts in surplus(memory, environment).items()
        if facts["role"] == "web" and host in known["prepared"]
    ]
    members = environment.members("web") if not known["prepared"] else []
    own = [h for h in environment.servers() if h in there or h in members]
    return own + sorted(left)


def forget(memory, name, hosts):
    """Forget hosts that are gone."""

    def change(known):
        made = {h: facts for h, facts in known["made"].items() if h not in hosts}
        return {**_without(known, hosts), "made": made}

    _change(memory, name, change)


def serving(memory, environment):
    """Return the hosts that this master made, and that were in rotation once."""
    known = of(memory, environment.name)
    return [
        host
        for host in known["prepared"]
        if host in known["made"]
        and (host in known["leaving"] or not _is_fresh(known, environment, host))
    ]


def _is_fresh(known, environment, host):
    """Tell whether a host has no part in any service's rotation yet."""
    return {*known["joining"].get(host, ())} >= {*environment.services} != set()


def surplus(memory, environment):
    """Return ``{host: {"profile", "role"}}`` of those that it has no more."""
    members = set(environment.everybody())
    made = of(memory, environment.name)["made"]
    return {host: facts for host, facts in made.items() if host not in members}


def _change(memory, name, change):
    memory.change_environment(name, lambda known: change({**_EMPTY, **known}))


def _without(known, hosts):
    """Return what is known of all others than the hosts."""
    return {
        **{
            fact: {h: v for h, v in known[fact].items() if h not in hosts}
            for fact in ("addresses", "joining")
        },
        **{
            fact: [h for h in known[fact] if h not in hosts]
            for fact in ("leaving", "prepared")
        },
    }
