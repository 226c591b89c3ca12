"""Environments that a push makes, after a template of the definition. Pure."""

import dataclasses
import hashlib
import re

from holodeck import names

_TAIL = 4


def matches(pattern, branch):
    """Tell whether a branch is one of a pattern: ``*`` stands for anything."""
    parts = map(re.escape, pattern.split("*"))
    return bool(re.fullmatch(".*".join(parts), branch))


def is_pattern(value):
    """Tell whether a value can be a pattern of branches."""
    return isinstance(value, str) and names.is_ref(value.replace("*", "x"))


def name_of(template, branch):
    """Return the name of a branch's environment: readable, and no other branch's."""
    tail = hashlib.sha256(branch.encode()).hexdigest()[:_TAIL]
    room = names.NAME_MAX - len(template) - len(tail) - 2
    word = re.sub("[^a-z0-9]", "", branch.rpartition("/")[2].lower())[: max(0, room)]
    return "-".join(part for part in (template, word, tail) if part)


def instance(template, name, branch):
    """Return the environment of a branch, as the template has it."""
    services = {
        service: dataclasses.replace(placement, push=branch)
        for service, placement in template.services.items()
        if matches(placement.push, branch) or not placement.push
    }
    return dataclasses.replace(template, name=name, services=services, ephemeral={})


def extended(definition, known):
    """
    Return a definition with the environments that pushes have made.

    known
        ``{name: {"template", "branch", …}}``; those whose template is gone are left
        out.
    """
    made = {
        name: instance(definition.templates[facts["template"]], name, facts["branch"])
        for name, facts in known.items()
        if facts["template"] in definition.templates
    }
    environments = {**definition.environments, **made}
    return dataclasses.replace(definition, environments=environments)
