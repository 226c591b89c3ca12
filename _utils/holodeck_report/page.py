"""The page of a release: one file that needs nothing else."""

import jinja2

from holodeck import names
from holodeck_report import plot, tests, timeline


def html(template, record, story, changes):
    """
    Return the page as text.

    template
        The Jinja template's text.
    record
        The release's record.
    story
        What :class:`holodeck_master.story.Story` has of it.
    changes
        ``{"commits", "packages", "settings"}`` against the release before.
    """
    # What a record lacks, because its release ended early, is left out of the page.
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["short"] = names.short
    return environment.from_string(template).render(
        record=record,
        seconds=round(sum(phase["seconds"] for phase in record["phases"]), 1),
        chart=timeline.chart(story["steps"], record["phases"]),
        tests=tests.table(story["tests"]),
        failures=tests.failures(story["rows"]),
        latencies=tests.latencies(story["rows"]),
        probe=plot.chart(story.get("probe")),
        gate=story.get("latency"),
        cut=story["cut"],
        changes=changes,
    )
