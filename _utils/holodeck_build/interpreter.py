"""The Python that a bundle is built for and runs on."""

import json
from dataclasses import dataclass
from pathlib import Path

from holodeck import confinement
from holodeck_io import errors, process

_ASK = (
    "import json, sys; json.dump(['Python ' + sys.version.replace('\\n', ''), "
    "'%d.%d' % sys.version_info[:2], sys.implementation.cache_tag], sys.stdout)"
)


@dataclass(frozen=True)
class Interpreter:
    """
    One Python.

    ``path`` names the minor version (``/usr/bin/python3.11``): a link ``python3``
    would point elsewhere after a distribution upgrade. ``banner`` is what ``-VV``
    prints, ``short`` is ``3.11``, ``tag`` is in the names of compiled files.
    """

    path: str
    banner: str
    short: str
    tag: str

    @classmethod
    def find(cls, wanted=""):
        """Return the interpreter at ``wanted``, or the system's."""
        path = str(Path(wanted or "/usr/bin/python3").resolve())
        if not Path(path).is_file():
            raise errors.HolodeckError(
                f"Python {wanted}: is not on this builder; install it here and on the "
                "hosts, or name another in the definition's `python`."
            )
        # Isolated: no one's site-packages or variables have a say.
        done = process.run([path, "-I", "-S", "-c", _ASK])
        return cls(path, *json.loads(done.stdout))

    @property
    def outside(self):
        """Return its own folder where that is no part of the system, else nothing."""
        home = str(Path(self.path).parents[1])
        return () if any(map(home.startswith, confinement.SYSTEM)) else (home,)

    def site(self, prefix):
        """Return the site-packages folder of a virtualenv."""
        return Path(prefix, "lib", f"python{self.short}", "site-packages")

    def compiled(self, name):
        """Return where the compiled file of a source lies, seen from its folder."""
        return f"__pycache__/{name.removesuffix('.py')}.{self.tag}.pyc"

    def dependency(self, kind):
        """Return the package that provides it, in the format's own words."""
        return Path(self.path).name if kind == "deb" else self.path
