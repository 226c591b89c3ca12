"""
Take servers out of HAProxy's rotation and put them back.

Speaks to HAProxy's runtime socket. Each change is kept in HAProxy's
``server-state-file`` too, so that a reload or a restart in the middle of a
release does not put an untested server back into rotation.
"""

import socket
import time
import uuid
from pathlib import Path

from salt.exceptions import SaltInvocationError

from holodeck import haproxy
from holodeck_io import errors, files, lock, process

SOCKET = "/run/haproxy/admin.sock"
STATE_FILE = "/var/lib/haproxy/holodeck.state"
_POLL_S = 0.05
_ANSWER_S = 5


def drain(backend, servers, timeout_s=30, floor=0, cut=False):
    """
    Take servers out of rotation and wait until their last request is done.

    backend
        HAProxy's backend: the service.
    servers
        The names of the servers: the minions' ids.
    timeout_s
        Seconds to wait for requests that are under way.
    floor
        How many others have to be in rotation, and answer; else nothing is done.
        Servers that are out of rotation already may always be drained.
    cut
        Return at the deadline too: requests that are under way then are lost when
        the server ends.

    Returns ``{server: status}``.

    Raises ``SaltInvocationError`` for an unknown backend or server, and
    :class:`~holodeck_io.errors.HolodeckError` when requests are still under
    way at the deadline; the servers then stay out of rotation.

    CLI Example:

    .. code-block:: bash

        salt 'balancer1' balancer.drain guestbook '["demo-web1"]'
    """
    _check_servers(backend, servers)
    _check_floor(backend, servers, floor)
    arrived = haproxy.is_drained
    return _move(backend, servers, "drain", arrived, timeout_s, may_be_late=cut)


def ready(backend, servers, timeout_s=30):
    """
    Put servers into rotation and wait until HAProxy's own check passes.

    backend
        HAProxy's backend: the service.
    servers
        The names of the servers: the minions' ids.
    timeout_s
        Seconds to wait for the check.

    Returns ``{server: status}``.

    Raises as :py:func:`drain` does.

    CLI Example:

    .. code-block:: bash

        salt 'balancer1' balancer.ready guestbook '["demo-web1"]'
    """
    _check_servers(backend, servers)
    return _move(backend, servers, "ready", haproxy.is_up, timeout_s)


def swap(backend, servers, others, timeout_s=30, drain_s=30, floor=0):
    """
    Put servers into rotation, and then take others out: :py:func:`ready`, and
    :py:func:`drain` once that is done.

    backend, servers, timeout_s
        As for :py:func:`ready`.
    others, drain_s, floor
        The servers, the seconds and the floor of :py:func:`drain`.

    Returns ``{server: status}`` of all.

    Raises as :py:func:`drain` does, and takes nothing out where anybody has moved a
    server of the backend meanwhile: whoever called it may have gone.

    CLI Example:

    .. code-block:: bash

        salt 'balancer1' balancer.swap guestbook '["demo-web1"]' '["demo-web2"]'
    """
    _check_servers(backend, [*servers, *others])
    turn = uuid.uuid4().hex
    inside = _move(backend, servers, "ready", haproxy.is_up, timeout_s, turn=turn)
    _check_floor(backend, others, floor)
    outside = _move(backend, others, "drain", haproxy.is_drained, drain_s, after=turn)
    return {**inside, **outside}


def status(backend=None):
    """
    Return ``{backend: {server: {status, sessions, address, check}}}``.

    CLI Example:

    .. code-block:: bash

        salt 'balancer1' balancer.status guestbook
    """
    found = haproxy.parse_stat(_ask(haproxy.show_stat()))
    if backend is None:
        return found
    return {backend: _backend(found, backend)}


def leave(timeout_s=60):
    """
    Give the virtual address to another balancer, and wait for the last connection.

    Then this host can be stopped, upgraded or destroyed without a lost request. It
    comes back with keepalived's start, or its next boot.

    timeout_s
        Seconds to wait for the connections that it still has.

    Returns the number of connections that are left, 0 when all ended.

    CLI Example:

    .. code-block:: bash

        salt 'balancer1' balancer.leave timeout_s=120
    """
    # Without a virtual address there is none.
    if process.run(["systemctl", "cat", "keepalived"], check=False).returncode == 0:
        process.run(["systemctl", "stop", "keepalived"])
    end = time.monotonic() + timeout_s
    while (left := _connections()) and time.monotonic() < end:
        time.sleep(_POLL_S)
    return left


