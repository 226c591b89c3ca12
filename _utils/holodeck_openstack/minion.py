"""Making a server a minion, by Salt's own bootstrap over SSH."""

import base64
from pathlib import Path

import salt.config
import salt.utils.cloud
from salt.exceptions import SaltCloudException, SaltRenderError

from holodeck_cloud import bus
from holodeck_cloud.vm import setting
from holodeck_io.errors import HolodeckError
from holodeck_openstack import addresses, options
from holodeck_openstack.errors import OptionError

# nova takes no more, counted in base64.
_USER_DATA_BYTES = 65535


def wanted(vm, opts):
    """Return the checked options of a vm; see :mod:`options`."""
    given = {name: setting(vm, opts, name) for name in options.NAMES}
    # /etc/salt/cloud is Salt's, and ends up in each vm: `timeout` means another there.
    for name in options.REPLACED:
        value = setting(vm, opts, name)
        given[name] = None if value == opts.get(name) else value
    return options.parse(given)


def user_data(vm, opts, path):
    """
    Return a user data file's content in base64, rendered where the profile says so.

    Raises :class:`OptionError` when it cannot be read, or is too long for nova.
    """
    if not path:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise OptionError(f"userdata_file: {path} cannot be read: {error}") from error
    try:
        rendered = salt.utils.cloud.userdata_template(opts, vm, text)
    except SaltRenderError as error:
        raise OptionError(
            f"userdata_file: {path} cannot be rendered: {error}"
        ) from error
    encoded = base64.b64encode(rendered.encode()).decode()
    if len(encoded) > _USER_DATA_BYTES:
        raise OptionError(
            f"userdata_file: {path} has {len(encoded)} bytes in base64; nova takes "
            f"{_USER_DATA_BYTES}"
        )
    return encoded


def check(vm, opts, chosen):
    """Raise :class:`OptionError` when a minion is wanted and no login can work."""
    path = chosen.ssh_key_file
    if path and not Path(path).is_file():
        raise OptionError(f"ssh_key_file: {path} does not exist")
    logins = (path, setting(vm, opts, "password"), opts.get("ssh_agent"))
    if _needs_login(vm, opts) and not any(logins):
        raise OptionError(
            "ssh_key_file: is missing, with which Salt logs in; name the private key "
            "of ssh_key_name, or say `deploy: False`"
        )


def bootstrap(vm, opts, chosen, node, deploy):
    """
    Make the server of a node a minion, and return what Salt says of that.

    deploy
        Salt's ``cloud.bootstrap``.

    Without ``deploy``, which ``--no-deploy`` says too, nothing is done.
    """
    if not _needs_login(vm, opts):
        return {}
    name, ssh, found = vm["name"], chosen.ssh_interface, dict(vm)
    found["ssh_host"] = addresses.choose(node, ssh, chosen.protocol, chosen.ignore_cidr)
    found["salt_host"] = addresses.choose(
        node, chosen.salt_interface or ssh, chosen.protocol, chosen.ignore_cidr
    )
    if chosen.ssh_key_file:
        found["key_filename"] = chosen.ssh_key_file
    try:
        with bus.discreet(deploy):
            said = deploy(found, opts)
    except SaltCloudException as error:
        said = {"Error": str(error).strip().rstrip(".")}
    if said.get("Error"):
        raise HolodeckError(
            f"{name}: became no minion at {found['ssh_host']}: {_reason(said)}; look "
            "at ssh_interface, ssh_username, ssh_key_file and script, and keep the "
            "server for a look with `keep_failed: True`."
        )
    told = bus.answer(said)
    return {key: told[key] for key in ("deployed", "deploy_kwargs") if key in told}


def _needs_login(vm, opts):
    """Tell whether Salt's bootstrap has something to do, as it finds out itself."""
    return any(
        salt.config.get_cloud_config_value(name, vm, opts, default=None)
        for name in ("deploy", "inline_script")
    )


def _reason(said):
    error = said["Error"]
    return ", ".join(error.values()) if isinstance(error, dict) else str(error)
