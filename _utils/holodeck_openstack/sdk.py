"""
openstacksdk: the only place that imports it.

It takes most of a second to load, and a master without OpenStack has none: so it is
loaded by whoever connects, not by whoever loads the driver.
"""

import importlib
import importlib.metadata
import logging
import re
import time

from holodeck_openstack import rackspace, tokens

#: What a request may be asked again for: with 500, the cloud's database or queue was
#: away for a moment.
_PASSING = (429, 500, 502, 503, 504)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What keystoneauth waits too before it repeats.
_PAUSES_S = (0.5, 1, 2, 4)
_RETRIES = len(_PAUSES_S)
_ANSWER_S = 60
NETWORK = "network"
_NOT_FOUND = 404
_CONFLICT = 409
_SERVER_ERROR = 500


def is_id(text):
    """Tell whether a text is an id of the cloud's, and not a name that people write."""
    return bool(_ID.fullmatch(text))


def missing():
    """Return what has to be installed for the driver; None when nothing is missing."""
    try:
        importlib.metadata.version("openstacksdk")
    except importlib.metadata.PackageNotFoundError:
        return "openstacksdk is not installed; salt-pip install openstacksdk"
    return None


def connect(settings, clouds_file=None, kept=None):
    """
    Return a connection with a token that the cloud has given.

    settings
        What :func:`holodeck_openstack.provider.settings` returns.
    clouds_file
        Where ``clouds.yaml`` is; the SDK's usual places by default.
    kept
        The folder for tokens that other processes got, see :mod:`tokens`; by default
        the cloud is asked for a new one.
    """
    # What is sent and answered has user data in it, and passwords that nova makes.
    logging.getLogger("keystoneauth").setLevel(logging.INFO)
    config = importlib.import_module("openstack.config")
    loader = config.OpenStackConfig(
        config_files=[clouds_file] if clouds_file else None,
        load_yaml_config="cloud" in settings,
        load_envvars=False,
        app_name="holodeck",
    )
    region = _region(loader, {"api_timeout": _ANSWER_S, **settings})
    session = region.get_session()
    session.request = _patient(session.request)
    connection = importlib.import_module("openstack.connection")
    if kept:
        tokens.share(session.auth, [settings, region.config], kept)
    session.get_token()
    return connection.Connection(config=region)


def regions(connection):
    """Return the names of the regions that have servers to offer."""
    access = connection.session.auth.get_access(connection.session)
    by_type = access.service_catalog.get_endpoints(service_type="compute")
    every = by_type.get("compute", [])
    return sorted({each.get("region_id") or each.get("region") for each in every})


def errors():
    """Return the types of everything that the SDK raises, for an ``except``."""
    return (
        importlib.import_module("openstack.exceptions").SDKException,
        importlib.import_module("keystoneauth1.exceptions").ClientException,
    )


def status(error):
    """Return the HTTP status that an error of the SDK is about; None without."""
    for name in ("status_code", "http_status"):
        if getattr(error, name, None):
            return getattr(error, name)
    return None


def is_gone(error):
    """Tell whether an error says that the thing is not there."""
    return status(error) == _NOT_FOUND


def is_lost(error):
    """Tell whether the cloud may have done what it was asked, for all that is known."""
    known = importlib.import_module("keystoneauth1.exceptions")
    silent = (known.ConnectFailure, known.ConnectTimeout)
    return (
        isinstance(error, silent)
        or _is_cut(error)
        or (status(error) or 0) >= _SERVER_ERROR
    )


def _is_cut(error):
    """Tell whether an answer began and did not end; keystoneauth never repeats it."""
    kind = importlib.import_module("keystoneauth1.exceptions").UnknownConnectionError
    # requests counts an address that is none as an error of the same family.
    return isinstance(error, kind) and not isinstance(error.original, ValueError)


def is_passing(error):
    """Tell whether the same may go well a moment later."""
    return is_lost(error) or status(error) in {_CONFLICT, *_PASSING}


def takes_automatic_networks(connection):
    """Tell whether nova wants to hear of networks, be it that it should choose."""
    utils = importlib.import_module("openstack.utils")
    return utils.supports_microversion(connection.compute, "2.37")


def _region(loader, settings):
    if settings.get("auth_type") != rackspace.API_KEY:
        return loader.get_one(**settings)
    auth = settings["auth"]
    named = {k: v for k, v in settings.items() if k not in {"auth", "auth_type"}}
    region = loader.get_one(validate=False, **named)
    url = auth.get("auth_url") or region.config["auth"]["auth_url"]
    plugin = rackspace.api_key(url, auth["username"], auth["api_key"])
    return rackspace.region(region, plugin)


def _patient(request):
    """
    Return ``request`` so that it repeats what failed in passing and can be repeated.

    A POST makes something each time it arrives, so it is repeated only when the cloud
    says that it did not look at it; a login makes a token, of which there may be two.
    """

    def again(url, method, **kwargs):
        makes = method == "POST" and not url.endswith("/tokens")
        repeat = {
            "retriable_status_codes": [429] if makes else _PASSING,
            "connect_retries": 0 if makes else _RETRIES,
            "status_code_retries": _RETRIES,
        }
        pauses_s = () if makes else _PAUSES_S
        return _uncut(lambda: request(url, method, **{**kwargs, **repeat}), pauses_s)

    return again


def _uncut(ask, pauses_s):
    try:
        return ask()
    except errors() as error:
        if not (pauses_s and _is_cut(error)):
            raise
    time.sleep(pauses_s[0])
    return _uncut(ask, pauses_s[1:])
