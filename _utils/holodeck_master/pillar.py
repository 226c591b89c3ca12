"""
The definition, read from pillar on the master, and each host's slice of it.

The pillar of the minion id ``holodeck``, which no host has, holds every
service and environment. So the top file names one target, and a host's own
pillar gets only what :py:mod:`holodeck.slices` allows.
"""

import dataclasses
import re

import salt.pillar
import salt.utils.sdb

from holodeck import definition as rules
from holodeck import differences, ephemeral, generations, sizing, slices
from holodeck import webhook_signatures as signatures
from holodeck_http import checks
from holodeck_io.errors import HolodeckError
from holodeck_master import balancers, ledger, records, registry, yaml_faults

DEFINITION_ID = "holodeck"
_FILE_SERVERS = ("gitfs", "hgfs", "minionfs", "s3fs", "svnfs")

_KIND = re.compile(r"\b[A-Z]\w*Error\b", re.ASCII)
# The line of its template that Salt points at, down to its key.
_MARKED = re.compile(r"^ *([\w.-]+):.*<=+$", re.ASCII | re.MULTILINE)


class UndefinedError(HolodeckError):
    """The pillar is well, and has no definition."""


def load(opts):
    """
    Return the :class:`~holodeck.definition.Definition` of this master.

    Environments that pushes have made are in it; those that were scaled have as many
    hosts as they were scaled to, and those whose hosts were replaced the new ones.

    Raises :class:`~holodeck_io.errors.HolodeckError` when the pillar does not
    render or breaks rules.
    """
    # A copy: Salt puts the id's grains into it, and Vault's driver of sdb looks there.
    own = {**opts, "pillar_safe_render_error": False}
    # It would import what nobody uses, and fetch for a pillar that is in files.
    own |= {"disable_fileservers": _unused(opts), "__fs_update": True}
    with yaml_faults.heard() as faults:
        compiled = salt.pillar.Pillar(
            own, {"id": DEFINITION_ID}, DEFINITION_ID, "base", ext=None
        ).compile_pillar()
    if errors := compiled.get("_errors"):
        told = (_told(error, faults.get(error, "")) for error in errors)
        raise HolodeckError("Pillar: " + "\n".join(told))
    if "holodeck" not in compiled:
        raise UndefinedError(
            f"Pillar: nothing is defined for the id {DEFINITION_ID!r}; give it the key "
            "`holodeck` in the pillar's top.sls, as pillar/top.sls shows."
        )
    try:
        definition = rules.parse(compiled["holodeck"])
    except rules.InvalidDefinitionError as error:
        raise HolodeckError(str(error)) from error
    _check_checks(definition)
    definition = ephemeral.extended(definition, registry.Registry(opts).all())
    return present(definition, records.Records(opts))


def present(definition, memory):
    """Return a definition whose environments have the hosts that they have by now."""
    sized = sizing.sized(definition, memory.sizes())
    placed = generations.applied(sized, memory.generations())
    # What another environment has by now is its own, whoever had it before.
    owners = {h: n for n, e in placed.environments.items() for h in e.all_members()}
    environments = {
        name: sizing.with_all(
            each,
            [h for h in ledger.serving(memory, each) if owners.get(h, name) == name],
        )
        for name, each in placed.environments.items()
    }
    return dataclasses.replace(placed, environments=environments)


def _unused(opts):
    """Return the file servers that are not configured."""
    used = {f"{name.removesuffix('fs')}fs" for name in opts["fileserver_backend"]}
    return [name for name in _FILE_SERVERS if name not in used]


def _told(error, fault):
    """
    Return what may be told of an error: where and of which kind it is.

    Salt quotes the lines around it too, and what was filled in there.

    fault
        What :mod:`~holodeck_master.yaml_faults` may tell of it.
    """
    head, rendering, text = str(error).partition(", render error:\n")
    if not rendering:
        return head
    if fault:
        return f"{head}{fault}. The master's log has more."
    reason, _, quoted = text.partition("\n\n---\n")
    if line := re.search(r"; line (\d+)$", reason):
        head += f" in line {line[1]}"
    # Of what a function raised: other texts are of what was filled in.
    if reason.startswith("Problem running salt function in Jinja template: "):
        head += "".join(f", {key}" for key in _MARKED.findall(quoted))
        head += f" ({_kinds(reason)})" if _kinds(reason) else ""
    return f"{head}. The master's log has more."


def _kinds(*texts):
    """Return the names of errors in texts, each once."""
    return ", ".join(dict.fromkeys(_KIND.findall(" ".join(texts))))


