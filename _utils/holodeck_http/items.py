"""Checks written as data, as pytest items: reported and counted like tests."""

import json
import time

import pytest

from holodeck_http import checks, suite

try:
    import yaml
except ImportError:  # a laptop with JSON checks needs none
    yaml = None


class CheckError(Exception):
    """The answer is not what the check expects."""


class CheckFile(pytest.File):
    """A ``*.checks.json`` or ``*.checks.yaml`` file."""

    @classmethod
    def at(cls, parent, path):
        """Return the collector of ``path``; its id never leads out of the root."""
        if parent.config.rootpath in path.parents:
            return cls.from_parent(parent, path=path)
        return cls.from_parent(parent, path=path, nodeid=path.name)

    def collect(self):
        """Yield one item for each check; a fault of the file is an error."""
        data = self._read()
        problems = checks.problems(data) or checks.query_problems(data)
        if problems:
            raise self.CollectError("\n".join([f"{self.path.name}:", *problems]))
        for name, check in zip(checks.names(data), data, strict=True):
            yield CheckItem.from_parent(self, name=name, check=check)

    def _read(self):
        text = self.path.read_text(encoding="utf-8")
        if self.path.suffix == ".json":
            loads, wrong = json.loads, ValueError
        elif yaml is None:
            raise self.CollectError(f"{self.path.name}: needs PyYAML; install it.")
        else:
            loads, wrong = yaml.safe_load, yaml.YAMLError
        try:
            return loads(text)
        except wrong as error:
            raise self.CollectError(f"{self.path.name}: {error}") from error


class CheckItem(pytest.Item):
    """One check against the service."""

    def __init__(self, *, check, **options):
        super().__init__(**options)
        self.check = check
        for mark in check.get("marks", []):
            self.add_marker(mark)

    def runtest(self):
        """Send the request and compare the answer."""
        app = suite.ready(self.config).app(self)
        method = self.check.get("method", "GET")
        begin = time.monotonic()
        answer = app.request(self.check["path"], method=method, status="*")
        found = checks.faults(self.check, answer, time.monotonic() - begin)
        if found:
            raise CheckError(f"{method} {self.check['path']}: " + "; ".join(found))

    def repr_failure(self, excinfo, style=None):
        """Show a failed check as one line, anything else with its traceback."""
        if isinstance(excinfo.value, CheckError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        """Name the check in pytest's report."""
        return self.path, 0, self.name
