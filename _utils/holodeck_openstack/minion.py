"""Making a server a minion, by Salt's own bootstrap over SSH."""

import base64
from pathlib import Path

import salt.utils.cloud
from salt.exceptions import SaltCloudException, SaltRenderError

from holodeck_cloud.vm import setting
from holodeck_io.errors import HolodeckError
from holodeck_openstack import addresses, options
from holodeck_openstack.errors import OptionError

# What of a vm is nobody's business: everything else comes from the provider's file.
_PUBLIC = ("name", "profile", "provider", "driver", "image", "size", "ssh_host")
_NAMES = (*options.NAMES, *options.REPLACED)
# nova takes no more, counted in base64.
_USER_DATA_BYTES = 65535


class Discreet(dict):
    """
    A vm whose copies have no secrets.

    ``salt.utils.cloud.bootstrap`` copies it deeply into the event ``deploying``, with
    the login to the cloud and the minion's private key in it.
    """

    def __deepcopy__(self, memo):
        """Return what everybody may read."""
        return {key: self[key] for key in _PUBLIC if key in self}


def wanted(vm, opts):
    """Return the checked options of a vm; see :mod:`options`."""
    return options.parse({name: setting(vm, opts, name) for name in _NAMES})


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
    if setting(vm, opts, "deploy") is not False and not any(logins):
        raise OptionError(
            "ssh_key_file: is missing, with which Salt logs in; name the private key "
            "of ssh_key_name, or say `deploy: False`"
        )


def bootstrap(vm, opts, chosen, node, deploy):
    """
    Make the server of a node a minion, and return what Salt says of that.

    deploy
        Salt's ``cloud.bootstrap``.
    """
    name, ssh = vm["name"], chosen.ssh_interface
    found = Discreet(vm)
    found["ssh_host"] = addresses.choose(node, ssh, chosen.protocol, chosen.ignore_cidr)
    found["salt_host"] = addresses.choose(
        node, chosen.salt_interface or ssh, chosen.protocol, chosen.ignore_cidr
    )
    if chosen.ssh_key_file:
        found["key_filename"] = chosen.ssh_key_file
    try:
        said = deploy(found, opts)
    except SaltCloudException as error:
        said = {"Error": str(error).strip().rstrip(".")}
    if said.get("Error") and setting(vm, opts, "deploy") is not False:
        raise HolodeckError(
            f"{name}: became no minion at {found['ssh_host']}: {_reason(said)}; look "
            "at ssh_interface, ssh_username, ssh_key_file and script, and keep the "
            "server for a look with `keep_failed: True`."
        )
    return {key: said[key] for key in ("deployed",) if key in said}


def _reason(said):
    error = said["Error"]
    return ", ".join(error.values()) if isinstance(error, dict) else str(error)
