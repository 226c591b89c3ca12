"""
Hosts on this very machine, as systemd-nspawn containers that behave like machines.

Each host boots its own systemd in about a second, has an address of its own behind a
bridge, a disk that survives its restarts, and a Salt minion whose key the master has
accepted. Nothing of it needs a cloud, a virtual machine monitor, or systemd on the
machine itself. Faults are part of it: a host can lose its power, freeze, or be cut off.

Needs root, and the Debian packages systemd-container, iproute2 and mmdebstrap.

A provider, in ``cloud.providers.d``:

.. code-block:: yaml

    local:
      driver: nspawn
      directory: /var/lib/holodeck/local   # where the hosts' disks and records live
      bridge: hd-demo0                     # comes and goes with the hosts
      network: 10.77.0.0/24                # the machine has its first address
      keysize: 2048                        # 4096 takes a second more for each host

Optional: ``cache`` (images and downloads; ``$XDG_CACHE_HOME/holodeck``), ``images``
(definitions; the pack's ``cloud.images.d``), ``master`` (its address as the hosts see
it; the machine's own on the bridge), and ``minion`` (such as ``master_port``; with
``master`` in there salt-cloud does not warn that none is defined).

A profile, in ``cloud.profiles.d``:

.. code-block:: yaml

    local-small:
      provider: local
      image: bookworm
      size: small

Optional: ``memory_mb``, ``cpus`` and ``disk_mb``; ``network_mode: host`` for the
machine's own network; ``binds``, a list of ``source:target`` or ``source:target:ro``
where ``{cache}`` and ``{ca_bundle}`` stand for the machine's folder and file;
``environment`` for the minion; ``boot_timeout`` in seconds; ``keep_failed: True``.
"""

import logging

import salt.config
import salt.utils.cloud
from salt.exceptions import (
    SaltCloudNotFound,
    SaltCloudSystemExit,
)

from holodeck_cloud import calls, vm
from holodeck_io.errors import HolodeckError
from holodeck_nspawn import (
    definition,
    host,
    image,
    leftovers,
    plan,
    programs,
    provider,
    request,
    store,
)

log = logging.getLogger(__name__)

__virtualname__ = "nspawn"

_EVENT_FIELDS = ["name", "profile", "provider", "driver"]
_REQUIRED = ("directory", "bridge", "network")


def __virtual__():
    """Load when a provider of this driver is configured."""
    if get_configured_provider() is False:
        return False, "no provider with the driver nspawn is configured"
    return __virtualname__


def get_configured_provider():
    """
    Return the settings of the provider in use, or False.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-providers
    """
    return salt.config.is_provider_configured(
        __opts__, _active_alias() or __virtualname__, _REQUIRED
    )


def get_dependencies():
    """
    Return whether the machine has the programs that hosts need.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f get_dependencies local
    """
    return not programs.missing(programs.RUN)


def avail_locations(call=None):
    """
    Return the one location there is: this machine, and the bridge on it.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-locations local
    """
    calls.refuse_action(call, "avail_locations")
    with calls.errors():
        local = _provider()
    return {local.bridge: {"name": local.bridge, "network": str(local.network)}}


def avail_images(call=None):
    """
    Return the images that are defined, and the key of each that is built already.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-images local
    """
    calls.refuse_action(call, "avail_images")
    with calls.errors():
        local = _provider()
        found = definition.names(local.images)
        keys_built = {x: image.built(local.images, x, local.cache) for x in found}
    return {name: {"name": name, "built": key} for name, key in keys_built.items()}


def avail_sizes(call=None):
    """
    Return the sizes: memory in megabytes, and processors.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-sizes local
    """
    calls.refuse_action(call, "avail_sizes")
    return {name: {"name": name, **limits} for name, limits in plan.SIZES.items()}


def create(vm_):
    """
    Make a host, boot it, and return its description.

    The key that salt-cloud made and accepted is on the host's disk before it boots,
    so the minion connects by itself; without ``deploy`` there is no minion.

    Raises :class:`salt.exceptions.SaltCloudSystemExit`; then nothing of the host is
    left, its accepted key included, unless the profile says ``keep_failed``.

    CLI Example:

    .. code-block:: bash

        salt-cloud -p local-small web1
    """
    with calls.errors(), calls.accepted_key(vm_, __opts__):
        local = _provider()
        record = request.record(vm_, __opts__, local)
    with calls.errors():
        made = host.create(
            local,
            record,
            lambda: _prepare(vm_, local, record),
            keep_failed=bool(vm.setting(vm_, __opts__, "keep_failed")),
            timeout_s=vm.setting(vm_, __opts__, "boot_timeout") or 60,
        )
    log.info("Created the local host %s", vm_["name"])
    _fire("created instance", "created", vm_, _EVENT_FIELDS)
    return _describe(local, made)


def destroy(name, call=None):
    """
    Remove a host: processes, network, disk, and its accepted key.

    CLI Example:

    .. code-block:: bash

        salt-cloud -d web1
    """
    if call == "function":
        raise SaltCloudSystemExit("destroy: is an action; use -d or -a destroy.")
    _fire("destroying instance", "destroying", {"name": name}, ["name"])
    with calls.errors():
        host.destroy(_provider(), name)
    _fire("destroyed instance", "destroyed", {"name": name}, ["name"])
    return {"name": name, "destroyed": True}


