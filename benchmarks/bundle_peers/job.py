"""What a peer is asked for: one commit of an application, built in one place."""

from dataclasses import dataclass
from pathlib import Path

from apps import App

PYTHON = "/usr/bin/python3.11"
# Where the peers' own virtualenvs and archives are installed on a host.
PREFIX = "/opt/bench"


@dataclass(frozen=True)
class Job:
    """
    One build of one peer.

    home
        The folder of this peer in this round: it starts empty, and its ``cache``
        stays over the round's three builds.
    """

    app: App
    change: str
    home: Path

    @property
    def commit(self):
        return self.app.commits[self.change]

    @property
    def folder(self):
        """The folder of this build alone."""
        return self.home / self.change

    @property
    def checkout(self):
        return self.folder / "source"

    @property
    def number(self):
        """A version that grows from change to change."""
        return f"1.{list(self.app.commits).index(self.change) + 1}"

    @property
    def lock(self):
        return self.checkout / "requirements.txt"

    @property
    def env(self):
        """The caches of every tool, inside this round."""
        names = ("PIP_CACHE_DIR", "UV_CACHE_DIR", "PEX_ROOT", "XDG_CACHE_HOME")
        return {
            **{name: self.home / "cache" / name.lower() for name in names},
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_CONFIG": "1",
        }
