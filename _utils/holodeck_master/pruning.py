"""What nothing needs any more, removed from hosts and from the store."""

from holodeck import spec
from holodeck_io.errors import HolodeckError
from holodeck_master import records, stages

# The store keeps the packages of more releases than the hosts do.
_STORED = 3


def prune(world, plan):
    """Remove it after a good release; a failure here is said, and no more."""
    kept = _usable(world, *plan.key)[: plan.rules.keep]
    try:
        stages.prune(world, plan.environment, plan.service.name, kept)
        _prune_store(world)
    except (HolodeckError, OSError) as error:
        world.say("prune", str(error))


def _usable(world, service, environment):
    """Return the records that can be gone back to, newest first."""
    return [
        record
        for record in world.records.history(service, environment)
        if record["status"] in {records.GOOD, records.ROLLED_BACK}
    ]


def _prune_store(world):
    """Keep the packages of the releases that can still be gone back to."""
    needed = {
        artefact["sha256"]
        for environment in world.definition.environments.values()
        for service, placement in environment.services.items()
        for record in _usable(world, service, environment.name)[
            : _STORED * placement.rollout.keep
        ]
        for part in ("bundle", "suite")
        if record.get(part)
        for artefact in spec.artefacts(record[part])
    }
    world.store.prune(needed)
