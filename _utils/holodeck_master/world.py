"""Everything a release works with, in one hand."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import salt.key

from holodeck_io import pack
from holodeck_master import cloud, fleet, pillar, records, store, telling


@dataclass(frozen=True)
class World:
    """The definition, the memory, and the hands of one runner."""

    opts: dict
    definition: object
    records: records.Records
    fleet: fleet.Fleet
    cloud: cloud.Cloud
    say: Callable
    pack: str
    texts: Path
    announce: Callable
    screen: object = None

    @classmethod
    def open(cls, opts, say, pack_home, screen=None):
        """
        Read the definition and connect to everything.

        say
            Called with ``(phase, message)`` for each thing worth knowing.
        screen
            The :class:`~holodeck_master.terminal.Terminal` that shows hosts as rows.
        pack_home
            The folder that holds ``_modules`` and ``salt`` of this pack.
        """
        return cls(
            opts=opts,
            definition=pillar.load(opts),
            records=records.Records(opts),
            fleet=fleet.Fleet(opts),
            cloud=cloud.Cloud(opts),
            say=say,
            pack=pack.digest(pack_home / "_modules"),
            texts=pack_home / "salt/holodeck/files",
            announce=telling.announcer(opts),
            screen=screen,
        )

    def note(self, phase, hosts, words):
        """Tell that hosts have come so far."""
        if self.screen:
            self.screen.note(phase, hosts, words)
        else:
            self.say(phase, f"{', '.join(hosts)}: {words}")

    def expect(self, phase, hosts):
        """Show hosts whose turn is to come, where there is a screen."""
        if self.screen:
            self.screen.expect(phase, hosts)

    def present(self):
        """Return the same world with environments that have the hosts of by now."""
        definition = pillar.present(self.definition, self.records)
        return dataclasses.replace(self, definition=definition)

    @property
    def store(self):
        """The packages that hosts fetch."""
        return store.Store(self.opts)

    @property
    def accepted(self):
        """The minions whose keys this master has accepted."""
        return set(salt.key.get_key(self.opts).list_keys()["minions"])

    def mark(self, environment, role):
        """Return the mark of the pillar that a role's hosts should have."""
        return pillar.mark(self.records, self.definition, environment, role)

    def text(self, name):
        """Return a file of the pack: a template, a lock."""
        return (self.texts / name).read_text(encoding="utf-8")
