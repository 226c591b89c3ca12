"""The driver's failures, and which option the cloud's own words are about."""

import contextlib
import re

from holodeck_io.errors import HolodeckError
from holodeck_openstack import sdk


class OptionError(HolodeckError):
    """An option of a provider or a profile cannot be right."""


class NotFoundError(HolodeckError):
    """There is no such server."""


class KeptError(HolodeckError):
    """A create failed, and what it made is kept for a look."""


_REFUSED = 401
_REQUEST_ID = re.compile(r" ?\(Request-ID: [^)]*\)")
# What nova and neutron say, from the particular to the general, and the option that it
# is about.
_ABOUT = (
    (r"availability.?zone", "availability_zone"),
    (r"no valid host|exhausted all hosts", "size, availability_zone or server_group"),
    (r"anti-?affinity|server.?group", "server_group"),
    (r"scheduler.?hint", "scheduler_hints"),
    (r"key.?pair|public key|key_name", "ssh_key_name"),
    (r"user.?data", "userdata_file"),
    (r"config.?drive", "config_drive"),
    (r"metadata", "meta"),
    (r"block.?device|volume|cinder", "volume_gb"),
    (r"security.?group", "security_groups"),
    (r"floating.?ip", "floating_ip"),
    (r"fixed.?ip|network|subnet|\bport\b|ip address", "networks"),
    (r"\bram\b|\bcores\b|\bdisk\b|flavor|memory", "size"),
    (r"image", "image"),
)


# What the same words are about where the profile has the other option.
_OTHERWISE = {"volume_gb": "boot_volume", "ssh_key_name": "public_key_file"}


def option(text, chosen=None):
    """
    Return the option that a message of the cloud is about; None where unknown.

    chosen
        The :class:`~holodeck_openstack.options.Options` of the server, if it is made.
    """
    for pattern, name in _ABOUT:
        if re.search(pattern, text, re.IGNORECASE):
            other = _OTHERWISE.get(name)
            return other if other and getattr(chosen, other, None) else name
    return None


@contextlib.contextmanager
def explained(what, advice="see the cloud's own log"):
    """
    Turn what the SDK raises into a :class:`HolodeckError`.

    what
        What was attempted, as the message begins.
    advice
        What to do about it, where no option is to blame.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, sdk.errors()):
            raise
        if sdk.status(error) == _REFUSED:
            # A kept token has ended, and then the login itself was refused.
            advice = "check what is in the provider's auth"
        raise HolodeckError(f"{what}: {said(error)}; {advice}.") from error


@contextlib.contextmanager
def blamed(name, chosen, default=None):
    """
    Do the same for a server that is made, with the option that is to blame.

    chosen
        Its :class:`~holodeck_openstack.options.Options`.
    default
        The option where the cloud's words tell of none.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, sdk.errors()):
            raise
        words = said(error)
        raise HolodeckError(f"{name}: {blame(words, chosen, default)}.") from error


def blame(words, chosen=None, default=None):
    """Return a message of the cloud with the option in front that it is about."""
    about = option(words, chosen)
    if "quota" in words.lower():
        lead = f"{about}: " if about else ""
        return f"{lead}{words}; destroy what is not needed, or ask for a higher quota"
    about = about or default
    return f"{about}: {words}" if about else words


def said(error):
    """Return an error in one line, with the cloud's own words where it has some."""
    words = getattr(error, "details", None) or getattr(error, "message", None) or error
    text = _REQUEST_ID.sub("", " ".join(str(words).split()))
    code = sdk.status(error)
    shown = f"{text} (HTTP {code})" if code and str(code) not in text else text
    return shown.rstrip(".")
