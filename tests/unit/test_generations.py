"""Which web hosts are current, and which are beside them."""

import pytest

from holodeck import generations, names
from holodeck.model import Definition, Environment, Hosts, Placement

_INCOMING = {"numbers": [4, 5], "old": [1, 2], "release": "g.demo.2", "kept": None}
_KEPT = {"numbers": [1, 2], "release": "g.demo.1", "since": "2026-11-26T22:00:00Z"}


def _environment(**web):
    hosts = {
        "web": Hosts(**(web or {"profile": "small", "count": 2})),
        "balancer": Hosts(profile="small", count=1),
    }
    return Environment("demo", hosts, {"g": Placement("g")})


@pytest.mark.parametrize(
    ("taken", "numbers"),
    [
        ([], [1, 2, 3]), ([1, 2, 3], [4, 5, 6]), ([4, 5, 6], [1, 2, 3]),
        ([2], [3, 4, 5]), ([1, 5, 9], [2, 3, 4]), ([3, 4], [5, 6, 7]),
    ],
)  # fmt: skip
def test_free_takes_the_lowest_numbers_in_a_row(taken, numbers):
    """No number of a machine that exists is given to another."""
    assert generations.free(3, taken) == numbers


def test_placed_counts_from_the_generations_first():
    """Current hosts have its numbers, and count as many as the definition says."""
    found = generations.placed(_environment(), {"first": 4})
    assert found.members("web") == ["demo-web4", "demo-web5"]
    assert found.profiles()["demo-web4"] == "small"
    assert found.role_of("demo-web1") is None


@pytest.mark.parametrize(
    "generation",
    [{"first": 4, "kept": _KEPT}, {"incoming": _INCOMING}],
    ids=["kept", "incoming"],
)
def test_placed_knows_the_hosts_beside(generation):
    """They are web hosts that balancers list, in one order, and are no members."""
    found = generations.placed(_environment(), generation)
    four = ["demo-web1", "demo-web2", "demo-web4", "demo-web5"]
    assert found.servers() == four
    assert {found.role_of(host) for host in four} == {"web"}
    assert len(found.members("web")) == 2
    assert set(found.everybody()) == {*four, "demo-balancer1"}


@pytest.mark.parametrize(
    "web",
    [{"ids": ("w1", "w2")}, {"profile": "p", "count": 1, "each": ({"ssh_host": "h"},)}],
    ids=["ids", "each"],
)
def test_placed_leaves_hosts_that_are_named_one_by_one(web):
    """Where the definition names machines, no earlier generation counts."""
    environment = _environment(**web)
    found = generations.placed(environment, {"first": 4, "kept": _KEPT})
    assert found == environment
    assert not generations.can_be_replaced(environment)


def test_members_are_none_of_those_beside():
    """A count that grows into their numbers has to wait until they are gone."""
    environment = _environment(profile="small", count=4)
    found = generations.placed(environment, {"incoming": _INCOMING})
    assert found.members("web") == ["demo-web1", "demo-web2", "demo-web3"]


def test_turned_swaps_members_and_those_beside():
    """The same hosts, seen from the other side; balancers' lists stay the same."""
    current = generations.placed(_environment(), {"first": 4, "kept": _KEPT})
    found = generations.turned(current, [1, 2])
    assert found.members("web") == ["demo-web1", "demo-web2"]
    assert found.servers() == current.servers()
    assert generations.turned(found, [4, 5]) == current


def test_promoted_keeps_those_that_were_replaced():
    """Incoming hosts are current, the old ones kept at what they run, since then."""
    record = {"previous": "g.demo.1", "ended": _KEPT["since"]}
    found = generations.promoted({"first": 1, "incoming": _INCOMING}, record)
    assert found == {"first": 4, "kept": _KEPT}


def test_without_forgets_who_is_gone():
    """Of what is left nobody is lost, and what is empty is no more."""
    generation = {"first": 4, "incoming": _INCOMING, "kept": _KEPT}
    found = generations.without(generation, "demo", {"demo-web1", "demo-web2"})
    assert found == {"first": 4, "incoming": _INCOMING}
    found = generations.without(found, "demo", ["demo-web5"])
    assert found["incoming"]["numbers"] == [4]


def test_until_is_written_as_records_write_times():
    """The time over which hosts are kept ends so many seconds after the swap."""
    assert generations.until(_KEPT, 3600) == "2026-11-26T23:00:00Z"
    assert generations.until(_KEPT, 0) == _KEPT["since"]


def test_numbers_of_an_environments_hosts_alone():
    """Also where its own name looks like a role, and beside odd names."""
    odd = ["web-web12", "web-web", "web-webx", "web-web1x", "web2", "other-web3"]
    assert names.host_numbers("web", "web", odd) == {12}


def test_applied_leaves_environments_without_a_generation():
    """A generation is of one environment alone."""
    definition = Definition({}, {"demo": _environment(), "other": _environment()})
    found = generations.applied(definition, {"demo": {"first": 3}, "gone": {}})
    assert found.environments["demo"].members("web")[0] == "demo-web3"
    assert found.environments["other"] == _environment()


def test_leaving_remembers_who_is_still_to_go():
    """They have their numbers until they are gone."""
    generation = {"first": 4, "kept": _KEPT}
    found = generations.leaving(generation, "demo", ["demo-web1", "demo-web2", "x"])
    assert found == {"first": 4, "going": {"numbers": [1, 2]}}
    assert generations.leaving(found, "demo", ["demo-web9"]) == found
    assert generations.placed(_environment(), found).hosts["web"].beside == (1, 2)
    gone = {"demo-web1", "demo-web2"}
    assert generations.without(found, "demo", gone) == {"first": 4}
