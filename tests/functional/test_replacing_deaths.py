"""A replacement whose runner dies at any step: finished forth, or back, by one call."""

import pytest
from fake_cloud import by, replacing
from fake_fleet import NEW, OLD, THIRD, Killed
from fake_world import ORDER, defined, hearing, newest, started

from holodeck_io.errors import HolodeckError
from holodeck_master import keeping, orphans, records, release, scaling

_OLD = ["demo-web1", "demo-web2", "demo-web3"]
_NEW = ["demo-web4", "demo-web5", "demo-web6"]
_KEY = ("guestbook", "demo")
# What a release does that can be seen from outside: a minion's step, a machine made or
# destroyed, a write to the records.
_FORTH, _AGAIN, _BACK, _ROLLBACK = 41, 50, 16, 26


class _Fuse:
    """Ends the runner before its step of that number."""

    def __init__(self, world, monkeypatch, at):
        self._fleet, self._at, self.seen = world.fleet, at, []
        keep = records.Records._keep

        def mortal(memory, bank, key, value):
            self.burn(f"keep {bank}")
            keep(memory, bank, key, value)

        world.fleet.fuse = self.burn
        monkeypatch.setattr(records.Records, "_keep", mortal)

    def burn(self, step):
        """Note a step, or end here."""
        if self._fleet.dead:
            raise Killed
        self.seen.append(step)
        if len(self.seen) == self._at:
            self._fleet.dead = True
            raise Killed


def _killed(world, at, work):
    """Do the work, and end it before that step; return all steps that it began."""
    with pytest.MonkeyPatch.context() as patch:
        fuse = _Fuse(world, patch, at)
        try:
            work()
        except Killed:
            pass
        finally:
            world.fleet.dead, world.fleet.fuse = False, lambda _: None
    return fuse.seen


def _release(world, commit=NEW):
    return started(world.present(), commit)


def _check(world, commit):
    """The commit serves alone, on current hosts; no other machine is left."""
    fleet, demo = world.fleet, world.present().definition.environments["demo"]
    current = demo.members("web")
    assert {n for n, host in fleet.hosts.items() if host.rotation} == {*current}
    assert {fleet.hosts[name].commit for name in current} == {commit}
    assert world.cloud.web == {*current, *keeping.hosts(world, demo)}
    assert orphans.find(world.present()) == ([], [])
    assert fleet.dangers == []
    assert world.records.unfinished(*_KEY) is None
    for host in sorted(world.cloud.web):
        fleet.highstate(host)
    assert {fleet.hosts[name].commit for name in current} == {commit}
    assert fleet.dangers == []


def test_every_step_is_looked_at(tmp_path):
    """The numbers below are those of all steps that there are."""
    world = replacing(tmp_path)
    forth = _killed(world, 0, lambda: _release(world))
    rolled = _killed(world, 0, lambda: _rollback(world))
    failed = _failed(tmp_path)
    failed = failed[failed.index("suite balancer1") + 1 :]
    again = _killed(world, 0, lambda: _release(world, THIRD))
    seen = tuple(map(len, (forth, again, failed, rolled)))
    assert seen == (_FORTH, _AGAIN, _BACK, _ROLLBACK)


@pytest.mark.parametrize("at", range(1, _FORTH + 1))
def test_resume_finishes_a_replacement(tmp_path, at):
    """Wherever it was, the new hosts serve in the end, and the old ones are kept."""
    world = replacing(tmp_path)
    _killed(world, at, lambda: _release(world))
    if newest(world)["status"] == "running":
        assert release.resume(world.present(), *_KEY)["status"] == "good"
    if newest(world)["commit"] == OLD:
        # It had not begun.
        _check(world, OLD)
        return
    assert len(world.records.history(*_KEY)) == 2
    _check(world, NEW)
    assert keeping.hosts(world, world.present().definition.environments["demo"]) == _OLD
    assert _release(world)["unchanged"]


def _replaced(tmp_path):
    """Return a world whose hosts were replaced once, and the old ones kept."""
    world = replacing(tmp_path)
    assert _release(world, THIRD)["status"] == "good"
    return world


@pytest.mark.parametrize("at", range(1, _AGAIN + 1))
@pytest.mark.parametrize("verb", ["resume", "abort", "release"])
def test_dead_replacement_of_the_next_generation(tmp_path, at, verb):
    """Each way out leaves one release serving, also where kept hosts were to go."""
    world = _replaced(tmp_path)
    _killed(world, at, lambda: _release(world))
    wanted = newest(world)["commit"]
    if verb == "release":
        record = _release(world, OLD)
        assert record["status"] == "good", record["reason"]
        wanted = OLD
    elif newest(world)["status"] == "running" and verb == "resume":
        assert release.resume(world.present(), *_KEY)["status"] == "good"
    elif newest(world)["status"] == "running":
        record = release.abort(world.present(), *_KEY, "ann")
        assert (record["status"], record["away"]) == ("aborted", [])
        wanted = THIRD
    _check(world, wanted)


