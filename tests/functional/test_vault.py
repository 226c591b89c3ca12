"""Secrets in Vault, by Salt's own extension and a real server of Vault's API."""

import dataclasses
import re
from pathlib import Path

import pytest
import salt.config
import salt.crypt
import salt.minion
import salt.pillar
import salt.utils.event
import vault_server
import yaml
from fake_world import config_of, opened, started
from waiting import free_port

from holodeck_io.errors import HolodeckError
from holodeck_master import pillar, records

_PACK = Path(__file__).parents[2]
# YAML and units would read more into it than text.
_PASSWORD = "hush: 'seven' #7"
_INI = '[secret]\nkey = "hushed: %(file)s"\n'
_SIGNING = "w" * 20 + "-of-the-webhook"
_SDB = "sdb://our_vault/secret/holodeck/webhook?guestbook"

_DEFINITION = """\
holodeck:
  services:
    guestbook:
      repository: git://example.org/guestbook.git
      processes: {{web: gunicorn app}}
      port: 8000
      suite: tests/http
      files:
        guestbook.ini: {file}
  environments:
    demo:
      hosts:
        web: {{profile: small, count: 3}}
        balancer: {{profile: small, count: 1}}
        tester: {{profile: small, count: 1}}
        builder: {{profile: small, count: 1}}
      services:
        guestbook:
          listen: '*:80'
          settings:
            GREETING: hello
            PASSWORD: {setting}
"""


def _read(path, key):
    return f"{{{{ salt['vault.read_secret']('{path}', '{key}') | json }}}}"


_SETTING = _read("secret/holodeck/guestbook", "password")
_FILE = _read("secret/holodeck/guestbook", "ini")
_BY_JINJA = _DEFINITION.format(setting=_SETTING, file=_FILE)
# Both keys stand there without a value, which the external pillar has to give.
_BY_EXTERNAL_PILLAR = _DEFINITION.format(setting="", file="")
# Good for the secrets of one rendering, and for a minute at most.
_TOKEN = {"explicit_max_ttl": 60, "num_uses": 0}
_HOLODECK = {"holodeck": {}}
_EXTERNAL = {"vault": "secret/{minion}/pillar"}


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """A server that has the secrets of a service."""
    with vault_server.running(tmp_path_factory.mktemp("vault")) as server:
        server.keep("holodeck/guestbook", password=_PASSWORD, ini=_INI)
        server.keep("holodeck/webhook", guestbook=_SIGNING)
        server.keep("foreign/guestbook", password=_PASSWORD, guestbook=_SIGNING)
        services = {"guestbook": {"files": {"guestbook.ini": _INI}}}
        places = {"guestbook": {"settings": {"PASSWORD": _PASSWORD}}}
        tree = {"services": services, "environments": {"demo": {"services": places}}}
        server.keep("holodeck/pillar", holodeck=tree)
        yield server


@pytest.fixture(autouse=True)
def events(monkeypatch):
    """What would be told on the master's event bus, which nobody serves here."""
    told = []

    def fire(_self, data, tag, *_words, **_options):
        # As it is now: Salt goes on working with what it told.
        told.append(f"{tag} {data}")
        return True

    monkeypatch.setattr(salt.utils.event.SaltEvent, "fire_event", fire)
    return told


