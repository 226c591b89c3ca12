"""
Configure, switch and look at the web services of this host.

A *deployment* is one bundle with one configuration: a folder below
``/etc/holodeck/SERVICE`` with the units and the settings, readable by root
alone. ``/etc/holodeck/SERVICE/current`` says which one runs, and changes by
one rename.
"""

from pathlib import Path

from salt.exceptions import SaltInvocationError

from holodeck import names, units
from holodeck_io import errors, pack, pillar
from holodeck_webapp import deployments, health, last_words

__func_alias__ = {"health_": "health"}


def configure(name, commit, mark=""):
    """
    Write the units and the configuration of a commit; switch nothing.

    The settings come from this minion's pillar.

    name
        The service.
    commit
        The full commit id.
    mark
        That of the pillar which is meant: where ``holodeck:mark`` of the one in
        memory is the same, no other is compiled.

    Returns the deployment's name.

    Raises :class:`~holodeck_io.errors.HolodeckError` when the pillar does not
    place the service on this host.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.configure guestbook 4f2c1e9...
    """
    deployment = _deployment(name, commit, mark)
    with errors.of_disk(f"Configuration of {name}"):
        deployments.write(deployment)
    return deployment.name


def switch(name, commit, deployment=None, timeout_s=60, order=0, mark=""):
    """
    Run a commit in place of what runs now, and wait until it is healthy.

    The bundle must be installed. When the wanted deployment runs already and
    is healthy, nothing is restarted, unless its program is gone from this host.

    name
        The service.
    commit
        The full commit id.
    deployment
        Exactly this deployment; by default the commit with the configuration
        in pillar.
    timeout_s
        Seconds until the new processes must be healthy.
    order
        A number that grows from call to call of a release. One that is lower
        than the last is refused: it is a job that was taken for lost.
    mark
        As in :py:func:`configure`.

    Returns ``{"deployment": name, "changes": {…}}``.

    Raises :class:`~holodeck_io.errors.HolodeckError` when the commit is not
    healthy in time; the new deployment then stays current, and whoever
    called decides where to go.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.switch guestbook 4f2c1e9...
    """
    known = deployment and has(name, deployment)
    mended = known and _mend(name, commit, deployment, mark)
    wanted = deployment if known else configure(name, commit, mark)
    summary = deployments.summary(name, wanted)
    if summary["commit"] != commit or wanted != (deployment or wanted):
        raise errors.HolodeckError(
            f"Deployment {deployment}: is not on this host, and pillar's configuration "
            f"makes {wanted} of commit {names.short(commit)}."
        )
    with errors.of_disk(f"Switch of {name}"), deployments.turn(name, order):
        old = deployments.current(name)
        seen = health.look(summary)
        well = health.fault(summary, seen) is None and not health.outlived(seen)
        if old == wanted and well and not mended:
            return {"deployment": wanted, "changes": {}}
        since = deployments.activate(summary, wanted)
        deployments.note_switch(name, since)
    health.wait(summary, timeout_s, since)
    return {"deployment": wanted, "changes": {name: {"old": old, "new": wanted}}}


def health_(name, timeout_s=1):
    """
    Wait until the current deployment is healthy.

    Healthy means: every unit is active, its process was started from the
    current commit, and the health path answers with a 2xx status.

    timeout_s
        Seconds to wait.

    Returns the commit.

    Raises :class:`~holodeck_io.errors.HolodeckError` with the reason and the
    last lines of the journal.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.health guestbook timeout_s=10
    """
    summary = deployments.summary(name, _current(name))
    health.wait(summary, timeout_s)
    return summary["commit"]


def refusal(name, path):
    """
    Return why who asks for this path would take the host for ill, or ``None``.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.refusal guestbook /healthz
    """
    return health.refusal(deployments.summary(name, _current(name)), path)


