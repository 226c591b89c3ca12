"""One round over one application: each peer builds, is installed, and is cleared."""

import os
import time
from pathlib import Path

import filesystem
import floors
import measure
from apps import CHANGES
from filesystem import FreshRoot
from job import Job
from ours import Ours

FLOORS = (floors.Copy(), floors.Layer(), floors.Tar())
CLONE = Path(__file__).resolve().parent.parent.parent


class Rounds:
    """
    The rounds of one application, in a folder of ``work``.

    root
        Where the file systems of hosts are mounted, one after the other.
    say
        Called with a line for whoever waits.
    """

    def __init__(self, app, work, root, results, say):
        self.app, self.results, self.say = app, results, say
        self.work, self.root = Path(work, app.name), Path(root)
        self.trees = floors.Trees(self.work / "trees")
        self.trees.folder.mkdir()

    def run(self, peers, number):
        """
        Let all peers run once, another one first in each round.

        What a round has removed slows the disk for whoever comes next. Ours begins
        the first round, as the floors need its files.
        """
        turn = (number - 1) % len(peers)
        for peer in [*peers[turn:], *peers[:turn]]:
            self._guarded(peer.name, number, lambda peer=peer: self._peer(peer))
        for floor in FLOORS:
            self._guarded(floor.name, number, lambda floor=floor: self._floor(floor))

    def _guarded(self, name, number, work):
        begin = time.monotonic()
        try:
            work()
        except measure.BenchmarkError as error:
            self.results.failures.append(f"{self.app.name}, {name}: {error}")
            self.say(f"{self.app.name} run {number}: {name}: FAILED")
            return
        seconds = time.monotonic() - begin
        self.say(f"{self.app.name} run {number}: {name}: {seconds:.0f} s")

    def _peer(self, peer):
        home = self.work / "peer"
        filesystem.clear(home)
        (home / "cache").mkdir()
        jobs = {change: Job(self.app, change, home) for change in CHANGES}
        for job in jobs.values():
            peer.prepare(job)
            os.sync()
            self._add(peer, f"build {job.change}", peer.build(job))
        self._sizes(peer, jobs)
        with self._host(home) as host:
            for job in jobs.values():
                host.settle()
                self._add(peer, f"install {job.change}", peer.install(job, host))
                if isinstance(peer, Ours):
                    self._add(peer, f"prove {job.change}", peer.proof)
                if isinstance(peer, Ours) and not self.trees[job.change].exists():
                    self.trees.keep(job.change, host)
        if isinstance(peer, Ours):
            bare = peer.bare_size(self.trees["first"], jobs["first"])
            self._add(peer, "size without .pyc", bare)
        filesystem.clear(home)

    def _sizes(self, peer, jobs):
        if not peer.packages:
            return
        self._add(peer, "size", peer.size(jobs["first"]))
        for change in CHANGES[1:]:
            moved = peer.moved(jobs["first"], jobs[change])
            self._add(peer, f"moved {change}", moved)

    def _floor(self, floor):
        with self._host(self.work) as host:
            for change in CHANGES:
                host.settle()
                cost = floor.install(self.trees, change, host)
                self._add(floor, f"install {change}", cost)

    def _host(self, home):
        lent = {CLONE, Path(home), self.trees.folder}
        return FreshRoot(self.root, self.work / "host.ext4", sorted(lent))

    def _add(self, peer, row, value):
        self.results.add(self.app.name, peer.name, row, value)
