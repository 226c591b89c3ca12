"""A release's world: real records, store and digests, and a fleet that is data."""

# ruff: noqa: ARG005 -- fakes take what the real ones take

import dataclasses
from pathlib import Path

import salt.config
from fake_fleet import NEW, OLD, Fleet, Host

from holodeck import definition as documents
from holodeck_master import pillar, records, release, world

_TEXTS = Path(__file__).parents[2] / "salt/holodeck/files"
ORDER = {"user": "root"}


def defined(greeting="hello", count=3, balancers=1, **rules):
    """Return the definition of one service on three hosts, or on ``count``."""
    return documents.parse(
        {
            "services": {
                "guestbook": {
                    "repository": "git://example.org/guestbook.git",
                    "processes": {"web": "gunicorn app"},
                    "port": 8000,
                    "suite": "tests/http",
                }
            },
            "environments": {
                "demo": {
                    "hosts": {
                        "web": {"profile": "small", "count": count},
                        "balancer": {"profile": "small", "count": balancers},
                        "tester": {"profile": "small", "count": 1},
                        "builder": {"profile": "small", "count": 1},
                    },
                    "services": {
                        "guestbook": {
                            "listen": "*:80",
                            "settings": {"GREETING": greeting},
                            "rollout": rules,
                        }
                    },
                }
            },
        }
    )


def opened(root, greeting="hello", count=3, balancers=1, **rules):
    """
    Return a :class:`holodeck_master.world.World` whose fleet is data.

    ``rules`` are those of the rollout.
    """
    opts = salt.config.master_config(None)
    store = root / "holodeck" / "store"
    opts = {**opts, "cachedir": str(root), "file_roots": {"base": [str(store)]}}
    opts |= {"pki_dir": str(root / "pki"), "sock_dir": str(root / "run")}
    opts["conf_file"] = str(root / "master")
    memory = records.Records(opts)
    definition = defined(greeting, count, balancers, **rules)
    placed = definition.placement("guestbook", "demo")
    members = placed[1].all_members()
    memory.keep_environment(
        "demo",
        prepared=members,
        addresses={host: f"10.0.0.{n}" for n, host in enumerate(members)},
    )
    return world.World(
        opts=opts,
        definition=definition,
        records=memory,
        fleet=Fleet(
            root,
            lambda: config_of(memory, definition),
            hosts={name: Host() for name in placed[1].members("web")},
        ),
        cloud=None,
        say=lambda phase, message: None,
        pack="p",
        texts=_TEXTS,
        announce=lambda tag, facts: None,
    )


def config_of(memory, definition):
    """Return the digest of the service's configuration, as the master has it."""
    service, _, placement = definition.placement("guestbook", "demo")
    return pillar.config_digest(memory, service, placement)


def started(world, commit=NEW):
    """Release a commit; return the record."""
    return release.release(world, "guestbook", "demo", commit, ORDER)


def newest(world):
    """Return the newest record."""
    return world.records.history("guestbook", "demo")[0]


def steps(world, but=()):
    """Return the steps that touched hosts, one line; those of some verbs left out."""
    verbs = {"build", "resolve", *but}
    return "; ".join(s for s in world.fleet.steps if s.split()[0] not in verbs)


def served(root, count=3, balancers=1, **rules):
    """Return a world with ``old`` in service, and rules for what comes next."""
    world = opened(root, count=count, balancers=balancers)
    assert started(world, OLD)["status"] == "good"
    world.fleet.steps.clear()
    world.fleet.in_service = count > 1
    definition = defined(count=count, balancers=balancers, **rules)
    return dataclasses.replace(world, definition=definition)


def hearing(world, word, deed):
    """Return a world that does a deed when a message with that word is said; once."""

    def say(phase, message):
        world.say(phase, message)
        if word in message and not done:
            done.append(message)
            deed()

    done = []
    return dataclasses.replace(world, say=say)


def drained(world):
    """Return the hosts of each drain."""
    return [s.removeprefix("drain ") for s in world.fleet.steps if s.startswith("dra")]
