"""A provider's settings: which cloud, and how to log in."""

import re

from holodeck_io.errors import HolodeckError
from holodeck_openstack import rackspace, sdk
from holodeck_openstack.errors import OptionError, said

#: One of these makes a provider of this driver complete.
REQUIRED = ("cloud", "auth")
_REFUSED = (401, 403)
# Of the logins with a user, those that need nothing else: v3totp has a passcode.
_BY_PASSWORD = ("password", "v2password", "v3password", "v3oidcpassword")
# Everything else in a provider is Salt's, or a default for profiles.
_OURS = re.compile(
    r"cloud|region_name|auth|auth_type|profile|interface|verify|cacert|cert|key|"
    r"api_timeout|[a-z_]+_(endpoint_override|api_version|interface|service_type|"
    r"service_name|default_microversion)"
)


def settings(options):
    """
    Return what openstacksdk is to know, of a provider's ``options``.

    Raises :class:`OptionError` that names every fault and shows no value of ``auth``.
    """
    found = list(_faults(options))
    if found:
        raise OptionError(f"openstack provider: {'; '.join(found)}.")
    return {
        key: value
        for key, value in options.items()
        if _OURS.fullmatch(key) and value is not None
    }


def connect(options, kept=None):
    """
    Return a connection to the cloud of a provider's ``options``, logged in.

    kept
        The folder for tokens that the processes of this master share.

    Raises :class:`OptionError` where the options are at fault, and
    :class:`HolodeckError` where the cloud does not answer.
    """
    known = settings(options)
    try:
        connection = sdk.connect(known, options.get("clouds_file"), kept)
        legal = sdk.regions(connection)
    except sdk.errors() as error:
        kind = HolodeckError if sdk.is_lost(error) else OptionError
        raise kind(f"openstack provider: {_about(known, error)}.") from error
    region = connection.config.region_name
    if len(legal) > 1 and not region:
        # The SDK would take whichever the catalogue has first.
        raise OptionError(
            "openstack provider: region_name: is missing; there are "
            f"{', '.join(legal)}."
        )
    if legal and region and region not in legal:
        raise OptionError(
            f"openstack provider: region_name: {region!r} has no servers; there are "
            f"{', '.join(legal)}."
        )
    return connection


def _about(known, error):
    words = said(error)
    if sdk.is_lost(error):
        return f"the cloud does not answer: {words}; check auth_url and the network"
    if sdk.status(error) in _REFUSED:
        return f"auth: the cloud refuses the login: {words}; check what is in auth"
    option = "cloud" if "cloud" in known and "was not found" in words else "auth"
    return f"{option}: {words}"


def _is_by_password(options, auth):
    kind = options.get("auth_type") or "password"
    return bool({"username", "user_id"} & auth.keys()) and kind in _BY_PASSWORD


def _faults(options):
    auth = options.get("auth", {})
    if not isinstance(auth, dict):
        yield "auth: should have entries such as auth_url, username and password"
        return
    if "cloud" in options:
        return
    if options.get("auth_type") == rackspace.API_KEY:
        for key in ("username", "api_key"):
            if not auth.get(key):
                yield f"auth: {key} is missing, which the login by API key needs"
    elif _is_by_password(options, auth) and not auth.get("password"):
        yield "auth: password is missing, which the login by username needs"
    elif not (auth.get("auth_url") or options.get("profile")):
        yield (
            "auth: auth_url is missing, such as https://keystone.example.org/v3; or "
            "name a cloud of clouds.yaml as `cloud`"
        )
