"""
The way back: every host that was touched goes home to the last good release.

Good traffic is restored before bad is taken away: what is out of rotation goes first.
Then the rest, as many at once as the pool's floor allows.
"""

import contextlib

from holodeck import names, rollout
from holodeck.model import REPLACE
from holodeck_io.errors import HolodeckError
from holodeck_master import environments, rotation, stages


def go_back(run):
    """
    Bring the hosts home; return ``{host: words}``.

    A host that fails on the way stays out of rotation, and stops no other one; the
    record names it as ``away``, for whoever resumes.
    """
    _look(run)
    _check_by_the_old_path(run)
    journey = _Journey(run)
    for hosts, switched in journey.groups():
        run.story.note("back", hosts, "begins")
        found = journey.back(hosts, switched)
        for host in hosts:
            run.note("back", [host], found[host])
    run.record["away"] = journey.away
    return journey.words


def _look(run):
    """Ask the hosts that nobody has asked yet; one that is lost stops nothing."""
    unseen = [host for host in run.hosts if host not in run.statuses]
    if run.record.get("id") and unseen:
        replies = run.world.fleet.ask(unseen, "webapp.status")
        run.statuses |= {h: reply.value for h, reply in replies.items() if reply.ok}


def _check_by_the_old_path(run):
    """
    Let balancers check by the path of those who go home.

    The release's own was asked of nobody where nobody served for a moment.
    """
    if path := (run.served or {}).get("health"):
        with contextlib.suppress(Exception):
            plan = run.plan
            environments.check_by(run.world, plan.environment, plan.service.name, path)


class _Journey:
    """Who goes when, who is home, and who had to be left behind."""

    def __init__(self, run):
        self._run, self.words, self.away = run, {}, []
        # Whether a host has answered that the last good release does not run on it.
        self._is_home_bad = False

    def groups(self):
        """Yield ``(hosts, whether they were switched)`` in their order."""
        record = self._run.record
        switched = list(dict.fromkeys([*record["switched"], *_strayed(self._run)]))
        untouched = [host for host in record["touched"] if host not in switched]
        outside = [
            h for h in switched if h in record["touched"] or h in record["failed"]
        ]
        inside = [host for host in switched if host not in outside]
        if untouched:
            yield untouched, False
        if outside:
            yield outside, True
        while inside:
            chunk = self._chunk(inside)
            if not chunk:
                self._leave(inside)
                return
            yield chunk, True
            inside = [host for host in inside if host not in chunk]

    def _chunk(self, hosts):
        """
        Return those that may go next: as many as leave the floor of what serves now.

        What does not serve goes last: it may be lost, which takes time to notice. As
        long as nobody knows who serves, one goes at a time.
        """
        run = self._run
        pools = rotation.pools(run.world, run.plan)
        if pools is None:
            return hosts[:1]
        serving = set().union(*pools)
        floor = rollout.size_of(run.plan.rules.floor, len(run.hosts))
        free = min((len(pool) - floor for pool in pools), default=len(hosts))
        if free < 1 and self._is_home_bad:
            # Home does not work: what serves the new commit is better than nothing.
            return []
        up = [host for host in hosts if host in serving]
        return up[: max(1, free)] or hosts

    def _leave(self, hosts):
        commit = names.short(self._run.record["commit"])
        words = f"stays in rotation at {commit}: too few others would serve"
        for host in hosts:
            self.words[host] = words
            self.away.append(host)
            self._run.note("back", [host], words)

    def back(self, hosts, switched):
        """Take hosts home together; where that fails, those at fault last, singly."""
        try:
            self._together(hosts, switched)
        except HolodeckError as error:
            if len(hosts) == 1:
                self._is_home_bad |= _answered(error, hosts[0])
                self.words[hosts[0]] = self._failed(error)
                self.away += hosts
                return self.words
            ordered = sorted(hosts, key=error.hosts.__contains__)
        else:
            return self.words
        for host in ordered:
            self.back([host], switched)
        return self.words

    def _together(self, hosts, switched):
        run = self._run
        here = (run.world, run.plan, hosts)
        # A replacement has left the old ones as they were, whatever that was.
        is_whole = run.last or run.record.get("strategy") == REPLACE
        stays = not switched and (is_whole or all(_still_serves(run, h) for h in hosts))
        # The last one that serves is restarted in rotation: its requests wait, or are
        # tried again, where an empty pool would refuse them.
        if not stays and not (switched and run.last and self._is_last_one(hosts)):
            floor = 1 if run.last and len(run.hosts) > 1 else 0
            rotation.drain(*here, floor=floor, come_what_may=True)
        if not (stays or run.last):
            self.words |= dict.fromkeys(hosts, _left_outside(run, hosts))
            return
        if switched:
            stages.switch(*here, run.last, run.next_order())
        lost = rotation.ready(*here, come_what_may=True)
        words = f"in rotation at {names.short(run.served['commit'])}"
        if lost:
            words += f", but {', '.join(lost)} did not answer"
            self.away += hosts
        self.words |= dict.fromkeys(hosts, words)

    def _is_last_one(self, hosts):
        pools = rotation.pools(self._run.world, self._run.plan) or []
        return any(pool <= set(hosts) for pool in pools)

    def _failed(self, error):
        if self._run.plan.environment.members("balancer"):
            return f"stays out of rotation: {error}"
        return f"could not go back: {error}"


def _answered(error, host):
    """Tell whether a host itself said no, instead of being lost."""
    replies = getattr(error, "replies", ())
    return any(reply.host == host and not reply.lost for reply in replies)


def _strayed(run):
    """Return the hosts that a dead runner had left away from the last good."""
    return [
        host
        for host in run.hosts
        if run.last and host not in run.record["switched"] and _is_away(run, host)
    ]


def _is_away(run, host):
    if host not in run.statuses:
        # Nobody knows what it runs, should it come back.
        return host in run.record["touched"]
    return run.service_on(host).get("deployment") != run.last["deployment"]


def _left_outside(run, hosts):
    """Keep users from what has no way back: without a balancer it is stopped."""
    if run.plan.environment.members("balancer"):
        return f"out of rotation: {run.homeless}"
    run.world.fleet.call(hosts, "webapp.remove", name=run.plan.service.name)
    return f"stopped: {run.homeless}"


def _still_serves(run, host):
    """Tell whether a host still has the process and bytes of the last good one."""
    found, good = run.service_on(host), run.served
    return good and found.get("stranded") and found["deployment"] == good["deployment"]
