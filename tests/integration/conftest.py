"""One laboratory for all integration tests: a master and six real hosts."""

import os
import subprocess

import pytest

from laboratory import Laboratory, leftovers
from salt_cloud import EMPTY, SaltCloud
from stack import Stack


@pytest.fixture(scope="session")
def world():
    """A master with a git server, and no host yet."""
    laboratory = Laboratory("tests", "hd-tests0", "10.78.0", 25505)
    laboratory.clear()
    before = leftovers(laboratory.lab.home)
    laboratory.open()
    yield laboratory
    if os.environ.get("HOLODECK_KEEP"):
        return
    laboratory.lab.stop()
    assert leftovers(laboratory.lab.home) == before


@pytest.fixture(scope="session")
def first(world):
    """The first release ever: it creates the hosts. ``(exit code, record)``."""
    return world.release("main")


@pytest.fixture
def at_main(world, first):
    """The environment, good at main, whatever the test before left."""
    code, record = world.release("main")
    assert code == 0, record.get("reason", record)
    return world


@pytest.fixture
def ssh_key(tmp_path):
    """The file of a private key; beside it lies the public one."""
    path = tmp_path / "key"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path]
    subprocess.run(argv, check=True)
    return path


@pytest.fixture(scope="session")
def stack():
    """A real OpenStack, which no other run of the tests uses meanwhile."""
    stack = Stack()
    stack.start()
    yield stack
    if not os.environ.get("HOLODECK_KEEP"):
        stack.stop()


@pytest.fixture
def cloud(tmp_path, stack):
    """A salt-cloud of its own; whatever a test leaves in the project is a failure."""
    cloud = SaltCloud(tmp_path, stack)
    yield cloud
    try:
        assert cloud.world() == EMPTY
    finally:
        stack.clear()
