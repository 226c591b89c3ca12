"""The life of a server: create, start, stop, reboot, destroy."""

import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holodeck_io import signals
from holodeck_io.errors import HolodeckError
from holodeck_openstack import floating_ip, nodes, owned, resolve, sdk
from holodeck_openstack.errors import (
    KeptError,
    NotFoundError,
    OptionError,
    blame,
    blamed,
    explained,
)
from holodeck_openstack.owned import Owned
from holodeck_openstack.waiting import Deadline

_STATES = {"start": "ACTIVE", "stop": "SHUTOFF", "reboot": "ACTIVE"}


@dataclass(frozen=True)
class Order:
    """
    A server that is wanted.

    name
        Its name, and the host's.
    options
        The checked :class:`~holodeck_openstack.options.Options`.
    user_data
        Base64, as nova takes it; None for none.
    prepare
        Called with the finished node, to make it a minion.
    locks
        The folder for locks between creates of this master.
    """

    name: str
    options: Any
    user_data: str | None
    prepare: Any
    locks: Path


def create(connection, order):
    """
    Make a server and return its node.

    Names are looked up first, and nothing is made when one is wrong. What was made is
    removed when anything fails, unless the options say ``keep_failed``, and at an
    interruption.

    Raises :class:`HolodeckError`: the first thing that went wrong, and after it what
    could not be removed.
    """
    _refuse_namesake(connection, order.name)
    with _named(order.name):
        public_key = _public_key(order.options)
        request, floating = resolve.server_request(connection, order.options)
    mine = Owned(connection, order.name, owned.mark())
    try:
        with signals.handled(signal.default_int_handler):
            return _make(connection, order, mine, request, floating, public_key)
    except BaseException as error:
        if _is_kept(mine, order, error):
            raise KeptError(
                f"{error} What was made is kept, as keep_failed says: destroy it."
            ) from error
        _clean(mine, order, error)
        raise


def destroy(connection, name):
    """
    Remove a server, and what the driver made for it; wait until it is gone.

    What it did not make stays: other floating addresses, ports, volumes, key pairs.
    Returns the server that it was.

    Raises :class:`HolodeckError`, also where the server is locked; then it keeps what
    it has.
    """
    server = nodes.one(connection, name)
    if server.is_locked:
        raise HolodeckError(
            f"{name}: is locked; unlock it first: salt-cloud -f call PROVIDER "
            f"func=compute.unlock_server server={server.id}"
        )
    mark = owned.mark_of(server)
    if not mark:
        owned.remove_server(connection, server.id)
        return server
    with _named(name):
        Owned(connection, server.name, mark).remove()
    return server


def act(connection, verb, name, timeout_s=300):
    """
    Start, stop or reboot a server, and return its state afterwards.

    timeout_s
        Seconds until it has that state.
    """
    server = nodes.one(connection, name)
    wanted = _STATES[verb]
    compute = connection.compute
    if verb == "reboot":
        with explained(f"{name}: was not rebooted"):
            compute.reboot_server(server, "SOFT")
    elif server.status != wanted:
        with explained(f"{name}: {verb} was refused"):
            {"start": compute.start_server, "stop": compute.stop_server}[verb](server)
    return _wait(connection, name, server.id, wanted, Deadline(timeout_s)).status


def _make(connection, order, mine, request, floating, public_key):
    wanted, deadline = order.options, Deadline(order.options.boot_timeout)
    with blamed(order.name, wanted):
        if public_key:
            request["key_name"] = _key_pair(connection, mine, public_key)
        server = _server(connection, order, mine, request)
    server = _wait(connection, order.name, server.id, "ACTIVE", deadline, wanted)
    with blamed(order.name, wanted, "floating_ip"), _named(order.name):
        extra = []
        if floating:
            port = floating_ip.port(connection, server, request.get("networks"))
            extra = [floating_ip.give(connection, mine, port, floating, order.locks)]
    if wanted.wait_for_metadata:
        server = _wait_for_metadata(connection, server, wanted, deadline)
    with explained(f"{order.name}: was not described"):
        words = nodes.Words(connection, _known(request, wanted))
        node = words.describe(server, extra)
    return order.prepare(node)


