"""Services that run at a commit, or are absent."""

from salt.exceptions import CommandExecutionError, SaltInvocationError

from holodeck import names, outcome


def deployed(name, commit, deployment=None, timeout_s=60, busy=False, platform=""):
    """
    Ensure that service X runs at commit Y.

    The bundle must be installed; require ``bundle.installed``. When
    the host runs that commit with the released configuration nothing is
    touched: a changed configuration reaches a host by a release alone, which
    tests it before it gets traffic.

    name
        The service.
    commit
        The full commit id.
    deployment
        The deployment that was released. Where a host has it, it is what
        runs; a new host gets the configuration that pillar has now.
    timeout_s
        Seconds until the new processes must be healthy.
    busy
        A release of the service runs: its hosts are the release's, and are left
        alone.
    platform
        The one that the bundle was built for; a new host that has another is left
        alone.

    .. code-block:: yaml

        guestbook:
          webapp.deployed:
            - commit: 4f2c1e9d0a1b5c7788990011223344556677aabb
            - require:
              - bundle: guestbook

    In test mode it reports the deployment that would be switched to.
    """
    short = names.short(str(commit))
    if busy:
        return outcome.unchanged(name, f"{name} is being released; left alone.")
    try:
        old = __salt__["webapp.current"](name)
        if not old and platform not in {"", __salt__["webapp.platform"]()}:
            return outcome.foreign(name, f"{name} {short}", platform)
        target = _target(name, commit, deployment)
        running = __salt__["webapp.status"]()["services"].get(name, {})
        if running.get("deployment") == target and _is_well(name, commit, running):
            return outcome.unchanged(name, f"{name} is already at {short}.")
        before = names.deployment(old["commit"], old["config"]) if old else None
        changes = {name: {"old": before, "new": target}}
        if before == target:
            damage = ", ".join(running.get("changed", []))
            changes[name] = {"old": running["fault"] or damage, "new": "healthy"}
        if __opts__["test"]:
            return outcome.planned(
                name, changes, f"{name} would be switched to {short}."
            )
        known = target if target == deployment else None
        __salt__["webapp.switch"](name, commit, known, timeout_s)
    except (CommandExecutionError, SaltInvocationError) as error:
        return outcome.failed(name, f"Could not switch {name} to {short}: {error}")
    return outcome.changed(name, changes, f"{name} was switched to {short}.")


def absent(name):
    """
    Ensure that a service does not run here and has no configuration.

    Its data below ``/var/lib`` stays.

    name
        The service.

    .. code-block:: yaml

        guestbook:
          webapp.absent: []

    In test mode it reports the deployment that would be removed.
    """
    try:
        old = __salt__["webapp.current"](name)
        if old is None:
            return outcome.unchanged(name, f"{name} is already absent.")
        changes = {name: {"old": names.deployment(old["commit"], old["config"]),
                          "new": None}}  # fmt: skip
        if __opts__["test"]:
            return outcome.planned(name, changes, f"{name} would be removed.")
        __salt__["webapp.remove"](name)
    except (CommandExecutionError, SaltInvocationError) as error:
        return outcome.failed(name, f"Could not remove {name}: {error}")
    return outcome.changed(name, changes, f"{name} was removed.")


def _is_well(name, commit, running):
    """Tell whether it is healthy, and no file of it could be mended."""
    if running["fault"] or not running.get("changed"):
        return not running["fault"]
    return __salt__["webapp.wanted"](name, commit) != running["deployment"]


def _target(name, commit, deployment):
    """Return the released deployment where it is here, else a fresh one."""
    if deployment and __salt__["webapp.has"](name, deployment):
        return deployment
    return __salt__["webapp.wanted"](name, commit)