def list_nodes(call=None):
    """
    Return the hosts with the fields that all clouds have.

    What an interrupted salt-cloud left is removed first: so what is listed exists, and
    a name that is not listed is free.

    CLI Example:

    .. code-block:: bash

        salt-cloud -Q
    """
    calls.refuse_action(call, "list_nodes")
    fields = ("id", "image", "size", "state", "private_ips", "public_ips")
    return {
        name: {field: node[field] for field in fields}
        for name, node in _nodes().items()
    }


def list_nodes_full(call=None):
    """
    Return the hosts with all that is known of them.

    CLI Example:

    .. code-block:: bash

        salt-cloud -F
    """
    calls.refuse_action(call, "list_nodes_full")
    return _nodes()


def list_nodes_min(call=None):
    """
    Return the hosts with their states only.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f list_nodes_min local
    """
    calls.refuse_action(call, "list_nodes_min")
    return {name: {"state": node["state"]} for name, node in _nodes().items()}


def list_nodes_select(call=None):
    """
    Return the hosts with the fields of the option ``query.selection``.

    CLI Example:

    .. code-block:: bash

        salt-cloud -S
    """
    return salt.utils.cloud.list_nodes_select(
        list_nodes_full("function"), __opts__["query.selection"], call
    )


def show_instance(name, call=None):
    """
    Return all that is known of one host.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a show_instance web1
    """
    calls.need_action(call, "show_instance")
    node = _nodes().get(name)
    if node is None:
        raise SaltCloudNotFound(f"{name}: there is no such host; see salt-cloud -Q.")
    return node


def start(name, call=None):
    """
    Boot a host that is off, from the disk it had.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a start web1
    """
    return _act(host.start, name, call)


def stop(name, call=None):
    """
    Shut a host down in order.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a stop web1
    """
    return _act(host.stop, name, call)


def reboot(name, call=None):
    """
    Shut a host down in order and boot it from the disk it had.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a reboot web1
    """
    return _act(host.reboot, name, call)


def kill(name, call=None):
    """
    End a host as a power loss would.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a kill web1
    """
    return _act(host.kill, name, call)


def freeze(name, call=None):
    """
    Stop all processes of a host where they are; it still answers ARP and TCP's SYN.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a freeze web1
    """
    return _act(host.freeze, name, call)


def thaw(name, call=None):
    """
    Let a frozen host go on.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a thaw web1
    """
    return _act(host.thaw, name, call)


def cut(name, call=None):
    """
    Separate a host from the network, in silence.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a cut web1
    """
    return _act(host.cut, name, call)


def mend(name, call=None):
    """
    Connect a host again that was cut off.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a mend web1
    """
    return _act(host.mend, name, call)


def build_image(kwargs=None, call=None):
    """
    Build an image, unless it is cached, and return where it is.

    kwargs
        ``image``, the name of its definition; ``bookworm`` by default.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f build_image local image=bookworm
    """
    calls.refuse_action(call, "build_image")
    name = (kwargs or {}).get("image", "bookworm")
    with calls.errors():
        local = _provider()
        return {"image": name, "root": image.ensure(local.images, name, local.cache)}


def network_up(call=None):
    """
    Make the bridge and keep it, so that a master can listen there before any host.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f network_up local
    """
    calls.refuse_action(call, "network_up")
    with calls.errors():
        local = _provider()
        host.network_up(local)
        return {"bridge": local.bridge, "address": local.gateway}


def network_down(call=None):
    """
    Let the bridge go with its last host, which may be now.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f network_down local
    """
    calls.refuse_action(call, "network_down")
    with calls.errors():
        local = _provider()
        host.network_down(local)
        return {"bridge": local.bridge}


def _prepare(vm_, local, record):
    _fire("starting create", "creating", vm_, _EVENT_FIELDS)
    _fire("requesting instance", "requesting", record, ["name", "image", "size"])
    return request.minion_files(vm_, __opts__, local)


def _act(function, name, call):
    calls.need_action(call, function.__name__)
    with calls.errors():
        local = _provider()
        function(local, name)
        return {"name": name, "state": host.state(local, store.load(local, name))}


def _nodes():
    with calls.errors():
        local = _provider()
        leftovers.collect(local)
        records = [store.load(local, name) for name in store.names(local)]
        return {each["name"]: _describe(local, each) for each in records if each}


def _describe(local, record):
    address = record["address"] or local.gateway
    return {
        **{key: value for key, value in record.items() if key != "public_key"},
        "id": record["name"],
        "state": host.state(local, record),
        "private_ips": [address],
        "public_ips": [],
    }


def _active_alias():
    return calls.alias(__active_provider_name__)


def _provider():
    options = get_configured_provider()
    if not options:
        raise HolodeckError(
            f"nspawn: no provider with {', '.join(_REQUIRED)} is configured; see "
            "cloud.providers.d/local.conf."
        )
    return provider.parse(options)


def _fire(message, verb, data, keys):
    calls.fire(__utils__, __opts__, message, verb, data, keys)
