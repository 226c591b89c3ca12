"""
Machines that exist already, taken over by ssh: Salt's own driver ``saltify``, mended.

It stands in Salt's own place and has its options, Windows and wake-on-LAN too. What is
different:

- A host that cannot be taken over is one error, at once, which names the host, the
  option and the reason; the key that salt-cloud has accepted is taken back.
- Each provider lists its own hosts, also those that are silent, of the master in
  salt-cloud's own configuration folder.
- Destroying a host stops its minion too; it asked to be accepted again.
- The minion gets the fingerprint of the master's key, as ``master_finger``.
- The event ``salt/cloud/HOST/deploying`` has neither ``password`` nor private keys.

A provider, in ``cloud.providers.d``:

.. code-block:: yaml

    existing:
      driver: saltify
      minion:
        master: 10.0.0.1

A profile, in ``cloud.profiles.d``:

.. code-block:: yaml

    rack:
      provider: existing
      key_filename: /etc/salt/pki/rack.pem
      script: /srv/holodeck/cloud.deploy.d/salt-minion.sh

Each host has an ``ssh_host``; without one its name is its address. In an environment's
definition that is ``each``, in a map of salt-cloud it stands below the host's name.
``docs/clouds.rst`` takes machines over step by step.
"""

import logging

import salt.config
import salt.utils.cloud
from salt.exceptions import SaltCloudNotFound, SaltCloudSystemExit

from holodeck_cloud import calls
from holodeck_io.errors import HolodeckError
from holodeck_saltify import deploy, login, probe
from holodeck_saltify.minions import Minions

log = logging.getLogger(__name__)

_FIELDS = ("id", "image", "size", "state", "private_ips", "public_ips")


def get_configured_provider():
    """
    Return the settings of the provider in use, or False.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-providers
    """
    return salt.config.is_provider_configured(__opts__, _provider() or "saltify", ())


def avail_locations(call=None):
    """
    Return nothing: machines that exist are where they are.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-locations existing
    """
    return {}


def avail_sizes(call=None):
    """
    Return nothing: machines that exist are as large as they are.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-sizes existing
    """
    return {}


def avail_images(call=None):
    """
    Return the profiles of the provider.

    CLI Example:

    .. code-block:: bash

        salt-cloud --list-images existing
    """
    return {"Profiles": list(get_configured_provider().get("profiles", ()))}


def create(vm_):
    """
    Make a machine a minion, with a key that the master has accepted.

    With ``deploy: False`` only try to log in.

    Raises :class:`salt.exceptions.SaltCloudSystemExit` that names the host and the
    option; then its key is not accepted.

    CLI Example:

    .. code-block:: bash

        salt-cloud -m /etc/salt/cloud.maps.d/rack.map
    """
    with calls.errors(), calls.accepted_key(vm_, __opts__):
        if _setting(vm_, "win_installer"):
            return _deploy(vm_)
        entry = login.of(vm_, __opts__)
        if not _setting(vm_, "wake_on_lan_mac"):
            probe.check(entry)
        deploy.tell_finger(vm_, __opts__)
        try:
            return _deploy(vm_)
        except HolodeckError as error:
            raise HolodeckError(f"{error}\n{probe.reason(entry)}") from error


def destroy(name, call=None):
    """
    Let a minion go: stop it, remove its configuration and keys. The machine stays.

    As in Salt's own driver, ``remove_config_on_destroy: False`` of its profile or
    provider leaves the minion as it is, and ``shutdown_on_destroy: True`` shuts the
    machine down. A machine that is silent keeps what it has; its key goes.

    CLI Example:

    .. code-block:: bash

        salt-cloud -d web1
    """
    if call == "function":
        raise SaltCloudSystemExit("destroy: is an action; use -d or -a destroy.")
    _fire("destroying instance", name, "destroying")
    minions = _minions()
    profile = __opts__["profiles"].get(minions.profile(name), {})
    settings = {**get_configured_provider(), **profile}
    heard = minions.release(
        name,
        clean=settings.get("remove_config_on_destroy", True),
        shutdown=settings.get("shutdown_on_destroy", False),
    )
    if not heard:
        log.warning("%s is silent: what its minion has on its disk stays there", name)
    _fire("destroyed instance", name, "destroyed")
    return {"name": name, "destroyed": True, "heard": heard}


def list_nodes(call=None):
    """
    Return the hosts that this provider has taken over, with the usual fields.

    CLI Example:

    .. code-block:: bash

        salt-cloud -Q
    """
    nodes = list_nodes_full(call)
    return {
        name: {field: node[field] for field in _FIELDS} for name, node in nodes.items()
    }


def list_nodes_full(call=None):
    """
    Return the hosts that this provider has taken over, with their grains.

    CLI Example:

    .. code-block:: bash

        salt-cloud -F
    """
    calls.refuse_action(call, "list_nodes")
    return _minions().all()


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
    node = list_nodes_full().get(name)
    if node is None:
        raise SaltCloudNotFound(f"{name}: there is no such host; see salt-cloud -Q.")
    return node


def reboot(name, call=None):
    """
    Boot a host again.

    CLI Example:

    .. code-block:: bash

        salt-cloud -a reboot web1
    """
    calls.need_action(call, "reboot")
    return _minions().call(name, "system.reboot")


def _deploy(vm_):
    return deploy.run(vm_, __opts__, __utils__, _provider())


def _minions():
    return Minions(__opts__, _provider())


def _provider():
    return calls.alias(__active_provider_name__)


def _setting(vm_, name):
    return salt.config.get_cloud_config_value(name, vm_, __opts__, default=None)


def _fire(message, name, verb):
    calls.fire(__utils__, __opts__, message, verb, {"name": name}, ["name"])