@pytest.fixture
def opts(tmp_path, vault):
    """The options of a master that knows the vault, as docs/releases.rst has them."""
    for folder in ("pillar", "pki", "sock", "cache/proc"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pillar/top.sls").write_text("base:\n  holodeck:\n    - holodeck\n")
    (tmp_path / "pillar/holodeck.sls").write_text(_BY_JINJA)
    found = {
        **salt.config.master_config(None),
        "cachedir": str(tmp_path / "cache"),
        "pki_dir": str(tmp_path / "pki"),
        "sock_dir": str(tmp_path / "sock"),
        "conf_file": str(tmp_path / "master"),
        "pillar_roots": {"base": [str(tmp_path / "pillar")]},
        "module_dirs": [str(_PACK / "salt")],
        "ext_pillar": [_HOLODECK],
        "our_vault": {"driver": "vault"},
        "vault": {
            "server": {"url": vault.url},
            "auth": vault.auth,
            "issue": {"token": {"role_name": "salt", "params": _TOKEN}},
            "policies": {"assign": ["saltstack/{minion}"]},
        },
    }
    salt.crypt.MasterKeys({**found, "keysize": 2048})
    return found


def _rewrite(opts, text):
    Path(opts["pillar_roots"]["base"][0], "holodeck.sls").write_text(text)
    return opts


def _external(opts):
    """Return the options of a master whose external pillar fills the definition."""
    return {
        **_rewrite(opts, _BY_EXTERNAL_PILLAR), "ext_pillar": [_EXTERNAL, _HOLODECK]
    }  # fmt: skip


def _down(opts):
    """Return the options of a master whose vault is away."""
    server = {"url": f"http://127.0.0.1:{free_port()}"}
    away = {**opts["vault"], "server": server, "client": {"max_retries": 0}}
    return {**opts, "vault": away}


def _reactors(opts):
    """Return what a reactor's file has as its options."""
    return salt.minion.MasterMinion({**opts, "file_client": "local"}).opts


def _compiled(opts, minion):
    return salt.pillar.Pillar(
        {**opts}, {"id": minion}, minion, "base", ext=None
    ).compile_pillar()


def _telling(opts, *more):
    """Return what nobody may be told."""
    return ["hush", _SIGNING, opts["vault"]["auth"]["secret_id"], *more]


@pytest.mark.parametrize("way", [dict, _external], ids=["jinja", "external"])
def test_settings_and_files_come_from_vault(opts, way):
    """Web hosts' own pillar has them to the letter; no other host's has any."""
    opts = way(opts)
    service, _, placement = pillar.load(opts).placement("guestbook", "demo")
    assert placement.settings == {"GREETING": "hello", "PASSWORD": _PASSWORD}
    assert service.files == {"guestbook.ini": _INI}
    web = _compiled(opts, "demo-web1")
    guestbook = web["holodeck"]["services"]["guestbook"]
    assert guestbook["settings"]["PASSWORD"] == _PASSWORD
    assert guestbook["files"] == {"guestbook.ini": _INI}
    config = pillar.config_digest(records.Records(opts), service, placement)
    assert guestbook["config"] == config
    for minion in ("demo-tester1", "stranger"):
        found = _compiled(opts, minion)
        assert "hush" not in str(found)
        assert "_errors" not in found


@pytest.mark.parametrize("way", [dict, _reactors], ids=["runner", "reactor"])
def test_webhooks_secret_comes_from_vault(opts, way):
    """The policy of one id is enough, in each process and whatever it did before."""
    opts = way(opts)
    assert pillar.revealed(opts, _SDB) == _SIGNING
    pillar.load(opts)
    assert pillar.revealed(opts, _SDB) == _SIGNING


_FOREIGN = _read("secret/foreign/guestbook", "password")
_ABSENT = _read("secret/holodeck/nothing", "password")
_KEYLESS = _read("secret/holodeck/guestbook", "nothing")
_REFUSALS = {
    "policy": (_FOREIGN, dict, "VaultPermissionDeniedError"),
    "path": (_ABSENT, dict, "VaultNotFoundError"),
    "key": (_KEYLESS, dict, "KeyError"),
    "down": (_SETTING, _down, "ConnectionError"),
}


@pytest.mark.parametrize("case", _REFUSALS)
def test_jinja_that_vault_does_not_answer_is_an_error(opts, caplog, case):
    """The error names the setting and the kind; the log too has nothing secret."""
    expression, way, kind = _REFUSALS[case]
    opts = way(_rewrite(opts, _DEFINITION.format(setting=expression, file=_FILE)))
    with pytest.raises(HolodeckError) as caught:
        pillar.load(opts)
    wanted = rf"Pillar: Rendering SLS 'holodeck' failed in line \d+, \S+ \(.*{kind}"
    assert re.match(wanted, str(caught.value))
    assert "PASSWORD" in str(caught.value) or case == "down"
    for text in _telling(opts):
        assert text not in str(caught.value) + caplog.text


def test_host_whose_vault_is_down_keeps_what_it_has(opts):
    """Highstate gets an error for its pillar, never a service without its secrets."""
    records.Records(opts).keep_environment("demo", prepared=["demo-web1"], addresses={})
    found = _compiled(_down(opts), "demo-web1")
    assert "holodeck" not in found
    assert "guestbook.ini (" in str(found["_errors"])


@pytest.mark.parametrize("way", ["policy", "down", "not installed"])
def test_external_pillar_that_gives_nothing_is_an_error(opts, way):
    """It says so itself in the log alone; the keys that wait for it are refused."""
    opts = _external(opts)
    if way == "policy":
        opts["ext_pillar"] = [{"vault": "secret/foreign/guestbook"}]
    elif way == "down":
        opts = _down(opts)
    else:
        opts["disable_pillars"] = ["vault"]
    with pytest.raises(HolodeckError) as caught:
        pillar.load(opts)
    assert "guestbook.ini: has no value" in str(caught.value)
    assert "settings/PASSWORD: has no value" in str(caught.value)


_SDB_REFUSALS = {
    "policy": ("secret/foreign/guestbook?guestbook", dict, "VaultPermissionDenied"),
    "path": ("secret/holodeck/nothing?guestbook", dict, "has no text of that name"),
    "key": ("secret/holodeck/webhook?nothing", dict, "has no text of that name"),
    "down": ("secret/holodeck/webhook?guestbook", _down, "ConnectionError"),
}


@pytest.mark.parametrize("case", _SDB_REFUSALS)
def test_webhooks_secret_that_vault_does_not_give_is_an_error(opts, caplog, case):
    """Neither the name nor anything else stands in for it."""
    path, way, why = _SDB_REFUSALS[case]
    name = f"sdb://our_vault/{path}"
    with pytest.raises(
        HolodeckError, match=f"(?s)^{re.escape(name)}: .*{why}"
    ) as caught:
        pillar.revealed(way(opts), name)
    for text in _telling(opts):
        assert text not in str(caught.value) + caplog.text


def test_release_leaves_no_secret_on_the_master(opts, tmp_path, vault, events, caplog):
    """No record, job, event or log has one, nor a token that still opens the vault."""
    caplog.set_level("INFO")
    world = opened(tmp_path / "cache")
    world = dataclasses.replace(world, definition=pillar.load(opts))
    world.fleet.config = lambda: config_of(world.records, world.definition)
    assert pillar.revealed(opts, _SDB) == _SIGNING
    record = started(world)
    assert record["status"] == "good", record["reason"]
    assert "PASSWORD" in str(record)
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    everything = b"\n".join([*kept, caplog.text.encode(), *map(str.encode, events)])
    for text in _telling(opts):
        assert text.encode() not in everything
    tokens = set(re.findall(rb"\bs\.[A-Za-z0-9]{20,}", everything))
    assert tokens
    assert not any(vault.opens(token.decode()) for token in tokens)


def test_docs_configure_what_is_tested(opts):
    """The master's options and both policies stand in the docs as they are here."""
    text = (_PACK / "docs/releases.rst").read_text().split("\nVault\n~~~~~\n")[1]
    block = re.search(r"code-block:: yaml\n\n(.*?)\n\n\S", text, re.DOTALL)[1]
    told = yaml.safe_load(block)
    assert told["ext_pillar"] == _external(opts)["ext_pillar"]
    for key in ("issue", "policies"):
        assert told["vault"][key] == opts["vault"][key]
    assert set(told["vault"]["auth"]) == set(opts["vault"]["auth"])
    assert told["our_vault"] == opts["our_vault"]
    for policy in (vault_server.MASTER, vault_server.DEFINITION):
        assert policy in text
