"""What Salt's bootstrap tells of a host, without what nobody else should know."""

import contextlib

from salt.utils.context import func_globals_inject

# Of what salt-cloud deploys by, all that a bus may hear.
_TOLD = ("name", "host", "port", "username")
# … and a map that makes a master has to.
_RETURNED = (*_TOLD, "salt_host")


@contextlib.contextmanager
def discreet(bootstrap):
    """
    Have Salt's ``cloud.bootstrap`` tell the bus nothing but where it logs in.

    Its event ``deploying`` has every option of the host: the login to the cloud, the
    minion's private key, the scripts' arguments and environment, the way's gateway.
    """
    aloud = bootstrap.__globals__["fire_event"]
    with func_globals_inject(bootstrap, fire_event=_quiet(aloud)):
        yield


def answer(said):
    """
    Return what a bootstrap returned, without those options.

    Salt strips them from what a profile or a parallel map returns; a serial map shows
    them on the screen.
    """
    if "deploy_kwargs" not in said:
        return said
    return {**said, "deploy_kwargs": _only(said["deploy_kwargs"], _RETURNED)}


def _quiet(aloud):
    """Return Salt's function that fires events, without passwords and private keys."""

    def fire(*words, args=None, **rest):
        told = (args or {}).get("kwargs")
        if told is not None:
            args = {"kwargs": {key: told.get(key) for key in _TOLD}}
        return aloud(*words, args=args, **rest)

    return fire


def _only(told, names):
    return {name: told[name] for name in names if name in told}
