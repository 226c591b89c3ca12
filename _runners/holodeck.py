"""
Release services onto environments, and see where they stand.

.. code-block:: bash

    salt-run holodeck.release guestbook commit=4f2c1e9 env=staging
"""

import getpass
from pathlib import Path

from holodeck_io.errors import HolodeckError
from holodeck_master import environments, views
from holodeck_master import release as engine
from holodeck_master.world import World

_PACK = Path(__file__).resolve().parent.parent
_FAILED = 1


def release(service, commit="", env="", message=""):
    """
    Bring one commit of a service onto an environment.

    Hosts that are missing are created, the commit is built once, every host
    gets the same bytes, and the hosts roll over behind their balancer, each
    tested before it takes traffic. When anything fails, the environment goes
    back to the last good release by itself. When the commit runs everywhere
    already, nothing happens.

    service
        The service's name in pillar.
    commit
        A commit id (also short), a branch or a tag; the service's branch by
        default.
    env
        The environment's name in pillar.
    message
        A line for the record: why.

    Returns the record. The exit code is not 0 when the release failed.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.release guestbook commit=4f2c1e9 env=staging
    """
    return _answer(
        "release",
        lambda world: engine.release(
            world, service, _needed("env", env), _text(commit), _order(message)
        ),
        good=lambda record: record["status"] == "good",
    )


def rollback(service, env="", to="", message=""):
    """
    Bring a service back to an earlier good release.

    Bundle and configuration are exactly those of that release; its hosts roll
    over and are tested as in a release.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.
    to
        The id of a good release, as ``holodeck.history`` shows it; the one
        before the last good one by default.
    message
        A line for the record: why.

    Returns the record of the rollback, itself a release.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.rollback guestbook env=staging
    """
    return _answer(
        "release",
        lambda world: engine.rollback(
            world, service, _needed("env", env), to, _order(message)
        ),
        good=lambda record: record["status"] == "good",
    )


def status(service=None, env=None):
    """
    Show what runs where, and whether it is what was released.

    service
        Only this service.
    env
        Only this environment.

    Returns one entry for each service and environment. The exit code is not 0
    when a host differs from the record.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.status env=staging
    """
    return _answer(
        "status",
        lambda world: views.status(world, service, env),
        good=lambda places: all(p["agree"] or not p["release"] for p in places),
    )


def plan(service, commit="", env=""):
    """
    Show what a release would do; change nothing.

    service
        The service's name in pillar.
    commit
        A commit id, a branch or a tag; the service's branch by default.
    env
        The environment's name in pillar.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.plan guestbook commit=main env=staging
    """
    return _answer(
        "plan",
        lambda world: views.preview(world, service, _needed("env", env), _text(commit)),
    )


def history(service, env="", limit=20):
    """
    List the releases of a service in an environment, newest first.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.
    limit
        At most this many.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.history guestbook env=staging
    """
    return _answer(
        "history",
        lambda world: views.history(world, service, _needed("env", env), limit),
    )


def show(release_id):
    """
    Show one release: phases, digests, and the reason of a failure.

    release_id
        The id, as ``holodeck.history`` shows it.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.show guestbook-staging-17
    """
    return _answer("show", lambda world: views.show(world, release_id))


def test(service, env=""):
    """
    Run a service's HTTP suite against every host and through the balancer.

    Nothing is released. The suite is that of the last good release.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.test guestbook env=staging
    """
    return _answer(
        "test", lambda world: views.test(world, service, _needed("env", env))
    )


def create(env):
    """
    Create the hosts of an environment that are missing; release nothing.

    env
        The environment's name in pillar.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.create staging
    """
    return _answer(
        "create",
        lambda world: sorted(environments.ensure(world, _environment(world, env))),
    )


def destroy(env):
    """
    Destroy the hosts of an environment that a cloud profile made.

    The records of its releases stay.

    env
        The environment's name in pillar.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.destroy staging
    """
    return _answer(
        "destroy",
        lambda world: environments.destroy(world, _environment(world, env)),
    )


def _answer(kind, work, good=lambda _: True):
    """
    Do the work and return what Salt needs to print it and to exit rightly.

    Salt takes the exit code from ``retcode`` inside ``data``, and only when it
    is there; a raise would print a traceback.
    """
    try:
        result = work(World.open(__opts__, _say, _PACK))
    except HolodeckError as error:
        data = {"kind": "error", "error": str(error), "retcode": _FAILED}
        return {"outputter": "holodeck", "data": data}
    data = {"kind": kind, kind: result}
    if not good(result):
        data["retcode"] = _FAILED
    return {"outputter": "holodeck", "data": data}


def _say(phase, message):
    """
    Show progress while the runner works.

    Muted under ``--out=json`` and its like: each event would be a document of
    its own before the result.
    """
    if __opts__.get("output") in {None, "holodeck", "nested"}:
        event = {"message": message, "phase": phase, "outputter": "holodeck"}
        __jid_event__.fire_event(event, "progress")


def _order(message):
    """Return who asks, and why, for the record."""
    order = {"user": getpass.getuser()}
    return {**order, "message": message} if message else order


def _environment(world, name):
    if name not in world.definition.environments:
        known = ", ".join(sorted(world.definition.environments)) or "none"
        raise HolodeckError(f"Environment {name}: is not defined; there are {known}.")
    return world.definition.environments[name]


def _needed(option, value):
    if not value:
        raise HolodeckError(f"{option}: is missing; give it as `{option}=NAME`.")
    return value


def _text(commit):
    """
    Return a commit as text.

    The command line's YAML reads ``1234567`` as a number, and ``12e4567`` as
    a float; the digits of the first can be given back, those of the second
    are lost.
    """
    if isinstance(commit, float):
        raise HolodeckError(
            f"commit {commit!r}: the shell's word was read as a number; quote it "
            "twice: commit='\"12e4567\"'."
        )
    return str(commit) if commit else ""