def forget_moved(wanted):
    """
    Forget the kept state of servers that are elsewhere by the configuration now.

    HAProxy would bring back the address and the port that it kept. Such a server
    is out of rotation until a release has tested it.

    wanted
        ``{backend: {server: "ADDRESS:PORT"}}``.

    Returns the forgotten ``backend/server``.

    CLI Example:

    .. code-block:: bash

        salt 'balancer1' balancer.forget_moved '{"guestbook": {"web1": "::1:8000"}}'
    """
    with lock.held(f"{STATE_FILE}.lock"):
        text = Path(STATE_FILE).read_text(encoding="utf-8")
        kept, moved = haproxy.split_state(text, wanted)
        if moved:
            files.write_atomic(STATE_FILE, kept)
    return moved


def _move(
    backend, servers, state, arrived, timeout_s, *, may_be_late=False, turn="", after=""
):
    """
    Give servers a state, and wait until they have arrived there.

    turn
        A name for this move, for the one that comes ``after`` it and no other.
    """
    with lock.held(f"{STATE_FILE}.lock"):
        last = Path(f"{STATE_FILE}.{backend}.turn")
        if after and last.read_text(encoding="ascii") != after:
            raise errors.HolodeckError(
                f"HAProxy {backend}: {', '.join(servers)} stays as it is: somebody "
                "has moved a server meanwhile."
            )
        files.write_atomic(last, turn, durable=False)
        for server in servers:
            answer = _ask(haproxy.set_state(backend, server, state)).strip()
            if answer:
                raise errors.HolodeckError(f"HAProxy: {backend}/{server}: {answer}")
        files.write_atomic(STATE_FILE, _ask(haproxy.show_state()))
    end = time.monotonic() + timeout_s
    while True:
        seen = status(backend)[backend]
        waiting = [name for name in servers if not arrived(seen[name])]
        late = time.monotonic() > end
        if not waiting or (late and may_be_late):
            return {name: seen[name]["status"] for name in servers}
        if late:
            raise errors.HolodeckError(_too_late(backend, waiting, seen, state))
        time.sleep(_POLL_S)


def _too_late(backend, waiting, seen, state):
    shown = "; ".join(
        f"{name} is {seen[name]['status']} with {seen[name]['sessions']} requests, "
        f"check {seen[name]['check'] or 'none'}"
        for name in waiting
    )
    return f"HAProxy {backend}: not {state} in time: {shown}."


def _check_servers(backend, servers):
    if not isinstance(servers, list) or not servers:
        raise SaltInvocationError(f"servers {servers!r}: should be a list of names.")
    known = status(backend)[backend]
    unknown = sorted(set(servers) - set(known))
    if unknown:
        raise SaltInvocationError(
            f"servers {unknown}: are not in backend {backend}; there are "
            f"{', '.join(sorted(known))}."
        )


def _check_floor(backend, servers, floor):
    seen = status(backend)[backend]
    serving = {name for name, server in seen.items() if haproxy.is_up(server)}
    left = serving - set(servers)
    if serving & set(servers) and len(left) < floor:
        others = ", ".join(f"{n} is {seen[n]['status']}" for n in sorted(seen)
                           if n not in serving)  # fmt: skip
        raise errors.HolodeckError(
            f"HAProxy {backend}: without {', '.join(servers)} only {len(left)} would "
            f"serve, and {floor} have to ({others or 'there are no more'})."
        )


def _backend(found, backend):
    if backend not in found:
        raise SaltInvocationError(
            f"backend {backend!r}: HAProxy has none of that name; there are "
            f"{', '.join(sorted(found)) or 'none'}."
        )
    return found[backend]


def _connections():
    """Return how many connections clients have, but for the one that asks."""
    return haproxy.parse_info(_ask(haproxy.show_info()))["CurrConns"] - 1


def _ask(command):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_S)
        try:
            connection.connect(SOCKET)
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()
        except OSError as error:
            raise errors.HolodeckError(
                f"HAProxy socket {SOCKET}: {error}; apply the state "
                "holodeck.balancer to this host."
            ) from error
