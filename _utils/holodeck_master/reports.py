"""The report of a release: a page and JUnit XML, beside the records of this master."""

import contextlib
import logging
from pathlib import Path

from holodeck import differences, sbom
from holodeck_io import files
from holodeck_io.errors import HolodeckError
from holodeck_master import building, fleet, story
from holodeck_master.plan import plan_for
from holodeck_report import junit, page

log = logging.getLogger(__name__)
# A release does not wait for long for what its page would like to tell.
_COMMITS_S = 5
# For an answer that came meanwhile.
_ANSWERED_S = 0.2
_KEEP = 50


def write(world, release):
    """
    Write the report of a release anew; return ``{"html": path, "junit": path}``.

    Raises :class:`~holodeck_io.errors.HolodeckError` for an id that is none.
    """
    record = world.records.find(release)
    if record is None:
        raise HolodeckError(
            f"Release {release}: is not in the records; see `salt-run "
            "holodeck.history SERVICE ENV`."
        )
    told = story.Story(world.records, release).told
    template = world.text("report.html.jinja")
    text = page.html(template, record, told, _changes(world, record, told))
    html = page_of(world, release)
    # What failed may show a page of the service.
    html.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = {"html": html, "junit": html.with_name(f"{release}.xml")}
    files.write_atomic(paths["html"], text)
    files.write_atomic(paths["junit"], junit.xml(record, told["rows"], told["tests"]))
    return {kind: str(path) for kind, path in paths.items()}


def page_of(world, release):
    """Return where the page of a release is, or would be."""
    place = Path(world.opts["cachedir"], "holodeck", "reports")
    return place / f"{release}.html"


def prune(world, service, environment):
    """Remove the reports of old releases, and what they were made of."""
    for record in world.records.history(service, environment)[_KEEP:]:
        html = page_of(world, record["id"])
        if html.exists():
            html.with_name(f"{record['id']}.xml").unlink(missing_ok=True)
            world.records.forget_story(record["id"])
            html.unlink()


@contextlib.contextmanager
def commits_asked(run):
    """
    Ask for the commits that a release brings during the block, for its page.

    Where nobody answers by its end, :func:`keep` asks again: no release waits for it.
    """
    record = run.record
    environment, service = run.plan.environment, run.plan.service
    before = record["previous"] and run.world.records.find(record["previous"])
    with contextlib.ExitStack() as asked:
        told = None
        if before and environment.members("builder"):
            place = run.world, environment, service, before["commit"]
            with contextlib.suppress(fleet.UnheardError):
                told = asked.enter_context(
                    building.history_asked(*place, record["commit"])
                )
        yield
        if told:
            with contextlib.suppress(fleet.CallFailedError, fleet.UnheardError):
                run.story.add(commits=told(_ANSWERED_S))


def keep(world, release):
    """Write the report at the end of a release, which it never fails."""
    try:
        write(world, release)
        record = world.records.find(release)
        prune(world, record["service"], record["environment"])
    except Exception:
        log.exception("The report of %s was not written.", release)


def _changes(world, record, told):
    before = record["previous"] and world.records.find(record["previous"])
    old, new = before or {}, record
    return {
        "before": before and f"{before['commit']} ({before['id']})",
        "settings": differences.changes(
            old.get("settings") or {}, new.get("settings") or {}
        ),
        "packages": _packages(old.get("bundle"), new.get("bundle")),
        "commits": _commits(world, before, record, told),
    }


def _packages(old, new):
    bills = [(bundle or {}).get("sbom") for bundle in (old, new)]
    if not all(bills):
        return None
    return differences.packages(*(sbom.summary(bill)["packages"] for bill in bills))


def _commits(world, before, record, told):
    """Return the commits in between, as far as a builder is there to be asked."""
    if "commits" in told:
        return told["commits"]
    if not (before and record["commit"]):
        return []
    try:
        plan = plan_for(world, record["service"], record["environment"])
        return building.history(
            world, plan.environment, plan.service, before["commit"], record["commit"],
            within_s=_COMMITS_S,
        )  # fmt: skip
    except HolodeckError as error:
        log.info("The commits of %s are not known: %s", record["id"], error)
        return []
