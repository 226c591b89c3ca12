"""Two balancers with one address, which moves to whoever can answer."""

import time
import urllib.request

import pytest

from probe import Probe

pytestmark = pytest.mark.integration
_PAIR = """
    pair:
      hosts:
        web: {profile: local-small, count: 2}
        balancer: {profile: local-small, count: 2}
        tester: {profile: local-small, count: 1}
        builder: {profile: local-builder, count: 1}
      cidr: PREFIX.0/24
      virtual_address: PREFIX.250/24
      services:
        guestbook:
          listen: '*:80'
          settings: {GUESTBOOK_SECRET: only-for-this-demo}
          allow_writes: true
"""


@pytest.fixture(scope="module")
def pair(world):
    """The environment `pair`, with main released."""
    with world.beside("pair", _PAIR):
        yield world


def _url(world):
    return f"http://{world.lab.prefix}.250"


def _owner(world):
    """Return the balancer that has the address."""
    owners = [
        name
        for name in ("pair-balancer1", "pair-balancer2")
        if f"{world.lab.prefix}.250/"
        in world.inside(name, "ip", "-o", "address").stdout
    ]
    assert len(owners) == 1
    return owners[0]


def test_release_through_the_virtual_address_costs_no_request(pair):
    """Hosts are drained at both balancers; users of the address notice nothing."""
    with Probe(_url(pair)) as probe:
        code, record = pair.release("next", env="pair")
    assert code == 0, record
    assert not probe.tally.failed
    assert len(probe.tally.commits) == 2


def test_balancer_leaves_without_a_lost_request(pair):
    """A balancer that leaves gives its address away, and ends what it has begun."""
    owner = _owner(pair)
    with Probe(_url(pair)) as probe:
        time.sleep(1)
        left = pair.salt(owner, "balancer.leave", "timeout_s=30")[owner]
        time.sleep(1)
    assert isinstance(left, int)
    assert _owner(pair) != owner
    assert not probe.tally.failed
    pair.inside(owner, "systemctl", "start", "keepalived")
    time.sleep(3)
    assert _owner(pair) != owner


def test_address_moves_when_haproxy_dies(pair):
    """A balancer without HAProxy is the lesser one: the other answers soon."""
    owner = _owner(pair)
    pair.inside(owner, "systemctl", "stop", "haproxy")
    assert _answers_within(_url(pair), 10)
    assert _owner(pair) != owner
    pair.inside(owner, "systemctl", "start", "haproxy")


def test_new_balancer_takes_no_address_before_it_has_servers(pair):
    """A balancer made anew serves nobody untested, and is whole after a release."""
    owner = _owner(pair)
    other = {"pair-balancer1": "pair-balancer2"}.get(owner, "pair-balancer1")
    with Probe(_url(pair)) as probe:
        pair.lab.cloud().destroy([other])
        code, record = pair.release("next", env="pair")
        assert code == 0, record
        assert _owner(pair) == owner
    assert not probe.tally.failed
    [place] = pair.runner("status", "guestbook", "pair")[1]["status"]
    assert place["agree"]


def test_release_goes_back_when_a_balancer_is_lost(pair):
    """With one balancer of two gone nothing is switched, and the other serves on."""
    owner = _owner(pair)
    pair.lab.cloud().action(fun="kill", names=[owner])
    try:
        assert _answers_within(_url(pair), 10)
        code, record = pair.release("main", env="pair")
        assert (code, record["status"]) == (1, "bad")
        assert owner in record["reason"]
        assert _answers_within(_url(pair), 1)
    finally:
        pair.lab.cloud().action(fun="start", names=[owner])


def _answers_within(url, seconds):
    end = time.monotonic() + seconds
    while not (answers := _answers(url)) and time.monotonic() < end:
        time.sleep(0.1)
    return answers


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False
