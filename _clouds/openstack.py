"""
Servers of OpenStack clouds, Rackspace's among them, through openstacksdk.

Every server, address and key is handled by its id, and what the driver made bears a
mark: a create that fails removes what it made, and nothing else of the same name. Names
are looked up before anything is made, and an error says which option is at fault.

Needs openstacksdk in Salt's own Python: ``salt-pip install openstacksdk``.

A provider, in ``cloud.providers.d``, that uses a cloud of ``clouds.yaml``:

.. code-block:: yaml

    mycloud:
      driver: openstack
      cloud: mycloud
      region_name: RegionOne

The login itself can stand there too, with ``auth`` in place of ``cloud``: what
``clouds.yaml`` takes is taken here. ``clouds_file`` names another ``clouds.yaml``.

A profile, in ``cloud.profiles.d``:

.. code-block:: yaml

    small:
      provider: mycloud
      image: debian-12
      size: m1.small
      networks: [private]
      floating_ip: public
      ssh_key_name: salt
      ssh_key_file: /etc/salt/cloud.pem
      ssh_username: debian

``docs/openstack.rst`` has every option, Rackspace, and what became of Salt 3007's.
"""

import contextlib
import logging
from pathlib import Path

import salt.config
import salt.utils.cloud
from salt.exceptions import SaltCloudConfigError, SaltCloudNotFound, SaltCloudSystemExit

from holodeck_cloud import calls, keys
from holodeck_openstack import listings, minion, nodes, provider, sdk, server
from holodeck_openstack.errors import (
    KeptError,
    NotFoundError,
    OptionError,
    explained,
)

log = logging.getLogger(__name__)

__virtualname__ = "openstack"

_EVENT_FIELDS = ["name", "profile", "provider", "driver"]


def __virtual__():
    """Load when a provider of this driver is configured and openstacksdk is there."""
    if get_configured_provider() is False:
        return False, "no provider with the driver openstack is configured"
    missing = sdk.missing()
    if missing:
        log.warning("The cloud driver openstack does not load: %s", missing)
        return False, missing
    return __virtualname__


def get_configured_provider():
    """
    Return the settings of the provider in use, or False.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-providers
    """
    for key in provider.REQUIRED:
        found = salt.config.is_provider_configured(
            __opts__, _active_alias() or __virtualname__, (key,), log_message=False
        )
        if found:
            return found
    return False


def get_dependencies():
    """
    Return whether openstacksdk is installed.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f get_dependencies mycloud
    """
    return not sdk.missing()


def avail_images(call=None):
    """
    Return the images, with what the cloud says of each.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-images mycloud
    """
    return _list(listings.images, "avail_images", call)


def avail_sizes(call=None):
    """
    Return the flavors: memory in megabytes, disk in gigabytes, processors.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-sizes mycloud
    """
    return _list(listings.sizes, "avail_sizes", call)


def avail_locations(call=None):
    """
    Return the availability zones, and whether each is available.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-locations mycloud
    """
    return _list(listings.zones, "avail_locations", call)


def list_networks(call=None):
    """
    Return the networks that the project sees.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f list_networks mycloud
    """
    return _list(listings.networks, "list_networks", call)


def list_subnets(call=None, kwargs=None):
    """
    Return the subnets.

    kwargs
        ``network``, the name or the id of one network; all by default.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f list_subnets mycloud network=private
    """
    network = (kwargs or {}).get("network")
    return _list(lambda made: listings.subnets(made, network), "list_subnets", call)


def list_nodes(call=None):
    """
    Return the servers with the fields that all clouds have, and their addresses.

    Of two servers with one name the older is listed by that, the younger by its id.

    CLI Example:

    .. code-block:: bash

        salt-cloud -Q
    """
    full = _list(nodes.every, "list_nodes", call)
    return {name: {k: node[k] for k in nodes.FIELDS} for name, node in full.items()}


def list_nodes_full(call=None):
    """
    Return the servers with all that the cloud says of them.

    CLI Example:

    .. code-block:: bash

        salt-cloud -F
    """
    return _list(nodes.every, "list_nodes_full", call)


def list_nodes_min(call=None):
    """
    Return the servers with their ids and states only.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f list_nodes_min mycloud
    """
    return _list(nodes.states, "list_nodes_min", call)


def list_nodes_select(call=None):
    """
    Return the servers with the fields of the option ``query.selection``.

    CLI Example:

    .. code-block:: bash

        salt-cloud -S
    """
    return salt.utils.cloud.list_nodes_select(
        list_nodes_full("function"), __opts__["query.selection"], call
    )


def show_instance(name, call=None):
    """
    Return all that the cloud says of one server.

    name
        Its name or, where several have that, its id.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a show_instance web1
    """
    calls.need_action(call, "show_instance")
    with _errors():
        made = _connect()
        return listings.plain(nodes.described(made, name))


