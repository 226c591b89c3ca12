"""A release's world: real records, store and digests, and a fleet that is data."""

# ruff: noqa: ARG005 -- fakes take what the real ones take

import salt.config
from fake_fleet import NEW, Fleet

from holodeck import definition
from holodeck_master import pillar, records, release, world

HASHED = "pytest==1 --hash=sha256:00"
ORDER = {"user": "root"}


def defined(batch=1, greeting="hello"):
    """Return the definition of one service on three hosts."""
    return definition.parse(
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
                        "web": {"profile": "small", "count": 3},
                        "balancer": {"profile": "small", "count": 1},
                        "tester": {"profile": "small", "count": 1},
                        "builder": {"profile": "small", "count": 1},
                    },
                    "services": {
                        "guestbook": {
                            "listen": "*:80",
                            "settings": {"GREETING": greeting},
                            "rollout": {"batch": batch},
                        }
                    },
                }
            },
        }
    )


def opened(root, batch=1, greeting="hello"):
    """Return a :class:`holodeck_master.world.World` whose fleet is data."""
    opts = salt.config.master_config(None)
    store = root / "holodeck" / "store"
    opts = {**opts, "cachedir": str(root), "file_roots": {"base": [str(store)]}}
    memory = records.Records(opts)
    rules = defined(batch, greeting)
    placed = rules.placement("guestbook", "demo")
    members = placed[1].all_members()
    memory.keep_environment(
        "demo",
        prepared=members,
        addresses={host: f"10.0.0.{n}" for n, host in enumerate(members)},
    )
    return world.World(
        opts=opts,
        definition=rules,
        records=memory,
        fleet=Fleet(root, lambda: config_of(memory, rules)),
        cloud=None,
        say=lambda phase, message: None,
        pack="p",
        tester_lock=HASHED,
    )


def config_of(memory, rules):
    """Return the digest of the service's configuration, as the master has it."""
    service, _, placement = rules.placement("guestbook", "demo")
    return pillar.config_digest(memory, service, placement)


def started(world, commit=NEW):
    """Release a commit; return the record."""
    return release.release(world, "guestbook", "demo", commit, ORDER)


def newest(world):
    """Return the newest record."""
    return world.records.history("guestbook", "demo")[0]


def steps(world):
    """Return the steps that touched hosts, one line."""
    kept = [s for s in world.fleet.steps if not s.startswith(("build", "resolve"))]
    return "; ".join(kept)
