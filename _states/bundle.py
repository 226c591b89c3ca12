"""Bundles that are installed, or absent."""

from salt.exceptions import CommandExecutionError, SaltInvocationError

from holodeck import names, outcome


def installed(name, commit, layers, provenance=None, signature="", platform=""):
    """
    Ensure that a bundle is installed beside what runs, with the right bytes.

    name
        The service.
    commit
        The full commit id.
    layers
        The layers of the release's record, from pillar.
    provenance, signature
        The same, where hosts demand signed bundles.
    platform
        The one that it was built for; a new host that has another is left alone.

    .. code-block:: yaml

        guestbook:
          bundle.installed:
            - commit: 4f2c1e9d0a1b5c7788990011223344556677aabb
            - layers: {{ release.layers | json }}

    In test mode it reports the packages that would be installed.
    """
    label = f"{name} {names.short(str(commit))}"
    try:
        missing = __salt__["bundle.missing"](name, commit, layers)
        if not missing:
            return outcome.unchanged(name, f"Bundle {label} is already installed.")
        is_new = commit not in __salt__["bundle.list"](name).get(name, ())
        if is_new and platform not in {"", __salt__["webapp.platform"]()}:
            return outcome.foreign(name, f"Bundle {label}", platform)
        changes = {package: {"old": None, "new": "installed"} for package in missing}
        if __opts__["test"]:
            return outcome.planned(name, changes, f"Bundle {label} would be installed.")
        __salt__["bundle.install"](name, commit, layers, provenance, signature)
    except (CommandExecutionError, SaltInvocationError) as error:
        return outcome.failed(name, f"Could not install bundle {label}: {error}")
    return outcome.changed(name, changes, f"Bundle {label} was installed.")


def absent(name, keep=()):
    """
    Ensure that no bundle of a service is installed, but those to keep.

    The one that runs is never removed.

    name
        The service.
    keep
        Full commit ids that stay.

    .. code-block:: yaml

        guestbook:
          bundle.absent: []

    In test mode it reports the commits that would be removed.
    """
    if not (isinstance(keep, (list, tuple)) and all(map(names.is_commit, keep))):
        return outcome.failed(
            name, f"keep {keep!r}: should be a list of full commit ids, 40 hex digits."
        )
    try:
        there = __salt__["bundle.list"](name).get(name, [])
        current = __salt__["webapp.current"](name) or {}
        doomed = [c for c in there if c not in keep and c != current.get("commit")]
        if not doomed:
            return outcome.unchanged(name, f"No bundle of {name} is to be removed.")
        changes = {commit: {"old": "installed", "new": None} for commit in doomed}
        if __opts__["test"]:
            return outcome.planned(name, changes, f"{name}: would be removed.")
        __salt__["bundle.prune"](name, list(keep))
    except (CommandExecutionError, SaltInvocationError) as error:
        return outcome.failed(name, f"Could not remove bundles of {name}: {error}")
    return outcome.changed(name, changes, f"Bundles of {name} were removed.")
