"""
The minions that a provider has taken over, as their master knows them.

Nobody but the master has a list of them. Salt's own driver asks all minions, so that
one that is silent does not exist, under whichever provider it was taken over, and
reads ``/etc/salt/master`` even where salt-cloud was told another folder.
"""

import contextlib
import ipaddress
from pathlib import Path

import salt.cache
import salt.client
import salt.config

_ANSWER_S = 5
_STEP_S = 20
# After its answer has left: systemd would kill the job that asks for it.
_STOP = "systemd-run --on-active=1 systemctl stop salt-minion"


class Minions:
    """
    The minions of one provider.

    opts
        salt-cloud's options.
    provider
        Its name and driver, as in ``rack:saltify``.
    """

    def __init__(self, opts, provider):
        conf = Path(opts["conf_file"]).with_name("master")
        self._opts = salt.config.master_config(str(conf))
        self._cache = salt.cache.factory(self._opts)
        self._provider = provider

    def all(self):
        """Return ``{name: node}``, a node being what salt-cloud lists, and grains."""
        known = self._known()
        answers = self._ask(list(known), "test.ping") if known else {}
        return {
            # Of one that is silent Salt returns a sentence.
            name: _node(grains, "running" if answers.get(name) is True else "silent")
            for name, grains in known.items()
        }

    def profile(self, name):
        """Return the cloud profile that a minion was taken over by, if it was."""
        grains = self._known().get(name)
        return grains["salt-cloud"]["profile"] if grains else None

    def call(self, name, function, *arguments):
        """Return what a minion answers, or Salt's sentence that it does not."""
        return self._ask([name], function, arguments, _STEP_S).get(name)

    def release(self, name, *, clean, shutdown):
        """
        Let a minion go; tell whether it has heard of it.

        clean
            Disable and stop it, and remove its configuration and keys.
        shutdown
            Shut the machine down.
        """
        heard = self.call(name, "test.ping") is True
        if heard and clean:
            places = [
                self.call(name, "config.get", x) for x in ("conf_file", "pki_dir")
            ]
            self.call(name, "service.disable", "salt-minion")
            for place in places:
                if str(place).startswith("/"):
                    self.call(name, "file.remove", place)
            # It would ask to be accepted again, by a new key.
            self.call(name, "cmd.run", _STOP)
        if heard and shutdown:
            self.call(name, "system.shutdown")
        self._cache.flush("grains", name)
        return heard

    def _known(self):
        found = {}
        for path in sorted(Path(self._opts["pki_dir"], "minions").glob("*")):
            grains = self._cache.fetch("grains", path.name)
            origin = (grains or {}).get("salt-cloud") or {}
            if origin.get("provider") == self._provider:
                found[path.name] = grains
        return found

    def _ask(self, names, function, arguments=(), timeout_s=_ANSWER_S):
        with contextlib.closing(_client(self._opts)) as client:
            return client.cmd(names, function, arguments, timeout_s, "list")


def _client(opts):
    client = salt.client.get_local_client(mopts=opts)
    client.close = client.destroy
    return client


def _node(grains, state):
    addresses = [
        ipaddress.ip_address(each)
        for each in [*grains.get("ipv4", ()), *grains.get("ipv6", ())]
    ]
    outer = [x for x in addresses if not (x.is_loopback or x.is_link_local)]
    return {
        **grains,
        "id": grains["id"],
        "image": grains["salt-cloud"]["profile"],
        "size": "",
        "state": state,
        "private_ips": [str(each) for each in outer if each.is_private],
        "public_ips": [str(each) for each in outer if not each.is_private],
    }
