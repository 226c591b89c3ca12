"""Salt's own driver at work, with less to say on the bus and more when it fails."""

import re

import salt.cloud.clouds.saltify as salts_own
import salt.config
from salt.exceptions import SaltCloudException
from salt.utils.context import func_globals_inject

from holodeck_cloud import bus, keys
from holodeck_io.errors import HolodeckError

# Options of ssh in an error of Salt's, which are the same for every host.
_NOISE = re.compile(r" -o\S+| -t(?= )")


def run(vm, opts, utils, provider):
    """
    Make a machine a minion and return what Salt's own driver says of it.

    utils
        The loader's ``__utils__``, whose bootstrap tells the bus every option.

    Raises :class:`HolodeckError` where Salt's own says so, or returns False.
    """
    bootstrap = utils["cloud.bootstrap"]
    of_driver = {
        "__opts__": opts,
        "__utils__": utils,
        "__active_provider_name__": provider,
    }
    try:
        with (
            bus.discreet(bootstrap),
            func_globals_inject(salts_own.create, **of_driver),
        ):
            answer = salts_own.create(vm)
    except SaltCloudException as error:
        shown = _NOISE.sub("", str(error))
        raise HolodeckError(f"Host {vm['name']}: is no minion: {shown}") from error
    error = answer.get("Error") if isinstance(answer, dict) else not answer
    if error:
        why = error if isinstance(error, dict) else "it does not let salt-cloud in"
        raise HolodeckError(f"Host {vm['name']}: is no minion: {why}")
    return bus.answer(answer) if isinstance(answer, dict) else {"name": vm["name"]}


def tell_finger(vm, opts):
    """Let the minion refuse any other master at its first start."""
    own = dict(
        salt.config.get_cloud_config_value("minion", vm, opts, default=None) or {}
    )
    # The minion reckons by its own setting, whatever the master's is.
    finger = keys.master_finger(opts, own.get("hash_type", "sha256"))
    if finger and isinstance(own.get("master"), str):
        own.setdefault("master_finger", finger)
        vm["minion"] = own