@pytest.mark.parametrize("at", range(1, _BACK + 1))
def test_resume_of_a_way_back(tmp_path, at):
    """What had failed goes on going back."""
    world = replacing(tmp_path)
    world.fleet.faults["suite balancer1"] = "it broke"
    steps = _failed(tmp_path).index("suite balancer1") + 1
    _killed(world, steps + at, lambda: _release(world))
    if newest(world)["status"] == "running":
        record = release.resume(world.present(), *_KEY)
        if record["status"] == "good":
            # Nobody knew yet that it had failed.
            assert at == 1
            return
        assert record["status"] == "bad"
        assert "it broke" in record["reason"]
    _check(world, OLD)


def _failed(tmp_path):
    """Return the steps of a release that fails through the balancer."""
    world = replacing(tmp_path / "measured")
    world.fleet.faults["suite balancer1"] = "it broke"
    return _killed(world, 0, lambda: _release(world))


def _rollback(world):
    return release.rollback(world.present(), *_KEY, "", ORDER)


@pytest.mark.parametrize("at", range(1, _ROLLBACK + 1))
@pytest.mark.parametrize("verb", ["resume", "abort", "release", "rollback"])
def test_dead_rollback_to_kept_hosts(tmp_path, at, verb):
    """Wherever a swap back was, each way out of it ends with one release serving."""
    world = replacing(tmp_path)
    _release(world)
    _killed(world, at, lambda: _rollback(world))
    wanted = OLD
    if verb == "release":
        _release(world, THIRD)
        wanted = THIRD
    elif newest(world)["status"] == "running":
        wanted = OLD if verb == "resume" else NEW
        if verb == "resume":
            assert release.resume(world.present(), *_KEY)["status"] == "good"
        elif verb == "abort":
            assert release.abort(world.present(), *_KEY, "ann")["away"] == []
        else:
            assert _rollback(world)["status"] == "good"
    elif newest(world)["kind"] == "release":
        wanted = NEW
    _check(world, wanted)


def test_release_of_what_serves_undoes_a_dead_replacement(tmp_path):
    """That the old commit serves is not enough where the new one does too."""
    world = replacing(tmp_path)
    _kill_at(world, "drain web1 web2 web3")
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert _release(world, OLD)["status"] == "good"
    _check(world, OLD)


def _kill_at(world, step, work=_release):
    world.fleet.faults[step] = Killed()
    with pytest.raises(Killed):
        work(world)
    world.fleet.dead = False


def test_rollback_home_leaves_kept_hosts_of_the_same_release(tmp_path):
    """What goes home goes to the hosts that serve, whoever else could."""

    def again(place):
        world = replacing(tmp_path / place)
        world.fleet.hosts["demo-web2"].rotation = False
        assert _release(world, OLD)["status"] == "good"
        return world

    world = again("measured")
    seen = _killed(world, 0, lambda: _release(world))
    begun = seen.index("keep holodeck/releases/demo/guestbook") + 1
    world = again("killed")
    _killed(world, begun + 1, lambda: _release(world))
    assert newest(world)["status"] == "running"
    record = _rollback(world)
    assert record["status"] == "good", record["reason"]
    assert world.present().definition.environments["demo"].members("web") == _NEW
    _check(world, OLD)


def test_replacement_after_a_dead_release_in_place(tmp_path):
    """Hosts that were left mixed are replaced like any others."""
    world = by(replacing(tmp_path), defined())
    _kill_at(world, "switch web2 new")
    world = by(world, defined(strategy="replace"))
    assert _release(world, THIRD)["status"] == "good"
    _check(world, THIRD)


def test_failed_replacement_after_a_dead_release_in_place(tmp_path):
    """Hosts that were left mixed go home, as after any failure."""
    world = by(replacing(tmp_path), defined())
    _kill_at(world, "switch web2 new")
    world = by(world, defined(strategy="replace"))
    world.fleet.faults["suite web4 web5 web6"] = "it broke"
    assert _release(world, THIRD)["away"] == []
    _check(world, OLD)


