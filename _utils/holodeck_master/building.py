"""A commit found and built once, and its packages in the store."""

import contextlib

from holodeck import names, spec
from holodeck_io.errors import HolodeckError
from holodeck_master import environments, fleet

_RESOLVE_S = 300
# Whoever was asked early is asked again where this is not enough.
_EARLY_S = 5
_RPM_SYSTEMS = ("RedHat", "CentOS", "Rocky", "AlmaLinux", "OEL", "Fedora", "Amazon")


class UnknownCommitError(HolodeckError):
    """What was asked for is no commit of the service."""


def check_ref(service, ref):
    """Refuse what cannot name a commit, before anything is touched."""
    if not service.repository:
        _fixed_commit(service, ref)
        return
    if ref and not names.is_ref(ref):
        raise UnknownCommitError(
            f"Commit {ref!r}: is no name of a branch, a tag or a commit; "
            f"{names.REF_RULE}."
        )


@contextlib.contextmanager
def asked_early(world, environment, service, ref):
    """
    Ask the builder for a commit while the environment's hosts are looked after.

    Yields what :func:`resolve` takes as ``early``.
    """
    if not service.repository or names.is_commit(ref):
        yield lambda: None
        return
    builder = _builder(environment)
    question = _question(service, ref or service.branch)
    with world.fleet.begun([([builder], *question)]) as replies:

        def early():
            reply = replies(_EARLY_S)[builder]
            return reply.value if reply.ok else None

        yield early


def resolve(world, environment, service, ref, early=lambda: None):
    """
    Return the full commit id that ``ref`` stands for.

    early
        Returns what the builder said when it was asked before; ``None`` where it has to
        be asked now, as it may have been made a moment ago.

    A full id needs no look-up: the build fails when it does not exist. A
    service without a repository has one commit, its lock's digest.
    """
    if not service.repository:
        return _fixed_commit(service, ref)
    if names.is_commit(ref):
        return ref
    check_ref(service, ref)
    if found := early():
        return found
    try:
        return _resolved(world, environment, service, ref or service.branch)
    except fleet.CallFailedError as error:
        raise UnknownCommitError("\n".join(map(_said, error.replies))) from error


def resolve_known(world, environment, service, commit):
    """
    Return a full commit id that the repository has.

    Raises :class:`UnknownCommitError` for one that it has not, or not any more.
    """
    try:
        return _resolved(world, environment, service, commit)
    except fleet.CallFailedError as error:
        if any(reply.lost for reply in error.replies):
            raise
        raise UnknownCommitError("\n".join(map(_said, error.replies))) from error


def _resolved(world, environment, service, ref):
    builder = _builder(environment)
    groups = [([builder], *_question(service, ref))]
    return world.fleet.call_groups(groups, _RESOLVE_S)[builder]


def _said(reply):
    """Return why a builder has no commit, and who it is that did not reach it."""
    who = f"{reply.host} " if reply.error.startswith("cannot fetch ") else ""
    return f"{who}{reply.error}"


def _question(service, ref):
    return "bundle.resolve", {"repository": service.repository, "ref": ref}


def _fixed_commit(service, ref):
    fixed = service.fixed_commit
    if ref and not (names.is_commit_prefix(ref) and fixed.startswith(ref)):
        raise UnknownCommitError(
            f"Commit {ref}: {service.name} has no repository, its lock alone says "
            f"what it is: {fixed}. Leave `commit` out."
        )
    return fixed


