"""
From a seed to a case: which commit is released, what breaks, and when.

Pure: the same seed is the same case everywhere.
"""

import random
from dataclasses import dataclass

WEB = ("demo-web1", "demo-web2", "demo-web3")
BALANCER, TESTER, BUILDER = "demo-balancer1", "demo-tester1", "demo-builder1"

#: What the releases's commit does.
COMMITS = {
    "good": "nothing wrong",
    "slow": "takes seconds to start",
    "crash": "does not start",
    "broken": "is healthy, and fails its suite",
    "last": "fails its suite on the last host",
    "sick": "turns unhealthy after its tests",
}
MAY_END_GOOD = {"good", "slow"}
NEVER_SERVED = {"crash", "broken"}
#: Those that take a host away from the network.
LOSSES = {"power", "cut", "freeze"}

_BUILD, _BYTES, _LAST = "building|built before", "hold the same bytes", "balancer  the"
_FAILED, _BACK = "   failed  ", "     back  "


def _host_steps(number):
    host = f"demo-web{number}: "
    words = ("out of rotation", "healthy at", "the suite passed", "back in rotation")
    return [host + word for word in words]


_ONE, _TWO, _THREE = (_host_steps(number) for number in (1, 2, 3))
_STEPS = {
    "good": [_BUILD, _BYTES, *_ONE, *_TWO, *_THREE, _LAST],
    "slow": [_BUILD, _BYTES, *_ONE, *_TWO, *_THREE, _LAST],
    "crash": [_BUILD, _BYTES, *_ONE[:1], _FAILED, _BACK],
    "broken": [_BUILD, _BYTES, *_ONE[:2], _FAILED, _BACK],
    "last": [_BUILD, _BYTES, *_ONE, *_TWO, *_THREE[:2], _FAILED, _BACK],
    "sick": [_BUILD, _BYTES, *_ONE, *_TWO[:1], _FAILED, _BACK],
}


@dataclass(frozen=True)
class Fault:
    """One thing that breaks: after the step ``at`` was said, ``delay_s`` later."""

    deed: str
    target: str
    at: str
    delay_s: float

    def __str__(self):
        where = f" of {self.target.removeprefix('demo-')}" if self.target else ""
        step = self.at.strip().removeprefix("demo-")
        return f"{self.deed}{where} at '{step}' +{self.delay_s:.1f}"


@dataclass(frozen=True)
class Case:
    """One run."""

    seed: int
    commit: str
    faults: tuple
    end: str

    @property
    def loses_a_host(self):
        """Whether a host that serves goes away."""
        return any(f.deed in LOSSES and f.target in WEB for f in self.faults)


def case(seed, without=()):
    """
    Return the :class:`Case` of a seed.

    without
        Deeds that are not to be had where it runs.
    """
    chance = random.Random(seed)
    commit = chance.choices([*COMMITS], weights=(10, 2, 2, 2, 2, 2))[0]
    many = chance.choices((0, 1, 2), weights=(2, 14, 4))[0]
    faults = [_fault(chance, commit, without) for _ in range(many)]
    ordered = sorted(faults, key=lambda fault: _STEPS[commit].index(fault.at))
    return Case(seed, commit, tuple(ordered), chance.choice(("resume", "abort")))


def _fault(chance, commit, without):
    if commit == "sick":
        # With a host less nothing might be left that is well.
        without = (*without, *LOSSES)
    deed = chance.choice([d for d in _DEEDS if d not in without])
    at = chance.choice(_STEPS[commit])
    if deed == "disk":
        at = _BUILD
    return Fault(deed, chance.choice(_DEEDS[deed]), at, round(chance.uniform(0, 1), 1))


#: What can break, and where.
_DEEDS = {
    "service": WEB,
    "minion": (*WEB, BALANCER, TESTER),
    "power": (*WEB, TESTER, BUILDER),
    "cut": WEB,
    "freeze": (*WEB, TESTER),
    "disk": WEB,
    "master": ("",),
    "runner": ("",),
    "second": ("",),
}
