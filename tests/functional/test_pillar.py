"""The shipped definition and each host's slice, by Salt's own pillar compiler."""

import textwrap
from contextlib import nullcontext
from pathlib import Path

import gpg_home
import pytest
import salt.config
import salt.loader
import yaml

from holodeck_io.errors import HolodeckError
from holodeck_master import locks, pillar, records, yaml_faults

_PACK = Path(__file__).parents[2]


@pytest.fixture
def opts(tmp_path):
    """A master whose pillar is the pack's own."""
    return {
        **salt.config.master_config(None),
        "cachedir": str(tmp_path),
        "pillar_roots": {"base": [str(_PACK / "pillar")]},
        "file_roots": {"base": [str(_PACK / "salt")]},
        "ext_pillar": [],
    }


@pytest.fixture
def write(opts, tmp_path):
    """Replace the master's pillar by one file for the definition's id."""
    root = tmp_path / "pillar"
    root.mkdir()
    opts["pillar_roots"] = {"base": [str(root)]}
    (root / "top.sls").write_text("base:\n  holodeck:\n    - holodeck\n")

    def written(text):
        (root / "holodeck.sls").write_text(text)
        return opts

    return written


def test_load_shipped_example_is_legal(opts):
    """What is documented in pillar/ renders, and breaks no rule."""
    found = pillar.load(opts)
    assert set(found.services) == {"guestbook", "kinto"}
    assert found.environments["demo"].members("web") == [
        "demo-web1", "demo-web2", "demo-web3",
    ]  # fmt: skip
    assert set(found.environments["demo"].services) == {"guestbook", "kinto"}


def test_load_shipped_kinto_is_its_lock(opts):
    """A service without a repository has a commit, checks, and its file as a file."""
    kinto = pillar.load(opts).services["kinto"]
    assert len(kinto.fixed_commit) == 40
    assert "--hash=" in kinto.requirements
    assert kinto.files["kinto.ini"].startswith("[app:main]")
    assert {"path": "/v1/buckets", "status": 401} in kinto.checks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("holodeck: {services: {}}", "holodeck/environments: is missing"),
        ("holodeck: {{ nothing.here }}", "Pillar: Rendering SLS 'holodeck' failed"),
        ("holodeck: [", "Pillar: "),
        ("other: {}", "nothing is defined for the id 'holodeck'"),
    ],
    ids=["rule", "jinja", "yaml", "elsewhere"],
)
def test_load_broken_pillar_is_an_error(write, text, message):
    """A definition that does not render or breaks rules is refused with why."""
    with pytest.raises(HolodeckError, match=f"(?s){message}"):
        pillar.load(write(text))


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("A: {}\nB: hush: 7\n", "line 2, column 8: mapping values are not allowed"),
        ("A:\n\tB: hush\n", "line 2, column 1: found character that cannot start"),
        ("A:\n  B: hush\n C: hush\n", "line 3, column 2: did not find expected key."),
        ("A: 1\nhush: 2\nhush: 3\n", "line 3, column 1: found conflicting ID."),
        ("A: !hush x\n", "line 1, column 4: could not determine .* for the tag."),
        ("A: &hush 1\nB: *hushhush\n", "line 2, column 4: found undefined alias."),
        ("? [hush]\n: 1\n", "line 1, column 3: found unacceptable key."),
    ],
    ids=["colon", "tab", "indent", "twice", "tag", "alias", "key"],
)
def test_load_yaml_error_is_told_without_the_pillar(write, safe, text, place):
    """Where and how YAML is wrong is said; of what stands there, not a word."""
    opts = {**write(text), "pillar_safe_render_error": safe}
    with pytest.raises(HolodeckError, match=f"'holodeck' failed in {place}") as caught:
        pillar.load(opts)
    assert "hush" not in str(caught.value)


