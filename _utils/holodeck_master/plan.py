"""Which service goes where, by which rules."""

from dataclasses import dataclass

from holodeck import model
from holodeck_io.errors import HolodeckError


@dataclass(frozen=True)
class Plan:
    """A service, an environment, and the one in the other."""

    service: model.Service
    environment: model.Environment
    placement: model.Placement

    @property
    def rules(self):
        """The times and sizes of the rollout."""
        return self.placement.rollout

    @property
    def key(self):
        """The service's and the environment's name."""
        return self.service.name, self.environment.name


def plan_for(world, service, environment):
    """Return the :class:`Plan`; raise when the definition has no such place."""
    try:
        return Plan(*world.definition.placement(service, environment))
    except model.InvalidDefinitionError as error:
        raise HolodeckError(str(error)) from error
