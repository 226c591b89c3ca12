"""The environments that pushes have made, destroyed in time."""

import time

from holodeck_io.errors import HolodeckError
from holodeck_master import environments, locks
from holodeck_master.registry import Registry

_HOUR_S = 3600


def destroy(world, desk, name):
    """
    Destroy an environment that a push has made; tell whether it is gone.

    One that is released, or for which a push waits, stays.
    """
    registry, environment = Registry(world.opts), world.definition.environments[name]
    keys = [(service, name) for service in environment.services]
    if any(desk.waits(key) or locks.is_held(world.opts, *key) for key in keys):
        return False
    environments.destroy(world, environment)
    with registry.held():
        # Who pushed meanwhile gets it anew.
        if not any(map(desk.waits, keys)):
            registry.drop(name)
    world.say("destroy", f"{name} is gone")
    return True


def expire(world, desk, now=None):
    """
    Destroy the environments of pushes whose time is over; return their names.

    Those whose template left the definition are named by an error, after the others:
    nobody knows their hosts any more.
    """
    now, gone, lost = now or time.time(), [], []
    for name, facts in Registry(world.opts).all().items():
        template = world.definition.templates.get(facts["template"])
        if template is None:
            lost.append(name)
            continue
        over = now - facts["since"] > template.ephemeral["hours"] * _HOUR_S
        if over and destroy(world, desk, name):
            gone.append(name)
    if lost:
        raise HolodeckError(
            f"Environments {', '.join(lost)}: their template has left the definition; "
            "bring it back, so that their hosts can be destroyed."
        )
    return gone
