"""Which service goes where, by which rules."""

import dataclasses
from dataclasses import dataclass

from holodeck import model
from holodeck_io.errors import HolodeckError


class RefusedReleaseError(HolodeckError):
    """Nothing was begun, so there is nothing to record."""


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

    def at_once(self):
        """
        Return the same plan for all hosts at once, as far as the floor allows.

        Without the contract, which it may have been released before, and without a look
        at how fast it answers: whoever goes back has other reasons.
        """
        rules = dataclasses.replace(
            self.rules, batch=("100%",), hold_s=0, min_healthy_s=0
        )
        return dataclasses.replace(
            self,
            service=dataclasses.replace(self.service, contract={}),
            placement=dataclasses.replace(
                self.placement, rollout=rules, tests=self._ungated()
            ),
        )

    def _ungated(self):
        return dataclasses.replace(self.placement.tests, latency_factor=0.0)


def plan_for(world, service, environment):
    """Return the :class:`Plan`; raise when the definition has no such place."""
    try:
        return Plan(*world.definition.placement(service, environment))
    except model.InvalidDefinitionError as error:
        raise HolodeckError(str(error)) from error