def raised(name, lines=40):
    """
    Return the first exception that a service has written since its last switch.

    Its settings are taken out. ``""`` where there is none.

    lines
        So many of its last lines at most.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.raised guestbook
    """
    summary = deployments.summary(name, _current(name))
    return last_words.raised(summary, deployments.switched_at(name), lines)


def current(name):
    """
    Return the summary of the deployment that is current, or ``None``.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.current guestbook
    """
    deployment = deployments.current(_name(name))
    return deployment and deployments.summary(name, deployment)


def wanted(name, commit):
    """
    Return the name of the deployment that :py:func:`configure` would write.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.wanted guestbook 4f2c1e9...
    """
    return _deployment(name, commit).name


def has(name, deployment):
    """
    Tell whether a deployment is on this host.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.has guestbook 4f2c1e9d0a1b-9c3e1f00aa11
    """
    return deployment in deployments.existing(_name(name))


def status():
    """
    Return what this host is and runs: the pack, the platform, every service.

    ``mark`` is that of the pillar in memory.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.status
    """
    return {
        "pack": pack.digest(Path(__file__).parent),
        "mark": __pillar__.get("holodeck", {}).get("mark", ""),
        "platform": platform(),
        "services": {
            service: health.standing(service, _current(service))
            for service in deployments.services()
        },
    }


def platform():
    """
    Return what compiled code depends on; the system's Python is part of it.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.platform
    """
    parts = [str(__grains__[part]) for part in ("os", "osrelease", "cpuarch")]
    return " ".join([*parts, Path("/usr/bin/python3").resolve().name])


def remove(name):
    """
    Stop a service and remove its units and configuration; bundles stay.

    Returns whether there was anything.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.remove guestbook
    """
    with errors.of_disk(f"Removal of {name}"):
        return deployments.remove(_name(name))


def prune(name, keep, commits=None):
    """
    Remove the deployments of a service but the current one and those to keep.

    keep
        Names of deployments that stay.
    commits
        Prune the service's bundles too, but for these full commit ids, as
        ``bundle.prune`` does it.

    Returns the removed names, of deployments and of packages.

    CLI Example:

    .. code-block:: bash

        salt 'web1' webapp.prune guestbook keep='["4f2c1e9d0a1b-9c3e1f00aa11"]'
    """
    with errors.of_disk(f"Old configurations of {name}"):
        removed = deployments.prune(_name(name), keep)
    # What a deployment stands on goes after it.
    if commits is not None:
        removed += __salt__["bundle.prune"](name, commits)
    return removed


def _name(value):
    if not names.is_name(value):
        raise SaltInvocationError(f"name {value!r}: is no name of a service.")
    return value


def _deployment(name, commit, mark=""):
    if not names.is_commit(commit):
        raise SaltInvocationError(
            f"commit {commit!r}: should be a full commit id, 40 hex digits."
        )
    own = pillar.own(__opts__, dict(__grains__), __pillar__, mark)
    slice_ = own.get("services", {}).get(_name(name))
    if slice_ is None:
        raise errors.HolodeckError(
            f"Service {name}: pillar does not place it on {__opts__['id']}; see "
            "`salt-run holodeck.plan`, and check that the ext_pillar `holodeck` is "
            "in the master's configuration."
        )
    return units.Deployment(
        service=name,
        environment=slice_["environment"],
        commit=commit,
        config=slice_["config"],
        port=slice_["port"],
        socket=slice_["socket"],
        health=slice_["health"],
        processes=dict(slice_["processes"]),
        settings=dict(slice_["settings"]),
        files=dict(slice_["files"]),
    )


def _mend(name, commit, deployment, mark):
    """
    Write files of a deployment again that somebody changed; return whether it did.

    Pillar must still make the same configuration: only a digest of it is kept.
    """
    if not deployments.differences(name, deployment):
        return False
    if _deployment(name, commit, mark).name != deployment:
        return False
    configure(name, commit, mark)
    return True


def _current(name):
    deployment = deployments.current(name)
    if deployment is None:
        raise errors.HolodeckError(f"Service {name}: nothing is deployed on this host.")
    return deployment