def build(world, plan, commit, statuses, last=None):
    """
    Return ``{bundle name: manifest}`` of a commit, built where it is new.

    Each says for which ``platform``. The service and its suite are built at the same
    time. Of the layers of ``last``, the last good record, differences are made.
    """
    service, environment = plan.service, plan.environment
    platform = environments.platform_of(statuses, _installers(environment))
    recipes = recipes_of(world, service, platform)
    keys = {n: spec.key(n, commit, recipe, platform) for n, recipe in recipes.items()}
    manifests = {name: known(world, key) for name, key in keys.items()}
    new = [name for name, manifest in manifests.items() if manifest is None]
    if new:
        environments.platform_of(
            statuses, [*_installers(environment), _builder(environment)]
        )
        world.say("build", f"building {', '.join(new)} on {_builder(environment)}")
        specs = {name: recipes[name] for name in new}
        bases = _bases(service, last)
        for name, manifest in _build(world, plan, commit, specs, bases).items():
            manifests[name] = manifest
            world.records.keep_bundle(keys[name], manifest)
    else:
        world.say("build", "built before, the same packages are used")
    return {name: {**each, "platform": platform} for name, each in manifests.items()}


def history(world, environment, service, old, new, within_s=_RESOLVE_S):
    """Return the commits between two releases as ``[{commit, subject}]``."""
    with history_asked(world, environment, service, old, new) as told:
        return told(within_s)


@contextlib.contextmanager
def history_asked(world, environment, service, old, new):
    """Ask for the commits meanwhile; yield what returns them within some seconds."""
    if not service.repository or not (old and new) or old == new:
        yield lambda _within_s: []
        return
    builder = _builder(environment)
    between = {"repository": service.repository, "old": old, "new": new}
    with world.fleet.begun([([builder], "bundle.history", between)]) as replies:

        def told(within_s):
            return fleet.values("bundle.history", replies(within_s))[builder]

        yield told


def recipes_of(world, service, platform):
    """Return ``{bundle name: recipe}`` of what a release installs on a platform."""
    key = (world.definition.signing or {}).get("key", "")
    # Schemathesis is large: only who asks for it carries it.
    kind = "contract" if service.contract else "tester"
    lock = world.text(f"{kind}-requirements.txt")
    return spec.bundles(service, kind_of(platform), lock, key)


def is_foreign(record, platform):
    """Tell whether a release was built for another platform than a host has."""
    # Records from before it was noted say nothing.
    return record["bundle"].get("platform", platform) != platform


def kind_of(platform):
    """Return the package format of a platform such as ``Debian 12 x86_64``."""
    return "rpm" if platform.startswith(_RPM_SYSTEMS) else "deb"


def known(world, key):
    """Return the manifest of a bundle that was built and is in the store."""
    manifest = world.records.bundle(key)
    if manifest and world.store.has(manifest["layers"]):
        return manifest
    return None


def _build(world, plan, commit, specs, bases):
    builder = _builder(plan.environment)
    found = world.fleet.call(
        [builder], "bundle.build_all", deadline_s=plan.rules.build_s,
        commit=commit, specs=specs, stored=world.store.digests(), bases=bases,
        mark=world.mark(plan.environment, "builder"),
    )  # fmt: skip
    for name in specs:
        manifest = found[builder].get(name, {})
        _check_places(builder, name, commit, manifest)
        world.store.take(builder, spec.artefacts(manifest))
    return found[builder]


def _check_places(builder, name, commit, manifest):
    """A builder is believed its bytes' digests, not what they are for."""
    if (manifest.get("name"), manifest.get("commit")) != (name, commit):
        raise HolodeckError(
            f"Bundle {name} {names.short(commit)}: {builder} built something else; "
            "look at that builder."
        )
    for layer in manifest["layers"]:
        if not names.is_layer(layer, name, commit):
            raise HolodeckError(
                f"Bundle {name}: {builder} built {layer.get('root')!r}, which is no "
                "place of it; look at that builder."
            )


def _bases(service, last):
    if not last:
        return {}
    parts = {service.name: "bundle", names.suite_bundle(service.name): "suite"}
    return {name: last[part]["layers"] for name, part in parts.items()}


def _builder(environment):
    builders = environment.members("builder")
    if not builders:
        raise HolodeckError(
            f"Environment {environment.name}: has no builder; add one under "
            f"environments/{environment.name}/hosts/builder."
        )
    return builders[0]


def _installers(environment):
    return [*environment.members("web"), *environment.members("tester")]
