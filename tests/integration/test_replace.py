"""New hosts in the old ones' place, on real hosts behind a balancer under load."""

import subprocess

import pytest

from probe import Probe

pytestmark = pytest.mark.integration
_SWAP = """
    swap:
      hosts:
        web: {profile: local-small, count: 2}
        balancer: {profile: local-small, count: 1}
        tester: {profile: local-small, count: 1}
        builder: {profile: local-builder, count: 1}
      cidr: PREFIX.0/24
      services:
        guestbook:
          listen: '*:80'
          settings: {GUESTBOOK_SECRET: only-for-this-demo}
          allow_writes: true
          rollout: {strategy: replace, kept_s: 3600, suite_s: 120}
"""
_FIRST, _SECOND = ["swap-web1", "swap-web2"], ["swap-web3", "swap-web4"]


@pytest.fixture(scope="module")
def swap(world):
    """The environment `swap`, with main released onto its first hosts."""
    with world.beside("swap", _SWAP):
        yield world


def _url(world):
    return f"http://{world.lab.nodes()['swap-balancer1']['private_ips'][0]}"


def _place(world):
    [place] = world.runner("status", "guestbook", "swap")[1]["status"]
    assert place["agree"], place
    return place


def _hosts(world):
    return [row["host"] for row in _place(world)["hosts"]]


def _web(world):
    """Return the web machines that there are."""
    return sorted(name for name in world.lab.nodes() if name.startswith("swap-web"))


def _nothing_is_left(world):
    code, found = world.runner("check", "swap")
    assert code == 0, found


def test_bad_commit_never_gets_to_the_old_hosts(swap):
    """What fails its suite fails on hosts of its own, which are gone afterwards."""
    with Probe(_url(swap)) as probe:
        code, record = swap.release("broken", env="swap")
    assert (code, record["status"]) == (1, "bad")
    assert record["back"] == dict.fromkeys(_SECOND, "is destroyed")
    assert not probe.tally.failed
    assert set(probe.tally.commits) == {swap.commit("main")}
    assert (_hosts(swap), _web(swap)) == (_FIRST, _FIRST)
    _nothing_is_left(swap)


def test_replacement_costs_no_request(swap):
    """New hosts take the traffic over, and the old ones stay as they are, unused."""
    with Probe(_url(swap)) as probe:
        code, record = swap.release("next", env="swap")
    assert code == 0, record
    assert not probe.tally.failed
    assert set(probe.tally.commits) == {swap.commit("main"), swap.commit("next")}
    assert (_hosts(swap), _web(swap)) == (_SECOND, [*_FIRST, *_SECOND])
    assert _place(swap)["kept"]["hosts"] == _FIRST
    _nothing_is_left(swap)


def test_highstate_leaves_every_host_at_its_release(swap):
    """Kept hosts stay at the old commit, current ones at the new; nothing changes."""
    for states in swap.salt("swap-*", "state.apply").values():
        assert [s["comment"] for s in states.values() if not s["result"]] == []
        assert [s["changes"] for s in states.values() if s["changes"]] == []
    commits = {
        host: status["services"]["guestbook"]["running"]
        for host, status in swap.salt("swap-web*", "webapp.status").items()
    }
    assert commits == {
        **dict.fromkeys(_FIRST, swap.commit("main")),
        **dict.fromkeys(_SECOND, swap.commit("next")),
    }


def test_rollback_to_kept_hosts_costs_no_request(swap):
    """Going back is a swap: no host is made, and no process started."""
    before = swap.salt("swap-web*", "webapp.status")
    with Probe(_url(swap)) as probe:
        code, data = swap.runner("rollback", "guestbook", "env=swap")
    assert code == 0, data
    assert not probe.tally.failed
    assert (_hosts(swap), _web(swap)) == (_FIRST, [*_FIRST, *_SECOND])
    after = swap.salt("swap-web*", "webapp.status")
    for host in _FIRST:
        pids = [s[host]["services"]["guestbook"]["pids"] for s in (before, after)]
        assert pids[0] == pids[1]


def test_killed_in_the_middle_of_the_swap_is_resumed(swap):
    """With the runner gone all requests are answered, and one command finishes it."""
    running = subprocess.Popen(
        [swap.lab.home / "bin/salt-run", "holodeck.release", "guestbook",
         f"commit={swap.commit('next')}", "env=swap"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    with Probe(_url(swap)) as probe:
        for line in running.stdout:
            if ": in rotation" in line:
                break
        running.kill()
        running.wait()
        running.stdout.close()
        code, data = swap.runner("resume", "guestbook", "env=swap")
    assert code == 0, data
    assert not probe.tally.failed
    assert _hosts(swap) == _SECOND
    assert _place(swap)["release"]["commit"] == swap.commit("next")
    _nothing_is_left(swap)


def test_expire_destroys_kept_hosts_when_their_time_is_over(swap):
    """They go from the balancers' lists and from the machine; nobody notices."""
    example = swap.lab.home / "pillar/holodeck/example.sls"
    text = example.read_text()
    assert swap.runner("expire")[1]["expire"] == []
    example.write_text(text.replace("kept_s: 3600", "kept_s: 1"))
    try:
        with Probe(_url(swap)) as probe:
            assert swap.runner("expire")[1]["expire"] == _FIRST
    finally:
        example.write_text(text)
    assert not probe.tally.failed
    assert (_hosts(swap), _web(swap)) == (_SECOND, _SECOND)
    config = swap.inside("swap-balancer1", "cat", "/etc/haproxy/haproxy.cfg").stdout
    assert "swap-web1" not in config
    _nothing_is_left(swap)
