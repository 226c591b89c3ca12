"""The Python that a bundle is built for and runs on."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from holodeck import confinement, shlibs
from holodeck_build import libraries
from holodeck_io import errors, process

_ASK = (
    "import json, sys; json.dump(['Python ' + sys.version.replace('\\n', ''), "
    "'%d.%d' % sys.version_info[:2], sys.implementation.cache_tag], sys.stdout)"
)
_SYSTEM = Path("/usr/bin")


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
        """
        Return the interpreter at ``wanted``, or the system's.

        Raises :class:`~holodeck_io.errors.HolodeckError` for one that is not here, or
        of no package: hosts could not be told to have it.
        """
        path = str(Path(wanted or "/usr/bin/python3").resolve())
        if not Path(path).is_file():
            raise errors.HolodeckError(
                f"Python {wanted}: is not on this builder; install it here and on the "
                "hosts, or name another in the definition's `python`."
            )
        if Path(path).parent != _SYSTEM:
            # Of the system's own it is asked when a package is made.
            _owner(path)
        # Isolated: no one's site-packages or variables have a say.
        done = process.run([path, "-I", "-S", "-c", _ASK])
        return cls(path, *json.loads(done.stdout))

    @property
    def outside(self):
        """Return its own folder where that is no part of the system, else nothing."""
        home = str(Path(self.path).parents[1])
        within = (confinement.is_within(home, one) for one in confinement.SYSTEM)
        return () if any(within) else (home,)

    def site(self, prefix):
        """Return the site-packages folder of a virtualenv."""
        return Path(prefix, "lib", f"python{self.short}", "site-packages")

    def compiled(self, name):
        """Return where the compiled file of a source lies, seen from its folder."""
        return f"__pycache__/{name.removesuffix('.py')}.{self.tag}.pyc"

    def dependency(self, kind):
        """
        Return the package that provides it, in the format's own words.

        Debian's ``python3.11-minimal`` has the file, ``python3.11`` the standard
        library as well. An rpm depends on the system's own by its path.
        """
        owner = _owner(self.path)
        if kind == "rpm" and Path(self.path).parent == _SYSTEM:
            return self.path
        name = f"python{self.short}"
        return name if owner == f"{name}-minimal" else owner


def _owner(path):
    """Return the name of the package that a file on this builder is of."""
    names = shlibs.aliases(path)
    if shutil.which("dpkg-query"):
        known = libraries.owners(names)
        if package := next((known[name] for name in names if name in known), ""):
            return package.partition(":")[0]
    if shutil.which("rpm"):
        argv = ["rpm", "--query", "--queryformat", r"%{NAME}\n", "--file", path]
        done = process.run(argv, check=False, env=process.PLAIN)
        if done.returncode == 0:
            return done.stdout.splitlines()[0]
    raise errors.HolodeckError(
        f"Python {path}: is of no package on this builder, so the bundle could not "
        "depend on it and hosts may lack it; install it as a package, here and on the "
        "hosts, or name another in the definition's `python`."
    )
