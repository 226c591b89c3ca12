"""
From a name to a case: which commit is released, what breaks, and when.

A number is a seed for chance; ``runner-07`` kills the runner at the seventh step. Pure:
the same name is the same case everywhere.
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

START = "the start"
_BUILD, _BYTES, _LAST = "building|built before", "hold the same bytes", "balancer  the"
_FAILED, _BACK = "   failed  ", "     back  "


_FIRST = (START, _BUILD, _BYTES)


def _host_steps(number):
    host = f"demo-web{number}: "
    words = ("out of rotation", "healthy at", "the suite passed", "back in rotation")
    return [host + word for word in words]


_ONE, _TWO, _THREE = (_host_steps(number) for number in (1, 2, 3))
_STEPS = {
    "good": [*_FIRST, *_ONE, *_TWO, *_THREE, _LAST],
    "slow": [*_FIRST, *_ONE, *_TWO, *_THREE, _LAST],
    "crash": [*_FIRST, *_ONE[:1], _FAILED, _BACK],
    "broken": [*_FIRST, *_ONE[:2], _FAILED, _BACK],
    "last": [*_FIRST, *_ONE, *_TWO, *_THREE[:2], _FAILED, _BACK],
    "sick": [*_FIRST, *_ONE, *_TWO[:1], _FAILED, _BACK],
}
# Every step that a release says, each once.
_EVERY = [("good", step) for step in _STEPS["good"]]
_EVERY += [(commit, s) for commit in ("broken", "last") for s in (_FAILED, _BACK)]
# What is killed at every step, and where.
_KILLS = {
    "service": "demo-web2", "minion": "demo-web2", "builder": BUILDER, "master": "",
    "runner": "",
}  # fmt: skip
# By how much the runner's clock may be wrong, in seconds.
_SKEWS = (0, 0, 0, 0, 0, -3600, 3600)


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

    name: str
    commit: str
    faults: tuple
    end: str
    skew_s: int = 0

    @property
    def loses_a_host(self):
        """Whether a host that serves goes away."""
        return any(f.deed in LOSSES and f.target in WEB for f in self.faults)


def every_step():
    """Return the names of the cases that kill each process at each step."""
    return [f"{k}-{number:02d}" for k in _KILLS for number in range(len(_EVERY))]


def case(name):
    """Return the :class:`Case` of a name: a seed, or a kill and a step's number."""
    kill, _, number = str(name).partition("-")
    if number:
        return _kill(kill, int(number))
    chance = random.Random(int(name))
    commit = chance.choices([*COMMITS], weights=(10, 2, 2, 2, 2, 2))[0]
    many = chance.choices((0, 1, 2), weights=(2, 14, 4))[0]
    faults = [_fault(chance, commit) for _ in range(many)]
    ordered = sorted(faults, key=lambda fault: _STEPS[commit].index(fault.at))
    end = chance.choice(("resume", "abort"))
    return Case(str(name), commit, tuple(ordered), end, chance.choice(_SKEWS))


def _kill(kill, number):
    commit, at = _EVERY[number]
    deed = "minion" if kill == "builder" else kill
    end = "abort" if number % 2 else "resume"
    # The runner has read the definition by then.
    fault = Fault(deed, _KILLS[kill], at, 1.0 if at == START else 0.0)
    return Case(f"{kill}-{number:02d}", commit, (fault,), end)


def _fault(chance, commit):
    deed = chance.choice([*_DEEDS])
    at = chance.choice(_STEPS[commit])
    if deed == "disk" or (deed, at) == ("second", START):
        # Of two that start at once either may be the first.
        at = _BUILD
    return Fault(deed, chance.choice(_DEEDS[deed]), at, round(chance.uniform(0, 1), 1))


#: What can break, and where.
_DEEDS = {
    "service": WEB,
    "minion": (*WEB, BALANCER, TESTER, BUILDER),
    "clock": WEB,
    "power": (*WEB, TESTER, BUILDER),
    "cut": WEB,
    "freeze": (*WEB, TESTER),
    "disk": WEB,
    "master": ("",),
    "runner": ("",),
    "second": ("",),
}
