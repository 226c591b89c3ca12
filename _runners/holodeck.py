"""
Release services onto environments, and see where they stand.

.. code-block:: bash

    salt-run holodeck.release guestbook commit=4f2c1e9 env=staging
"""

import contextlib
import getpass
import inspect
import logging
import sys
from pathlib import Path

from holodeck.model import ROLES
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    answering,
    beginning,
    checkup,
    detached,
    environments,
    ephemeral,
    keeping,
    measuring,
    orphans,
    pushes,
    pushing,
    records,
    registry,
    reports,
    scaling,
    terminal,
    views,
    wishes,
)
from holodeck_master import release as engine
from holodeck_master.plan import plan_for
from holodeck_master.world import World

log = logging.getLogger(__name__)
_PACK = Path(__file__).resolve().parent.parent
_FAILED = 1


def release(service="", commit=None, env="", message="", **options):
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

    def work(world):
        order = _order(message)
        place = _place(service, env)
        return answering.told(
            world, engine.release(world, *place, _text(commit), order)
        )

    return _answer("release", options, work, good=_is_good)


def push(service="", env="", background=False, **options):
    """
    Release what was pushed, as soon as no other release runs.

    Webhooks do this through the reactor. A branch's newest commit is released, once
    for all pushes that wait; an older commit than the one that runs, and one that was
    bad, are refused.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.
    background
        Return at once; a process of its own goes on.

    Returns ``[{"release", "state", "reason"}, …]``; nothing when nothing waits, or
    somebody releases it already.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.push guestbook env=staging
    """
    if background:
        # This may be a thread of the master's reactor, which has other things to do.
        return detached.start(__opts__, _PACK, service, env)

    def opened(say):
        return World.open(__opts__, _both(_say, say), _PACK)

    def work(_):
        # Each push has a world of its own, and hears why there is none.
        place = _place(service, env)
        announce = pushing.announcer(__opts__, place)
        return pushing.work_off(__opts__, place, opened, announce)

    return _answer("push", options, work, good=_are_good, world=lambda: None)


