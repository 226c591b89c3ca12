"""The life of a server: create, start, stop, reboot, destroy."""

import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holodeck_io import signals
from holodeck_io.errors import HolodeckError
from holodeck_openstack import nodes, owned, resolve, sdk
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
    """

    name: str
    options: Any
    user_data: str | None
    prepare: Any


def create(connection, order):
    """
    Make a server and return its node.

    Names are looked up first, and nothing is made when one is wrong. What was made is
    removed when anything fails, an interruption too, unless the options say
    ``keep_failed``.

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
        if order.options.keep_failed:
            raise KeptError(
                f"{error} What was made is kept, as keep_failed says: destroy it."
            ) from error
        _clean(mine, error)
        raise


def destroy(connection, name):
    """
    Remove a server, and what the driver made for it; wait until it is gone.

    What it did not make stays: other floating addresses, ports, volumes, key pairs.
    """
    server = nodes.one(connection, name)
    mark = owned.mark_of(server)
    if not mark:
        owned.remove_server(connection, server.id)
        return
    with _named(name):
        Owned(connection, server.name, mark).remove()


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
    with blamed(order.name):
        if public_key:
            request["key_name"] = _key_pair(connection, mine, public_key)
        server = _server(connection, order, mine, request)
    server = _wait(connection, order.name, server.id, "ACTIVE", deadline)
    with blamed(order.name, "floating_ip"):
        extra = [_address(connection, mine, server, floating)] if floating else []
    if wanted.wait_for_metadata:
        server = _wait_for_metadata(connection, server, wanted, deadline)
    with explained(f"{order.name}: was not described"):
        node = nodes.Words(connection).describe(server, extra)
    return order.prepare(node)


def _clean(mine, error):
    """Remove what was made; what could not be is told after the first error."""
    try:
        with signals.handled(signal.SIG_IGN):
            mine.remove()
    except HolodeckError as left:
        raise HolodeckError(
            f"{error} What was made is not all removed: {left}"
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
    made = owned.once(
        lambda: connection.compute.create_keypair(
            name=mine.mark, public_key=public_key
        ),
        lambda: next(iter(mine.key_pairs()), None),
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
    return owned.once(
        lambda: connection.compute.create_server(**body),
        lambda: next(iter(mine.servers()), None),
    )


def _wait(connection, name, server_id, state, deadline):
    """Wait for a state; an error of the server's ends it, with the cloud's reason."""
    seen = {}

    def look():
        server = nodes.anew(connection, server_id)
        if server is None:
            raise HolodeckError(f"{name}: was destroyed meanwhile by somebody else.")
        if server.status == "ERROR":
            fault = (server.fault or {}).get("message") or "the cloud says no reason"
            raise HolodeckError(f"{name}: {blame(fault.rstrip('.'))}.")
        seen["state"] = server.status
        return server if server.status == state and not server.task_state else None

    with explained(f"{name}: was not looked at"):
        return deadline.until(
            look,
            lambda: f"{name}: is {seen.get('state')}, not {state},",
            "give it more time with boot_timeout, or look at it in the cloud",
            bear=sdk.is_passing,
        )


def _address(connection, mine, server, floating):
    """Give a server its floating address and return that."""
    network = connection.network
    port = _port(network, server)
    if "address" in floating:
        return network.update_ip(floating["address"], port_id=port).floating_ip_address
    made = owned.once(
        lambda: network.create_ip(
            floating_network_id=floating["network"],
            port_id=port,
            description=mine.mark,
        ),
        lambda: next(iter(mine.floating_ips()), None),
    )
    return made.floating_ip_address


def _port(network, server):
    """Return the id of the server's first port that has an address of version 4."""
    for port in network.ports(device_id=server.id):
        if any("." in fixed["ip_address"] for fixed in port.fixed_ips):
            return port.id
    raise HolodeckError(
        f"{server.name}: floating_ip: the server has no port with an IPv4 address; "
        "name a network that has one."
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
