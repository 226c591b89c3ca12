"""What salt-cloud asks for when it wants a host: its record, its minion, its key."""

import salt.utils.cloud

from holodeck_cloud import keys
from holodeck_cloud.vm import key, minion_id, setting
from holodeck_nspawn import image, minion, plan

_KEYS = ("image", "size", "memory_mb", "cpus", "disk_mb", "network_mode", "binds")


def record(vm, opts, provider):
    """Return the record of the host that ``vm`` describes; see :mod:`plan`."""
    settings = {key: setting(vm, opts, key) for key in _KEYS}
    settings |= {"name": vm["name"], "profile": vm.get("profile")}
    return {
        **plan.record(settings, cache=provider.cache, ca_bundle=image.ca_bundle()),
        **key(vm, opts),
        "provider": vm["provider"],
    }


def minion_files(vm, opts, provider):
    """Return the files that make the host a minion; none without ``deploy``."""
    if not vm.get("priv_key"):
        return {}
    own = setting(vm, opts, "minion") or {}
    generic = salt.utils.cloud.minion_config(opts, vm)
    configuration = minion.config(
        generic,
        own,
        master=provider.master,
        finger=keys.master_finger(opts, generic["hash_type"]),
    )
    configuration["id"] = minion_id(vm, opts)
    configuration["grains"] = {
        "salt-cloud": {name: vm.get(name) for name in ("driver", "provider", "profile")}
    }
    return minion.files(
        configuration,
        generic["grains"],
        vm["priv_key"],
        vm["pub_key"],
        setting(vm, opts, "environment") or {},
    )
