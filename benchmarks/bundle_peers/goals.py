"""The goals of the large application, each judged by the medians."""

from dataclasses import dataclass

from debs import DhVirtualenv
from floors import Copy, Tar
from ours import Ours
from peers import Pex

OURS = Ours.name
APP = "large"
_BARE = "size without .pyc"


@dataclass(frozen=True)
class Goal:
    """One number and its limit; ``value`` is ``None`` when it was not measured."""

    text: str
    value: float | None
    limit: float
    at_least: bool = False
    unit: str = "x"

    @property
    def met(self):
        """Tell whether the limit is kept, or ``None`` when nobody knows."""
        if self.value is None:
            return None
        return (self.value - self.limit) * (1 if self.at_least else -1) >= 0

    def __str__(self):
        verdict = {True: "met    ", False: "MISSED ", None: "unknown"}[self.met]
        sign = ">=" if self.at_least else "<="
        shown = "?" if self.value is None else f"{self.value:.3g}{self.unit}"
        return f"{verdict} {shown:>9} {sign} {self.limit:g}{self.unit}  {self.text}"


def judge(results, app):
    """Return the goals; what counts is the clock, by medians."""
    return [
        *_rebuilds(results, app),
        *_installs(results, app),
        *_sizes(results, app),
    ]


def _rebuilds(results, app):
    def ratio(peer, row):
        return _ratio(results.seconds(app, peer, row), results.seconds(app, OURS, row))

    return [
        Goal("rebuild after a one-line change: times faster than dh-virtualenv",
             ratio(DhVirtualenv.name, "build line"), 50, at_least=True),
        Goal("rebuild after a one-line change: times faster than pex",
             ratio(Pex.name, "build line"), 10, at_least=True),
        Goal("build on a new lock: ours to the fastest peer's",
             _to_best(results, app, "build lock"), 1),
        Goal("first build, cold: ours to the fastest peer's",
             _to_best(results, app, "build first"), 1),
    ]  # fmt: skip


def _installs(results, app):
    def ratio(floor, row):
        return _ratio(results.seconds(app, OURS, row), results.seconds(app, floor, row))

    moved = results.median(app, OURS, "moved line")
    share = _ratio(moved, results.median(app, OURS, "size"))
    return [
        Goal("first install, package database included: to the tar with one sync",
             ratio(Tar.name, "install first"), 1.5),
        Goal("install of a one-line change: to the copy of the changed files",
             ratio(Copy.name, "install line"), 2),
        Goal("bytes moved for a one-line change: share of the bundle",
             None if share is None else share * 100, 0.1, unit="%"),
    ]  # fmt: skip


def _sizes(results, app):
    """Compare like with like: peers with ``.pyc``, and those without."""
    goals = []
    for row, pyc in (("size", "yes"), (_BARE, "no")):
        rivals = [
            results.median(app, peer, "size")
            for peer in results.rivals(app, "size")
            if results.facts[peer]["pyc"] == pyc
        ]
        value = _ratio(results.median(app, OURS, row), min(rivals, default=None))
        kind = "with .pyc files" if pyc == "yes" else "without .pyc files, as ours is"
        text = f"package size: ours to the smallest peer's {kind}"
        goals.append(Goal(text, value, 1.05))
    return goals


def _to_best(results, app, row):
    rivals = [results.seconds(app, peer, row) for peer in results.rivals(app, row)]
    return _ratio(results.seconds(app, OURS, row), min(rivals, default=None))


def _ratio(value, base):
    return value / base if value is not None and base else None