def test_load_error_quotes_nothing_of_the_pillar(write):
    """Of a call that fails the error has line and key, and no value."""
    opts = write(
        "A: hush\nB: {{ salt['hashutil.digest_file']('/no') }} # hush\nC: hush\n"
    )
    with pytest.raises(HolodeckError, match=r"failed in line 2, B\. ") as caught:
        pillar.load(opts)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        ("found duplicate anchor 'hush'; first occurrence", ": found duplicate anchor"),
        ("expected <block end>, but found '<scalar>'",
         ": expected <block end>, but found '<scalar>'"),
        ("could not find expected ':'", ": could not find expected ':'"),
        ("expected alphabetic or numeric character, but found 'h'", ""),
        ("found unknown escape character 'h'", ""),
        ("failed to decode base64 data: hush", ""),
        (None, ""),
    ],
)  # fmt: skip
def test_yaml_fault_tells_no_text_that_is_not_yamls_own(problem, told):
    """A loader that quotes what it met in its problem is not quoted."""
    mark = yaml.Mark("", 0, 6, 2, None, 0)
    error = yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
    assert yaml_faults.told(error) == f" in line 7, column 3{told}"


def test_load_leaves_the_masters_options_alone(opts):
    """What reads the pillar does not change as whom a process asks for more."""
    before = dict(opts)
    pillar.load(opts)
    assert opts == before


def _slice(opts, minion):
    mine = salt.loader.pillars(
        {**opts, "id": minion, "pillar_dirs": [], "module_dirs": [str(_PACK / "salt")]},
        {},
    )
    return mine["holodeck"](minion, {})


_DEMO = ["demo-web1", "demo-web2", "demo-web3", "demo-balancer1", "demo-tester1"]


def _remember(opts, addresses=True):
    """Keep the hosts of the demo as prepared, as a release does."""
    known = {host: f"10.0.0.{n}" for n, host in enumerate(_DEMO)}
    records.Records(opts).keep_environment(
        "demo", prepared=_DEMO, addresses=known if addresses else {}
    )


def test_mark_changes_with_the_definition_alone(opts, write):
    """Releases leave it; another setting of a service or of its suite does not."""
    text = (_PACK / "pillar/holodeck/example.sls").read_text()
    write(text)
    _remember(opts)
    before = {host: _slice(opts, host)["holodeck"].get("mark") for host in _DEMO}
    assert before["demo-web1"] == before["demo-web2"] != before["demo-tester1"]
    assert before["demo-balancer1"] is None
    with locks.held(opts, "guestbook", "demo", "a release"):
        assert _slice(opts, "demo-web1")["holodeck"]["services"]["guestbook"]["busy"]
        assert _slice(opts, "demo-web1")["holodeck"]["mark"] == before["demo-web1"]
    write(text.replace("Welcome to the demo", "Welcome"))
    assert _slice(opts, "demo-web1")["holodeck"]["mark"] != before["demo-web1"]
    assert _slice(opts, "demo-tester1")["holodeck"]["mark"] == before["demo-tester1"]
    definition = pillar.load(opts)
    memory, environment = records.Records(opts), definition.environments["demo"]
    for host, role in (("demo-web1", "web"), ("demo-tester1", "tester")):
        meant = pillar.mark(memory, definition, environment, role)
        assert _slice(opts, host)["holodeck"]["mark"] == meant


def test_ext_pillar_error_is_of_our_hosts_alone(write, caplog):
    """A broken definition fails a host of ours, and leaves all other minions alone."""
    opts = write("holodeck: {services: {}}")
    _remember(opts)
    with pytest.raises(HolodeckError, match="environments: is missing"):
        _slice(opts, "demo-web1")
    assert _slice(opts, "stranger") == {}
    assert "Pillar of stranger: without holodeck" in caplog.text


def test_ext_pillar_balancer_without_addresses_is_an_error(opts, caplog):
    """A balancer never loses servers by a loss of records; a new one has none yet."""
    with caplog.at_level("INFO"):
        assert _slice(opts, "demo-balancer1") == {}
    said = [r for r in caplog.records if "Pillar of demo-balancer1" in r.getMessage()]
    assert [each.levelname for each in said] == ["INFO"]
    _remember(opts, addresses=False)
    with pytest.raises(LookupError, match=r"demo-web1.*: are not in the records"):
        _slice(opts, "demo-balancer1")


def test_ext_pillar_tells_what_is_being_released(opts):
    """A host knows, while the lock is held, that a release looks after the service."""
    for busy in (True, False):
        hold = locks.held(opts, "guestbook", "demo", "") if busy else nullcontext()
        with hold:
            found = _slice(opts, "demo-web1")["holodeck"]["services"]
        assert (found["guestbook"]["busy"], found["kinto"]["busy"]) == (busy, False)


