"""Tokens that processes share: which is taken, which is not, and who can read them."""

import datetime as dt
import logging
import os
import stat
import time

import pytest
from keystoneauth1 import access
from keystoneauth1.identity import v3

from holodeck_openstack import rackspace, tokens

_URL = "https://keystone.example.org/v3"


class _Password(v3.Password):
    """A login whose cloud gives the tokens ``token-1``, ``token-2``, …"""

    given = 0
    life_s = 86400
    refuses = False

    def get_auth_ref(self, session):
        """Return the next token."""
        del session
        if type(self).refuses:
            raise PermissionError("refused")
        type(self).given += 1
        now = dt.datetime.now(dt.timezone.utc)
        end = (now + dt.timedelta(seconds=self.life_s)).isoformat()
        body = {"token": {"expires_at": end, "issued_at": now.isoformat()}}
        return access.create(body=body, auth_token=f"token-{type(self).given}")


@pytest.fixture(autouse=True)
def cloud(monkeypatch):
    """A cloud that gave no token yet."""
    for name, value in (("given", 0), ("life_s", 86400), ("refuses", False)):
        monkeypatch.setattr(_Password, name, value)
    return _Password


@pytest.fixture
def folder(tmp_path):
    """The folder for tokens, which is not there yet."""
    return tmp_path / "cache/tokens"


def _login(folder, password="hush"):
    """Return a login as a process of its own has it."""
    plugin = _Password(_URL, username="me", password=password)
    tokens.share(plugin, {"auth": {"username": "me", "password": password}}, folder)
    return plugin


def _token(folder, password="hush"):
    return _login(folder, password).get_token(None)


def _kept(folder):
    """Return the only token file."""
    [path] = folder.glob("*.json*")
    return path


def test_next_process_takes_the_token(folder):
    """One login is enough for all."""
    assert [_token(folder) for _ in range(3)] == ["token-1"] * 3


def test_other_secret_never_gets_the_token(folder):
    """A password that is wrong now is tried, whatever another one got before."""
    assert _token(folder) == "token-1"
    assert _token(folder, "other") == "token-2"
    assert _token(folder) == "token-1"


def test_token_that_soon_expires_is_not_taken(folder, cloud, monkeypatch):
    """A server that boots for long does not outlive its token."""
    monkeypatch.setattr(cloud, "life_s", 600)
    assert [_token(folder), _token(folder)] == ["token-1", "token-2"]


def test_old_token_is_not_taken(folder):
    """The catalogue that came with it may have changed."""
    _token(folder)
    old = time.time() - 3700
    os.utime(_kept(folder), (old, old))
    assert _token(folder) == "token-2"


def test_old_tokens_do_not_pile_up(folder):
    """What nobody will take any more goes, when another one is kept."""
    _token(folder)
    old = time.time() - 3700
    os.utime(_kept(folder), (old, old))
    _token(folder, "other")
    assert b"token-2" in _kept(folder).read_bytes()


def test_refused_token_is_replaced_for_all(folder):
    """Who finds out that it was revoked logs in, and the others take the new one."""
    _token(folder)
    login = _login(folder)
    assert login.invalidate()
    assert [login.get_token(None), _token(folder)] == ["token-2"] * 2


def test_refused_login_leaves_no_token(folder, cloud, monkeypatch):
    """After a password was changed in the cloud, the next command says so at once."""
    _token(folder)
    login = _login(folder)
    login.invalidate()
    monkeypatch.setattr(cloud, "refuses", True)
    with pytest.raises(PermissionError):
        login.get_token(None)
    assert not list(folder.glob("*.json*"))


def test_only_the_owner_reads_it(folder):
    """A token is a login; its name tells neither a password nor a token."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    _token(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (_kept(folder), folder / "key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"hush" not in _kept(folder).read_bytes()


def test_name_needs_the_key(folder, tmp_path):
    """The same login has another name with another key: it cannot be guessed."""
    _token(folder)
    _token(tmp_path / "other")
    assert _kept(folder).name != _kept(tmp_path / "other").name


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff", b"{", b"[]", b"7", b"null", b'{"body": {}, "auth_token": "x"}',
        b'{"body": {"token": {}}, "auth_token": "x"}',
        b'{"body": {"token": 7}, "auth_token": "x"}',
        b'{"body": {"token": {"expires_at": 7}}, "auth_token": "x"}',
        b'{"body": {"token": {"expires_at": "2999-01-01"}}, "auth_token": null}',
    ],
)  # fmt: skip
def test_garbage_is_replaced(folder, content):
    """A file that was cut, or is another version's, is no error."""
    _token(folder)
    _kept(folder).write_bytes(content)
    assert [_token(folder), _token(folder)] == ["token-2"] * 2


@pytest.mark.parametrize("key", [b"", b"short"])
def test_key_that_was_cut(folder, key):
    """A new key ends the old tokens, and nothing else."""
    _token(folder)
    (folder / "key").write_bytes(key)
    assert [_token(folder), _token(folder)] == ["token-2"] * 2


def test_file_that_cannot_be_read(folder):
    """Then the process logs in by itself."""
    _token(folder)
    path = _kept(folder)
    path.unlink()
    path.mkdir()
    assert _token(folder) == "token-2"


def test_folder_that_cannot_be_made(tmp_path, caplog):
    """A cache that cannot be written is no error."""
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.DEBUG):
        assert _token(tmp_path / "file/tokens") == "token-1"
    assert "are not shared" in caplog.text


def test_folder_of_somebody_else(tmp_path, folder):
    """A link to another place is not followed: its owner could send us anywhere."""
    (tmp_path / "theirs").mkdir()
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "theirs")
    assert [_token(folder), _token(folder)] == ["token-1", "token-2"]
    assert not list((tmp_path / "theirs").iterdir())


def test_no_log_has_a_token(folder, caplog):
    """Nor has any a password."""
    with caplog.at_level(logging.DEBUG):
        _token(folder)
        _login(folder).invalidate()
        _token(folder)
    assert "token-1" not in caplog.text
    assert "hush" not in caplog.text


def test_login_that_the_settings_do_not_tell_all_of(folder, monkeypatch):
    """With a Kerberos ticket, say, equal settings may be another user."""
    monkeypatch.setattr(_Password, "get_cache_id", lambda _self: None)
    assert [_token(folder), _token(folder)] == ["token-1", "token-2"]
    assert not folder.exists()


def test_api_key_of_rackspace_is_shared():
    """The login by API key depends on what is in the provider alone."""
    made = [rackspace.api_key(_URL, "me", key) for key in ("a", "a", "b")]
    ids = [plugin.get_cache_id() for plugin in made]
    assert ids[0] == ids[1] != ids[2]
    assert all(ids)
