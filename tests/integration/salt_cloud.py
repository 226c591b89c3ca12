"""Salt-cloud as a user has it, with the tests' OpenStack as its provider."""

import subprocess
from pathlib import Path

import salt.cloud
import yaml

_PACK = Path(__file__).resolve().parents[2]
#: A server that is not to be a minion.
PLAIN = {"image": "lab-image", "size": "m1.nano", "deploy": False}
#: A project without servers, and what they leave.
EMPTY = {
    "servers": [],
    "ports": [],
    "floating addresses": [],
    "key pairs": [],
    "minion keys": [],
}


class SaltCloud:
    """
    A configuration in a folder of its own; its provider is ``lab``.

    stack
        The :class:`stack.Stack`.
    profiles
        What stands in ``cloud.profiles.d``, without the provider.
    master
        More of the master's configuration.
    """

    def __init__(self, folder, stack, *, options=None, master=None, **profiles):
        self.folder, self.stack = folder, stack
        # A master makes these at its start; two creations of salt-cloud that run
        # side by side before it did so both try to, and one fails.
        for name in ("minions", "minions_pre", "minions_rejected"):
            (folder / "pki" / name).mkdir(parents=True, exist_ok=True)
        options = options or {"cloud": "lab", "clouds_file": str(stack.clouds)}
        self._write("master", {**self._master(), **(master or {})})
        self._write(
            "cloud",
            {
                "cachedir": str(folder / "cache/cloud"),
                "log_file": str(folder / "cloud.log"),
                "log_level_logfile": "all",
                "query.selection": ["id"],
            },
        )
        self._write(
            "cloud.providers.d/lab.conf",
            {
                "lab": {
                    "driver": "openstack",
                    "keysize": 2048,
                    "minion": {"master": "127.0.0.1"},
                    **options,
                }
            },
        )
        self.profile(plain=PLAIN, **profiles)

    def profile(self, **profiles):
        """Write the profiles anew."""
        self._write(
            "cloud.profiles.d/lab.conf",
            {name: {"provider": "lab", **each} for name, each in profiles.items()},
        )

    @property
    def client(self):
        """A client as a new command has it."""
        return salt.cloud.CloudClient(str(self.folder / "conf/cloud"))

    def create(self, *names, profile="plain"):
        """Create servers in parallel and return an entry for each."""
        return self.client.map_run(map_data={profile: list(names)}, parallel=True)

    def create_unseen(self, name, **own):
        """
        Create a server as when two commands see its name free at the same time.

        Or one, when the cloud was away for a moment. ``own`` is more of the profile.
        """
        vm = {**PLAIN, "name": name, "profile": "plain", "driver": "openstack"}
        cloud = salt.cloud.Cloud(self.client._opts_defaults())
        return cloud.create({**vm, "provider": "lab:openstack", **own})

    def error(self, name, **profile):
        """Create a server that cannot be, and return what the user reads."""
        self.profile(wrong={**PLAIN, **profile})
        return self.create(name, profile="wrong")[name]["Error"]

    def nodes(self):
        """Return what salt-cloud lists."""
        return self.client.query().get("lab", {}).get("openstack", {})

    def act(self, action, name):
        """Run an action on one server and return what it returned."""
        return self.client.action(fun=action, names=[name])["lab"]["openstack"][name]

    def ask(self, function, **arguments):
        """Run a function of the provider and return what it returned."""
        done = self.client.action(fun=function, provider="lab", kwargs=arguments)
        return done["lab"]["openstack"]

    def destroy(self, *names):
        """Destroy servers."""
        return self.client.destroy(list(names))

    def run(self, *words):
        """Run the command ``salt-cloud`` and return the finished process."""
        argv = [_PACK / ".venv/bin/salt-cloud", "-c", self.folder / "conf", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def world(self):
        """Return everything that a server can leave, its accepted key too."""
        keys = sorted(path.name for path in (self.folder / "pki/minions").iterdir())
        return {**self.stack.world(), "minion keys": keys}

    def _master(self):
        return {
            "pki_dir": str(self.folder / "pki"),
            "cachedir": str(self.folder / "cache"),
            "sock_dir": str(self.folder / "run"),
            "log_file": str(self.folder / "master.log"),
            "cloud_dirs": [str(_PACK / "_clouds")],
            "utils_dirs": [str(_PACK / "_utils")],
        }

    def _write(self, name, data):
        path = self.folder / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(data))
