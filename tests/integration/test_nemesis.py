"""A few cases of the nemesis; `tests/nemesis` runs as many as one likes."""

import pytest

from faults import case, plan

pytestmark = pytest.mark.integration
# A commit that does not start and a second release; a master, a runner, a service
# killed; a host without power.
_SEEDS = (4, 5, 7, 8, 11)


@pytest.mark.parametrize("seed", _SEEDS)
def test_what_must_hold_holds_whatever_breaks(at_main, seed):
    """Status, record and highstate agree, users met nothing bad, and lost nothing."""
    seen = case.run(at_main, plan.case(seed))
    assert seen.violations == [], "\n".join(seen.said)


def test_case_is_the_same_for_the_same_seed():
    """What a seed found can be looked at again."""
    assert [plan.case(seed) for seed in range(50)] == [
        plan.case(seed) for seed in range(50)
    ]
    assert len({str(plan.case(seed)) for seed in range(50)}) > 40


def test_cases_cover_every_deed_and_commit():
    """A run of the usual length meets every kind of commit and of fault."""
    cases = [plan.case(seed) for seed in range(1, 61)]
    assert {one.commit for one in cases} == set(plan.COMMITS)
    deeds = {fault.deed for one in cases for fault in one.faults}
    assert deeds == {
        "service", "minion", "power", "cut", "freeze", "disk", "clock", "master",
        "runner", "second",
    }  # fmt: skip
