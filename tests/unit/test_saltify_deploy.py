"""What a minion that is taken over is told of its master."""

import hashlib

import pytest
import salt.config

from holodeck_saltify import deploy

_KEY = "-----BEGIN PUBLIC KEY-----\nabcd\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize(
    ("own", "kind"), [({}, "sha256"), ({"hash_type": "sha512"}, "sha512")]
)
def test_tell_finger_as_the_minion_reckons_it(tmp_path, own, kind):
    """The master's own setting is not the minion's: it would refuse its own master."""
    (tmp_path / "master.pub").write_text(_KEY)
    opts = {
        **salt.config.DEFAULT_CLOUD_OPTS, "providers": {}, "profiles": {},
        "pki_dir": str(tmp_path), "hash_type": "md5",
    }  # fmt: skip
    vm = {"name": "web1", "driver": "saltify", "minion": {"master": "m", **own}}
    deploy.tell_finger(vm, opts)
    length = len(hashlib.new(kind).hexdigest())
    assert len(vm["minion"]["master_finger"].replace(":", "")) == length
