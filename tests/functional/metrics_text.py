"""Metrics of the world of one service, as Prometheus' own parser reads them."""

import dataclasses

from prometheus_client import parser

from holodeck_master import measuring

KEY = ("guestbook", "demo")


def measuring_world(world, file):
    """Return a world whose definition names the file of metrics."""
    definition = dataclasses.replace(world.definition, metrics={"file": str(file)})
    return dataclasses.replace(world, definition=definition)


def found_in(text):
    """Return ``{(sample, the values of its own labels…): value}`` of one place."""
    found = {}
    for family in parser.text_string_to_metric_families(text):
        for each in family.samples:
            assert (each.labels.pop("service"), each.labels.pop("environment")) == KEY
            name = each.name.removeprefix("holodeck_")
            found[(name, *sorted(each.labels.values()))] = each.value
    return found


def found_now(world):
    """Return what is measured just now."""
    return found_in(measuring.text(world))


def state_of(found):
    """Return the states that the newest release is in: one."""
    return [key[1] for key in found if key[0] == "release_state" and found[key]]
