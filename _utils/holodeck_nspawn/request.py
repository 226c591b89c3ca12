"""What salt-cloud asks for when it wants a host: its record, its minion, its key."""

from pathlib import Path

import salt.config
import salt.utils.cloud
import salt.utils.crypt

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


def key(vm, opts):
    """Return the key that salt-cloud made for the host, and where it is accepted."""
    return {
        "public_key": vm.get("pub_key"),
        "accepted_in": opts["pki_dir"],
        "minion_id": minion_id(vm, opts),
    }


def minion_id(vm, opts):
    """Return the name of the key, as ``salt.cloud.Cloud.create`` puts it together."""
    own = setting(vm, opts, "minion") or {}
    name = own.get("id", vm["name"])
    domain = own.get("append_domain")
    if vm.get("use_fqdn") and vm.get("domain"):
        domain = vm["domain"]
    return f"{name}.{domain}" if domain else name


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
        finger=master_finger(opts, generic["hash_type"]),
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


def master_finger(opts, hash_type):
    """Return the fingerprint of the master's key; None before its first start."""
    path = Path(opts["pki_dir"], "master.pub")
    if not path.is_file():
        return None
    return salt.utils.crypt.pem_finger(str(path), sum_type=hash_type)


def setting(vm, opts, name):
    """Return a setting of the host: from the map, the profile, or the provider."""
    return salt.config.get_cloud_config_value(
        name, vm, opts, default=None, search_global=False
    )
