"""What salt-cloud hands a driver that makes a host: its settings, an accepted key."""

import salt.config


def setting(vm, opts, name, default=None):
    """Return a setting of the host: from the map, the profile, or the provider."""
    return salt.config.get_cloud_config_value(
        name, vm, opts, default=default, search_global=False
    )


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