@pytest.mark.parametrize("step", ["suite web4 web5 web6", "suite balancer1"])
def test_release_in_place_after_a_dead_replacement(tmp_path, step):
    """The replacement is undone first, whatever the definition wants by now."""
    world = replacing(tmp_path)
    _kill_at(world, step)
    world = by(world, defined())
    assert _release(world, THIRD)["status"] == "good"
    assert world.cloud.web == {*_OLD}
    _check(world, THIRD)


def test_resume_goes_on_as_it_began(tmp_path):
    """Another strategy is for the next release."""
    world = replacing(tmp_path)
    _kill_at(world, "suite balancer1")
    world = by(world, defined())
    assert release.resume(world.present(), *_KEY)["status"] == "good"
    assert world.present().definition.environments["demo"].members("web") == _NEW
    _check(world, NEW)


def test_resume_onto_another_number_of_hosts_is_refused(tmp_path):
    """New hosts are as many as those that they replace; abort works all the same."""
    world = _replaced(tmp_path)
    _kill_at(world, "suite web1 web2 web3")
    grown = by(world, defined(strategy="replace", count=4))
    with pytest.raises(HolodeckError, match="number of web hosts has changed"):
        release.resume(grown.present(), *_KEY)
    assert newest(world)["status"] == "running"
    assert release.abort(grown.present(), *_KEY, "ann")["away"] == []
    _check(world, THIRD)


@pytest.mark.parametrize("verb", ["resume", "abort"])
def test_numbers_of_hosts_beside_are_nobody_elses(tmp_path, verb):
    """A count that grows into them makes no member of a host that is to come."""
    world = replacing(tmp_path)
    _kill_at(world, "suite web4 web5 web6")
    grown = by(world, defined(strategy="replace", count=4))
    wanted = [*_NEW, "demo-web7"]
    if verb == "resume":
        assert release.resume(grown.present(), *_KEY)["status"] == "good"
    else:
        assert release.abort(grown.present(), *_KEY, "ann")["away"] == []
        wanted = [*_OLD, "demo-web4"]
    assert scaling.create(grown.present(), "demo")["created"] == [wanted[-1]]
    assert grown.present().definition.environments["demo"].members("web") == wanted
    _check(grown, NEW if verb == "resume" else OLD)


@pytest.mark.parametrize("at", range(1, 6))
def test_expire_goes_on_where_it_died(tmp_path, at):
    """Hosts that were to go are gone after the next call, whenever that is."""
    world = replacing(tmp_path)
    _release(world)
    later = "2999-01-01T00:00:00Z"
    steps = _killed(world, at, lambda: keeping.expire(world.present(), now=later))
    assert len(steps) == at
    keeping.expire(world.present(), now=later)
    assert world.cloud.web == {*_NEW}
    _check(world, NEW)


def test_resume_makes_what_a_half_done_creation_left(tmp_path):
    """Machines that were made are used or made anew, those that were not are made."""
    world = replacing(tmp_path)

    def half():
        world.cloud.boot("demo-web4")
        world.fleet.dead = True
        raise Killed

    world.fleet.faults["create web4 web5 web6"] = half
    with pytest.raises(Killed):
        _release(world)
    world.fleet.dead = False
    assert release.resume(world.present(), *_KEY)["status"] == "good"
    _check(world, NEW)


def test_abort_while_it_runs_destroys_the_new_hosts(tmp_path):
    """Whoever stops a replacement finds everything as it was."""
    world = replacing(tmp_path)

    def stop():
        release.abort(world.present(), *_KEY, "ann")

    record = started(hearing(world.present(), "healthy at", stop), NEW)
    assert (record["status"], record["reason"]) == ("aborted", "It was aborted by ann.")
    _check(world, OLD)


def test_rollback_after_a_dead_replacement_brings_all_back(tmp_path):
    """Without a target it goes to what served before, on the hosts that have it."""
    world = replacing(tmp_path)
    _kill_at(world, "suite balancer1")
    record = _rollback(world)
    assert (record["status"], record["to"]) == ("good", "guestbook.demo.1")
    assert world.cloud.web == {*_OLD}
    _check(world, OLD)


def test_expire_leaves_a_dead_replacement_alone(tmp_path):
    """Its hosts are for whoever resumes or aborts it."""
    world = replacing(tmp_path)
    _kill_at(world, "suite balancer1")
    assert keeping.expire(world.present(), now="2999-01-01T00:00:00Z") == []
    assert orphans.find(world.present()) == ([], [])
    release.abort(world.present(), *_KEY, "ann")
    with pytest.raises(HolodeckError, match="no release is unfinished"):
        release.abort(world.present(), *_KEY, "ann")
    _check(world, OLD)