def create(vm_):
    """
    Make a server, make it a minion, and return its description.

    The key that salt-cloud made and accepted gets there by Salt's bootstrap over SSH;
    with ``deploy: False`` the server is left as it boots.

    Raises :class:`salt.exceptions.SaltCloudSystemExit`; then nothing of the server is
    left, its accepted key included, unless the profile says ``keep_failed``; and a host
    that has the name already keeps its own key.

    CLI Example:

    .. code-block:: bash

        salt-cloud -p small web1
    """
    _fire("starting create", "creating", vm_, _EVENT_FIELDS)
    node = request_instance(vm_)
    log.info("Created the server %s, %s", vm_["name"], node["id"])
    _fire("created instance", "created", vm_, _EVENT_FIELDS)
    return node


def request_instance(vm_, call=None):
    """
    Do what :func:`create` does, without its first and last events.

    CLI Example:

    .. code-block:: bash

        salt-cloud -p small web1
    """
    if call is not None:
        raise SaltCloudSystemExit("request_instance: is a part of create; use -p.")
    before = _made().key(vm_["name"])
    with _errors(), calls.accepted_key(vm_, __opts__, KeptError, before):
        chosen = minion.wanted(vm_, __opts__)
        minion.check(vm_, __opts__, chosen)
        data = minion.user_data(vm_, __opts__, chosen.userdata_file)
        made = _connect()
        asked = {"name": vm_["name"], "image": chosen.image, "size": chosen.size}
        _fire("requesting instance", "requesting", asked, ["name", "image", "size"])
        order = server.Order(
            vm_["name"], chosen, data, lambda node: _deploy(vm_, chosen, node),
            _cache(),
        )  # fmt: skip
        return server.create(made, order)


def destroy(name, call=None):
    """
    Remove a server, and the floating address and the key that the driver made for it.

    name
        Its name or, where several have that, its id.

    CLI Example:

    .. code-block:: bash

        salt-cloud -d web1
    """
    if call == "function":
        raise SaltCloudSystemExit("destroy: is an action; use -d or -a destroy.")
    _fire("destroying instance", "destroying", {"name": name}, ["name"])
    with _errors():
        gone = server.destroy(_connect(), name)
        _made().drop(gone.name, gone.id)
    _fire("destroyed instance", "destroyed", {"name": name}, ["name"])
    return {"name": name, "destroyed": True}


def start(name, call=None):
    """
    Start a server that is off, and wait until it is on.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a start web1
    """
    return _act("start", name, call)


def stop(name, call=None):
    """
    Shut a server down in order, and wait until it is off.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a stop web1
    """
    return _act("stop", name, call)


def reboot(name, call=None):
    """
    Shut a server down in order and start it again.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a reboot web1
    """
    return _act("reboot", name, call)


def call(call=None, kwargs=None):
    """
    Call any function of openstacksdk's connection, for what has no function here.

    kwargs
        ``func``, its name; all others are the function's own.

    CLI Example:

    .. code-block:: bash

        salt-cloud -f call mycloud func=list_keypairs
        salt-cloud -f call mycloud func=compute.server_groups
    """
    arguments = dict(kwargs or {})
    function = arguments.pop("func", None)
    if not function:
        raise SaltCloudSystemExit(
            "call: func is missing, a function of openstacksdk's."
        )
    return _list(lambda made: listings.call(made, function, arguments), "call", call)


def _deploy(vm_, chosen, node):
    said = minion.bootstrap(vm_, __opts__, chosen, node, __utils__["cloud.bootstrap"])
    _made().put(vm_["name"], node["id"], vm_.get("pub_key"))
    return {**listings.plain(node), **said}


def _made():
    return keys.Made(__opts__, __virtualname__)


def _act(verb, name, call):
    calls.need_action(call, verb)
    with _errors():
        return {"name": name, "state": server.act(_connect(), verb, name)}


def _list(listing, name, call):
    calls.refuse_action(call, name)
    with _errors():
        return listings.plain(listing(_connect()))


def _connect():
    return provider.connect(get_configured_provider() or {}, _cache() / "tokens")


def _cache():
    return Path(__opts__["cachedir"], "holodeck_openstack")


def _active_alias():
    return calls.alias(__active_provider_name__)


def _fire(message, verb, data, fields):
    calls.fire(__utils__, __opts__, message, verb, data, fields)


@contextlib.contextmanager
def _errors():
    # salt-cloud makes an entry of its own errors; any other aborts the whole call.
    try:
        with calls.errors(), explained("The cloud failed"):
            yield
    except SaltCloudSystemExit as error:
        for ours, theirs in (
            (OptionError, SaltCloudConfigError),
            (NotFoundError, SaltCloudNotFound),
        ):
            if isinstance(error.__cause__, ours):
                raise theirs(str(error)) from error
        raise