def _check_checks(definition):
    faults = [
        f"services/{service.name}/{problem}"
        for service in definition.services.values()
        if service.checks
        for problem in checks.problems(service.checks)
    ]
    if faults:
        raise HolodeckError(
            "\n".join(["The definition in pillar has faults:", *faults])
        )


def revealed(opts, text):
    """
    Return a secret of the definition: the text, or what Salt's sdb has for it.

    Raises :class:`~holodeck_io.errors.HolodeckError` where it has none. Without
    ``strict`` Salt would return the name itself for a secret.
    """
    if not text.startswith(signatures.SDB):
        return text
    try:
        found = salt.utils.sdb.sdb_get(text, _of_definition(opts), strict=True)
    except Exception as error:  # a driver's own, of any kind
        kinds = [type(each).__name__ for each in (error, error.__cause__)]
        why = _kinds(*kinds, str(error)) or kinds[0]
        raise HolodeckError(f"{text}: sdb does not give it ({why}).") from error
    if not isinstance(found, str) or not found or found.startswith(signatures.SDB):
        raise HolodeckError(f"{text}: sdb has no text of that name.")
    return found.strip()


def _of_definition(opts):
    """
    Return options with the definition's id.

    By it Vault's driver chooses the policies. Without it, it would be another's in each
    process: a runner's, the reactor's, whoever has read pillar before.
    """
    grains = {**opts.get("grains", {}), "id": DEFINITION_ID}
    return {**opts, "id": DEFINITION_ID, "minion_id": DEFINITION_ID, "grains": grains}


def slice_for(minion, definition, memory, is_busy):
    """
    Return what ``minion`` may know, or ``{}`` when it belongs nowhere.

    is_busy
        Called with service and environment; tells whether a release runs.
    """
    environment = definition.environment_of(minion)
    if environment is None:
        return {}
    role = environment.role_of(minion)
    if role == "balancer":
        addresses = memory.addresses(environment.name)
        listed = ledger.listed(memory, environment)
        paths = balancers.paths(memory, definition, environment)
        found = slices.balancer(definition, environment, addresses, listed, paths)
        return {**found, "address": addresses.get(minion)}
    if role != "web":
        found = slices.other(definition, environment, role)
        return {**found, "mark": mark(memory, definition, environment, role)}
    digests = _config_digests(memory, definition, environment)
    releases = _releases(minion, environment, memory)
    # A dead release too: resume or abort ends it, and nobody switches meanwhile.
    busy = {
        name
        for name in environment.services
        if is_busy(name, environment.name) or memory.unfinished(name, environment.name)
    }
    found = slices.web(definition, environment, digests, releases, busy)
    return {**found, "mark": mark(memory, definition, environment, role)}


def _releases(minion, environment, memory):
    """
    Return ``{service: what a host is to run}``: the last good release.

    Hosts beside the current ones keep what they have; new ones get theirs from the
    release that makes them, and those that go none.
    """
    generation = memory.generation(environment.name)
    if minion in environment.members("web"):
        # Also of one that was beside them by another definition.
        generation = {}
    beside = {
        which: minion in generations.hosts(environment.name, generation, which)
        for which in generations.BESIDE
    }
    kept = generation.get("kept") if beside["kept"] else None
    if beside["incoming"]:
        kept = generation["incoming"]["kept"]
    if beside["going"] or (beside["incoming"] and not kept):
        return {}
    releases = {
        name: memory.last_good(name, environment.name) for name in environment.services
    }
    own = kept and memory.find(kept["release"])
    return {**releases, own["service"]: own} if own else releases


def mark(memory, definition, environment, role):
    """
    Return the keyed digest of what the definition gives to the hosts of a role.

    It changes with nothing else: a host that has it in memory needs no new pillar.
    A balancer has none, its part depends on addresses too.
    """
    if role == "balancer":
        return ""
    if role != "web":
        return memory.config_digest(slices.other(definition, environment, role))
    digests = _config_digests(memory, definition, environment)
    return memory.config_digest(slices.web(definition, environment, digests, {}, ()))


def _config_digests(memory, definition, environment):
    return {
        name: config_digest(memory, definition.services[name], placement)
        for name, placement in environment.services.items()
    }


def setting_digests(memory, service, placement):
    """
    Return ``{path: keyed digest}`` of each part of a configuration.

    A record keeps them, so that a plan can name what changed and show no value.
    """
    content = slices.configuration(service, placement)
    return {
        path: memory.config_digest(value)[:16]
        for path, value in differences.flat(content).items()
    }


def config_digest(memory, service, placement):
    """Return the keyed digest of one service's configuration in one place."""
    return memory.config_digest(slices.configuration(service, placement))