def _known(request, wanted):
    """Return ``{id: name}`` of the image, if the profile has it by its name."""
    if sdk.is_id(wanted.image) or "image_id" not in request:
        return {}
    return {request["image_id"]: wanted.image}


def _is_kept(mine, order, error):
    """Tell whether there is a server to look at; who interrupts wants none."""
    if not (order.options.keep_failed and isinstance(error, Exception)):
        return False
    try:
        return bool(mine.servers())
    except sdk.errors():
        return True


def _clean(mine, order, error):
    """Remove what was made; what could not be is told after the first error."""
    # Only one that nova made of the image: boot_volume was there before.
    volumes = bool(order.options.keep_volume and order.options.volume_gb)
    try:
        with signals.handled(signal.SIG_IGN):
            mine.remove(volumes=volumes)
    except (HolodeckError, *sdk.errors()) as left:
        first = str(error) or f"{order.name}: was interrupted."
        raise HolodeckError(
            f"{first} What was made is not all removed: {left}"
        ) from error


def _refuse_namesake(connection, name):
    try:
        found = nodes.one(connection, name)
    except NotFoundError:
        return
    raise HolodeckError(
        f"{name}: a server of this name exists, {found.id}; destroy it first, or "
        "choose another name."
    )


@contextlib.contextmanager
def _named(name):
    """Put the server's name before what an option is blamed for."""
    try:
        yield
    except HolodeckError as error:
        raise type(error)(f"{name}: {str(error).rstrip('.')}.") from error


def _public_key(options):
    if not options.public_key_file:
        return None
    try:
        return Path(options.public_key_file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise OptionError(
            f"public_key_file: {options.public_key_file} cannot be read: {error}"
        ) from error


def _key_pair(connection, mine, public_key):
    made = mine.make(
        "key pair",
        lambda: connection.compute.create_keypair(
            name=mine.mark, public_key=public_key
        ),
    )
    return made.name


def _server(connection, order, mine, request):
    body = {
        "name": order.name,
        "metadata": {**order.options.meta, owned.KEY: mine.mark},
        **request,
    }
    if order.user_data:
        body["user_data"] = order.user_data
    return mine.make("server", lambda: connection.compute.create_server(**body))


def _wait(connection, name, server_id, state, deadline, chosen=None):
    """Wait for a state; an error of the server's ends it, with the cloud's reason."""
    seen, more = {}, "give it more time with boot_timeout, or " if chosen else ""

    def look():
        server = nodes.anew(connection, server_id)
        if server is None:
            raise HolodeckError(f"{name}: was destroyed meanwhile by somebody else.")
        if server.status == "ERROR":
            fault = (server.fault or {}).get("message") or "the cloud says no reason"
            raise HolodeckError(f"{name}: {blame(fault.rstrip('.'), chosen)}.")
        seen["state"] = server.status
        return server if server.status == state and not server.task_state else None

    with explained(f"{name}: was not looked at"):
        return deadline.until(
            look,
            lambda: f"{name}: is {seen.get('state')}, not {state},",
            f"{more}look at it in the cloud",
            bear=sdk.is_passing,
        )


def _wait_for_metadata(connection, server, wanted, deadline):
    def look():
        found = nodes.anew(connection, server.id)
        said = found.metadata if found else {}
        missing = {
            k: v for k, v in wanted.wait_for_metadata.items() if said.get(k) != v
        }
        look.missing = missing
        return None if missing else found

    look.missing = wanted.wait_for_metadata
    with explained(f"{server.name}: was not looked at"):
        return deadline.until(
            look,
            lambda: f"{server.name}: wait_for_metadata: {look.missing} did not come",
            "look at what should set it, or wait longer with boot_timeout",
            bear=sdk.is_passing,
        )
