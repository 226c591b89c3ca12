"""How salt-cloud calls a driver: as a function or an action, with errors of its own."""

import contextlib
from pathlib import Path

from salt.exceptions import SaltCloudSystemExit

from holodeck_cloud import keys, vm
from holodeck_io.errors import HolodeckError


def alias(active):
    """Return the provider in use: ``__active_provider_name__`` is a text or a proxy."""
    try:
        return active.value()
    except AttributeError:
        return active


def refuse_action(call, function):
    """Raise when a function was called as an action."""
    if call == "action":
        raise SaltCloudSystemExit(f"{function}: is a function; use -f or --function.")


def need_action(call, function):
    """Raise when an action was not called as one."""
    if call != "action":
        raise SaltCloudSystemExit(f"{function}: is an action; use -a or --action.")


@contextlib.contextmanager
def errors():
    """Turn the pack's errors into salt-cloud's: any other aborts the whole call."""
    try:
        yield
    except (HolodeckError, OSError) as error:
        raise SaltCloudSystemExit(str(error)) from error


@contextlib.contextmanager
def accepted_key(vm_, opts, kept=(), before=None):
    """
    Take the key back that salt-cloud has accepted already, when anything fails.

    kept
        The error that says that the host was kept all the same, and so its key.
    before
        The public key of a host that has the name already; see :func:`keys.forget`.
    """
    try:
        yield
    except kept:
        raise
    except BaseException:
        keys.forget(vm.key(vm_, opts), before)
        raise


def fire(utils, opts, message, verb, data, fields):
    """
    Fire one of salt-cloud's events, ``salt/cloud/NAME/VERB``.

    utils, opts
        The driver's ``__utils__`` and ``__opts__``.
    fields
        What of ``data`` the event has.
    """
    # Without a master to hear it, each event would wait a second.
    if not Path(opts["sock_dir"], "master_event_pull.ipc").exists():
        return
    utils["cloud.fire_event"](
        "event",
        message,
        f"salt/cloud/{data['name']}/{verb}",
        args=utils["cloud.filter_event"](verb, data, fields),
        sock_dir=opts["sock_dir"],
        transport=opts["transport"],
    )