def test_ext_pillar_gives_each_role_its_own(opts):
    """Salt loads the external pillar; web hosts, balancers and testers differ."""
    web = _slice(opts, "demo-web1")["holodeck"]
    assert (web["environment"], web["role"]) == ("demo", "web")
    assert web["services"]["guestbook"]["settings"]["GREETING"] == "Welcome to the demo"
    assert web["services"]["guestbook"]["release"] is None
    tester = _slice(opts, "demo-tester1")["holodeck"]
    assert len(tester.pop("mark")) == 64
    assert tester == {"environment": "demo", "role": "tester", "suites": {}}
    _remember(opts)
    balancer = _slice(opts, "demo-balancer1")["holodeck"]
    assert len(balancer["services"]["guestbook"]["servers"]) == 3
    assert "only-for-this-demo" not in str(balancer)


def test_ext_pillar_gives_balancers_the_path_that_was_asked_for(opts):
    """Until a release has asked what serves, a changed path reaches no balancer."""
    _remember(opts)
    kept = {"guestbook": "/of-before"}
    records.Records(opts).keep_environment("demo", health=kept)
    found = _slice(opts, "demo-balancer1")["holodeck"]["services"]
    assert found["guestbook"]["health"] == "/of-before"
    assert found["kinto"]["health"] == pillar.load(opts).services["kinto"].health


@pytest.mark.parametrize("minion", ["stranger", "demo-web4", "holodeck"])
def test_ext_pillar_gives_strangers_nothing(opts, minion):
    """A minion of no environment, and the definition's own id, get nothing."""
    assert _slice(opts, minion) == {}


def test_ext_pillar_tells_the_last_good_release(opts):
    """Highstate learns the last good commit, never that of a bad release."""
    memory = records.Records(opts)
    for status, commit in (("good", "1" * 40), ("bad", "2" * 40)):
        record = memory.begin(
            "guestbook", "demo", commit=commit, deployment="d", bundle={"layers": []}
        )
        memory.save({**record, "status": status})
    found = _slice(opts, "demo-web1")["holodeck"]["services"]
    assert found["guestbook"]["release"]["commit"] == "1" * 40
    assert found["kinto"]["release"] is None


@pytest.fixture
def encrypted(opts, tmp_path):
    """The example with its secret encrypted for the master's key; ``(opts, home)``."""
    home = gpg_home.Home()
    home.gpg("--quick-gen-key", "Pillar", "future-default", "default", "0")
    secret = home.gpg("--encrypt", "--armor", "--recipient", "Pillar", text="hush: 7")
    block = "|\n" + textwrap.indent(secret, " " * 14)
    example = (_PACK / "pillar/holodeck/example.sls").read_text()
    root = tmp_path / "pillar"
    root.mkdir()
    (root / "top.sls").write_text("base:\n  holodeck:\n    - holodeck\n")
    (root / "holodeck.sls").write_text(
        "#!jinja|yaml|gpg\n" + example.replace("only-for-this-demo", block)
    )
    own = {"pillar_roots": {"base": [str(root)]}, "gpg_keydir": home.path}
    yield {**opts, **own}, home
    home.close()


def test_secrets_come_through_the_gpg_renderer(encrypted):
    """Pillar keeps them encrypted; the web hosts' slice has them, no other role's."""
    opts, _ = encrypted
    web = _slice(opts, "demo-web1")["holodeck"]["services"]["guestbook"]
    assert web["settings"]["GUESTBOOK_SECRET"] == "hush: 7"
    for other in ("demo-tester1", "demo-builder1"):
        assert "hush" not in str(_slice(opts, other))


@pytest.mark.parametrize("must_succeed", [True, False])
def test_secrets_that_stay_encrypted_are_refused(encrypted, must_succeed):
    """A master without the key does not release the ciphertext as a password."""
    opts, home = encrypted
    home.gpg("--yes", "--delete-secret-keys", home.fingerprints("Pillar")[0])
    with pytest.raises(HolodeckError, match=r"GUESTBOOK_SECRET: is still|Rendering"):
        pillar.load({**opts, "gpg_decrypt_must_succeed": must_succeed})


def test_config_digest_is_the_same_for_master_and_host(opts):
    """What the runner expects is what the host's slice says."""
    service, _, placement = pillar.load(opts).placement("guestbook", "demo")
    memory = records.Records(opts)
    found = _slice(opts, "demo-web1")["holodeck"]["services"]["guestbook"]
    assert found["config"] == pillar.config_digest(memory, service, placement)