def rollback(service="", env="", to="", message="", **options):
    """
    Bring a service back to an earlier good release.

    Bundle and configuration are exactly those of that release; its hosts roll
    over and are tested as in a release. Hosts that a release has replaced, and that
    are kept, are only swapped in.

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

    def work(world):
        record = engine.rollback(world, *_place(service, env), to, _order(message))
        return answering.told(world, record)

    return _answer("rollback", options, work, good=_is_good)


def resume(service="", env="", **options):
    """
    Finish a release whose runner or master died.

    It goes on where it was; one that had failed goes on going back. Hosts that were
    done, and are still as they were left, are not touched again.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.

    Returns the record.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.resume guestbook env=staging
    """

    def work(world):
        return answering.told(world, engine.resume(world, *_place(service, env)))

    return _answer("resume", options, work, good=_is_good)


def abort(service="", env="", **options):
    """
    Stop a release, and bring its hosts back to the last good one.

    One that runs stops at its next step, and brings them back itself; one whose
    runner died is brought back here.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.abort guestbook env=staging
    """

    def work(world):
        return engine.abort(world, *_place(service, env), getpass.getuser())

    return _answer("abort", options, work, good=lambda r: not (r or {}).get("away"))


def pause(service="", env="", **options):
    """
    Let a release that runs wait before its next batch.

    It waits until ``holodeck.promote`` or ``holodeck.abort``, and watches meanwhile
    what serves already.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.pause guestbook env=staging
    """
    return _answer("pause", options, _wish(wishes.PAUSE, service, env))


def promote(service="", env="", **options):
    """
    Let a release go on that is paused, or holds after its first batch.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.promote guestbook env=staging
    """
    return _answer("promote", options, _wish(wishes.PROMOTE, service, env))


def freeze(service="", env="", message="", **options):
    """
    Refuse every release, rollback and resume of a service, until ``holodeck.unfreeze``.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.
    message
        Why, for whoever is refused.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.freeze guestbook env=production message='until the audit ends'
    """

    def work(world):
        facts = {**_order(message), "since": records.now()}
        key = _placed(world, service, env)
        world.records.keep_freeze(*key, **facts)
        measuring.keep(world, *key)
        return facts

    return _answer("freeze", options, work)


def unfreeze(service="", env="", **options):
    """
    Allow releases of a service again.

    service
        The service's name in pillar.
    env
        The environment's name in pillar.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.unfreeze guestbook env=production
    """

    def work(world):
        key = _placed(world, service, env)
        world.records.keep_freeze(*key)
        measuring.keep(world, *key)
        return {}

    return _answer("unfreeze", options, work)


def status(service=None, env=None, **options):
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

    def work(world):
        return views.status(world, service, env)

    return _answer(
        "status",
        options,
        work,
        # Never released is no fault; never released well is one.
        good=lambda places: all(p["agree"] or not p["newest"] for p in places),
    )


def plan(service="", commit=None, env="", **options):
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

    def work(world):
        return views.preview(world, *_place(service, env), _text(commit))

    return _answer("plan", options, work)


def history(service="", env="", limit=20, **options):
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

    def work(world):
        if not str(limit).isdecimal():
            raise HolodeckError(f"limit {limit!r}: should be a whole number.")
        return views.history(world, *_place(service, env), limit)

    return _answer("history", options, work)


def show(release_id="", **options):
    """
    Show one release: phases, digests, and the reason of a failure.

    release_id
        The id, as ``holodeck.history`` shows it.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.show guestbook.staging.17
    """

    def work(world):
        return views.show(world, _needed("release_id", release_id))

    return _answer("show", options, work)


def report(release_id="", **options):
    """
    Write the report of a release: a page for people, and JUnit XML for machines.

    Every release writes its own when it ends, below ``holodeck/reports`` in the
    master's ``cachedir``; this writes it anew.

    release_id
        The id, as ``holodeck.history`` shows it.

    Returns the paths of both files.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.report guestbook.staging.17
    """

    def work(world):
        return reports.write(world, _needed("release_id", release_id))

    return _answer("report", options, work)


def metrics(file="", **options):
    """
    Print what releases come to, as Prometheus reads it.

    Releases write the file that the definition names by themselves, when they begin
    and end; docs/metrics.rst has what is in it.

    file
        Write this file instead, its whole path: all at once, for everybody to read.

    Returns ``{"text"}``, or ``{"file"}``.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.metrics
        salt-run holodeck.metrics file=/var/lib/prometheus/node-exporter/holodeck.prom
    """

    def work(world):
        if not file:
            return {"text": measuring.text(world)}
        if not Path(str(file)).is_absolute():
            raise HolodeckError(f"file {file!r}: should be a whole path, from / on.")
        measuring.write(world, file)
        return {"file": file}

    return _answer("metrics", options, work)


def test(service="", env="", **options):
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

    def work(world):
        return views.test(world, *_place(service, env))

    return _answer("test", options, work)


def create(env="", **options):
    """
    Create the hosts of an environment that are missing; release nothing new.

    They are made in parallel. Web hosts come to every service's last good release, pass
    its suite, and are put into rotation then. What fails is taken up by the next call.

    env
        The environment's name in pillar.

    Returns ``{"created", "hosts", "scaled"}``: the names of new hosts, those of every
    role, and ``{role: [hosts, the definition's]}`` of roles that were scaled.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.create staging
    """

    def work(world):
        return scaling.create(world, _environment(world, env).name)

    return _answer("create", options, work)


def scale(env="", **options):
    """
    Bring an environment to so many hosts of a role.

    New hosts are made in parallel, come to every service's last good release and pass
    its suite before they get traffic. Of too many the last ones go: out of rotation,
    drained, destroyed; never so many that fewer than a rollout's ``floor`` serve. Kept
    ones, which a release has replaced, go when they are not as many any more.

    env
        The environment's name in pillar.
    web, balancer, tester, builder
        How many hosts the role has from now on, until the definition's own ``count``
        changes. Without any of them, the definition's is brought about again.

    Returns what ``holodeck.create`` does, and ``destroyed``.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.scale staging web=5
    """
    numbers = {role: options.pop(role) for role in ROLES if role in options}

    def work(world):
        return scaling.scale(world, _environment(world, env).name, numbers)

    return _answer("scale", options, work)


def init(repository="", branch="", name="", app="", file="", env="", **options):
    """
    Write a first definition of a service, from what its repository shows.

    Looks for the lock, for processes (a Procfile, or a WSGI or ASGI application and a
    server in the lock), a path for health, the suite, and the settings that the code
    reads; what is left to do stands at the top. It is valid, and released nowhere.

    repository
        Where git clones it from, with the master's credentials; or a clone on the
        master.
    branch
        Another one than the repository's own.
    name
        The service's name; the project's by default.
    app
        The application as ``package.module:variable``, where it is not found.
    file
        Write this file, which must not be there, instead of printing the text.
    env
        The environment that the service is for. Where pillar defines it already, the
        service is only placed there, with a port and a bind that are free; otherwise
        what is written shows how one is defined.

    Returns ``{"text", "left"}``, or ``{"file", "left"}``.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.init git@git.example.org:guestbook.git
        salt-run holodeck.init /srv/src/guestbook file=/srv/pillar/guestbook.sls
        salt-run holodeck.init git@git.example.org:guestbook.git env=staging
    """

    def work(_):
        where = beginning.place(__opts__, env) if env else None
        text, left = beginning.written(str(repository), branch, name, app, where)
        if file:
            beginning.keep(text, file)
        return {"left": left, **({"file": file} if file else {"text": text})}

    # Nothing may be defined yet.
    return _answer("init", options, work, world=lambda: None)


def check(env="", remove=False, **options):
    """
    Find what would keep a release from working, and what is left over.

    Left over are machines and keys that no environment has. Looks at the master's
    configuration and at every provider, and asks the hosts that are there for their
    platform, clock, disk and tools; each fault says what mends it.

    env
        Only this environment; all by default, also those that have left the definition.
    remove
        Destroy the machines among them that this master made, after they left rotation,
        and delete the keys. Machines that bear a host's name but were made by others
        are named, and stay.

    Returns ``{"orphans", "faults", "removed"}``. The exit code is not 0 as long as
    there is anything.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.check
        salt-run holodeck.check staging remove=True
    """

    def work(world):
        if remove not in {True, False}:
            raise HolodeckError(f"remove {remove!r}: should be True or False.")
        gone = orphans.remove(world, env) if remove else []
        found, faults = orphans.find(world, env)
        faults = [*checkup.find(world, env), *faults]
        return {"orphans": found, "faults": faults, "removed": gone}

    return _answer(
        "check", options, work, good=lambda r: not (r["orphans"] or r["faults"])
    )


def destroy(env="", **options):
    """
    Destroy the hosts of an environment that a cloud profile made.

    Also those that it has no more. The records of its releases stay.

    env
        The environment's name in pillar.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.destroy staging
    """

    def work(world):
        gone = environments.destroy(world, _environment(world, env))
        registry.Registry(world.opts).drop(env)
        return gone

    return _answer("destroy", options, work)


def expire(**options):
    """
    Destroy the environments that pushes have made, and the hosts that were replaced,
    when their time is over.

    An environment that passes its suites is destroyed by the push itself. For the
    others the master's own schedule calls this, as docs/pushes.rst shows.

    Returns their names.

    CLI Example:

    .. code-block:: bash

        salt-run holodeck.expire
    """

    def work(world):
        try:
            gone = ephemeral.expire(world, pushes.Desk(world.opts))
        finally:
            hosts = keeping.expire(world)
        return [*gone, *hosts]

    return _answer("expire", options, work)


def _answer(kind, options, work, good=lambda _: True, world=None):
    """
    Do the work and return what Salt needs to print it and to exit rightly.

    Salt takes the exit code from ``retcode`` inside ``data``, and only when it
    is there; a raise would print a traceback. An option that no function takes
    would end in Salt's help and an exit code of 0: hence ``options``, refused here.
    """
    try:
        _refuse(kind, options)
        with _screen() as screen:
            say = screen.say if screen else _say
            result = work(
                world() if world else World.open(__opts__, say, _PACK, screen)
            )
    except HolodeckError as error:
        return _failed(str(error))
    except Exception as error:
        # Salt would take a TypeError of ours for wrong arguments, and exit with 0.
        log.exception("holodeck.%s", kind)
        return _failed(f"{type(error).__name__}: {error}")
    data = {"kind": kind, kind: result}
    if not good(result):
        data["retcode"] = _FAILED
    return {"outputter": "holodeck", "data": data}


def _failed(words):
    data = {"kind": "error", "error": words, "retcode": _FAILED}
    return {"outputter": "holodeck", "data": data}


def _wish(word, service, env):
    """Return the work of asking the release that runs for something."""

    def work(world):
        key = _placed(world, service, env)
        return wishes.make(world, key, word, getpass.getuser())

    return work


def _screen():
    """Return the terminal that shows progress, or a context of ``None``."""
    # A master that was started in a terminal runs the reactor's runners there too.
    by_hand = __opts__.get("__cli") == "salt-run" and not __opts__.get("quiet")
    if by_hand and _is_for_people() and terminal.is_live(sys.stdout):
        return terminal.Terminal(sys.stdout)
    return contextlib.nullcontext()


def _is_for_people():
    """
    Tell whether progress may be printed before the result.

    Under ``--out=json`` and its like it would be a document of its own.
    """
    return __opts__.get("output") in {None, "holodeck", "nested"}


def _say(phase, message):
    """Show progress while the runner works, where there is no screen."""
    if _is_for_people():
        event = {"message": message, "phase": phase, "outputter": "holodeck"}
        __jid_event__.fire_event(event, "progress")


def _order(message):
    """Return who asks, and why, for the record."""
    order = {"user": getpass.getuser()}
    return {**order, "message": message} if message else order


def _is_good(record):
    return record["status"] == "good"


def _are_good(outcomes):
    """Tell whether the newest of several pushes ended well."""
    return not outcomes or outcomes[-1]["state"] in {"good", "unchanged"}


def _both(one, other):
    def say(phase, message):
        one(phase, message)
        other(phase, message)

    return say


def _place(service, env):
    return _needed("service", service), _needed("env", env)


def _placed(world, service, env):
    return plan_for(world, *_place(service, env)).key


def _refuse(kind, options):
    """Refuse what no function takes: Salt's own answer would be an exit code of 0."""
    unknown = [name for name in options if not name.startswith("__")]
    if unknown:
        *known, _ = inspect.signature(globals()[kind]).parameters
        known += ROLES if kind == "scale" else ()
        there = f"its options are {', '.join(known)}" if known else "it has none"
        raise HolodeckError(f"{unknown[0]}: is no option of holodeck.{kind}; {there}.")


def _environment(world, name):
    _needed("env", name)
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
    if commit == "":
        raise HolodeckError("commit: is empty; leave it out for the service's branch.")
    return str(commit) if commit is not None else ""
