"""The definition: every rule has a case, and all faults come at once."""

import copy

import pytest

from holodeck import definition, model, units

_LEGAL = {
    "services": {
        "guestbook": {
            "repository": "git://example.org/guestbook.git",
            "processes": {"web": "gunicorn app"},
            "port": 8000,
            "suite": "tests/http",
            "settings": {"A": "1", "B": 2, "C": True},
            "files": {"key.pem": "text"},
        }
    },
    "environments": {
        "demo": {
            "hosts": {
                "web": {"profile": "small", "count": 2},
                "balancer": {"ids": ["lb1.example.org"]},
            },
            "services": {
                "guestbook": {
                    "listen": "*:80",
                    "settings": {"TOKEN": "t"},
                    "rollout": {"batch": 2},
                }
            },
        }
    },
}
_SERVICE = "services/guestbook"
_PLACE = "environments/demo/services/guestbook"


def _with(path, value):
    """Return the legal document with ``value`` at ``path``; ``...`` removes it."""
    data = copy.deepcopy(_LEGAL)
    *folders, last = path.split("/")
    node = data
    for folder in folders:
        node = node.setdefault(folder, {})
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return data


def _faults(data):
    with pytest.raises(definition.InvalidDefinitionError) as invalid:
        definition.parse(data)
    head, *faults = str(invalid.value).splitlines()
    assert head == "The definition in pillar has faults:"
    return faults


_CASES = [
    ("services", ..., "holodeck/services: is missing"),
    ("environments", ..., "holodeck/environments: is missing"),
    ("services", [], "holodeck/services: should be a mapping"),
    ("environments/demo/hosts/balancer", ...,
     "environments/demo/hosts: has no balancer, and guestbook no `socket: true`"),
    (f"{_PLACE}/rollout/failures", True, f"{_PLACE}/rollout/failures: should be a w"),
    (f"{_SERVICE}/socket", "yes", f"{_SERVICE}/socket: should be true or false"),
    ("typo", {}, "holodeck/typo: is unknown"),
    ("services/Guest", {}, "services/Guest: 'Guest' is not a name"),
    (f"{_SERVICE}/repository", ..., f"{_SERVICE}: needs a repository"),
    (f"{_SERVICE}/requirements", "flask==3", f"{_SERVICE}/requirements: has no hashes"),
    (f"{_SERVICE}/suite", ..., f"{_SERVICE}: needs a suite"),
    (f"{_SERVICE}/branch", "-x", f"{_SERVICE}/branch: '-x' is not a branch name"),
    (f"{_SERVICE}/branch", "HEAD",
     f"{_SERVICE}/branch: 'HEAD' is not a branch name; use letters, digits, "),
    (f"{_SERVICE}/lock", "/etc/passwd", f"{_SERVICE}/lock: '/etc/passwd' should be a"),
    (f"{_SERVICE}/lock", "a/../../b", f"{_SERVICE}/lock: 'a/../../b' should be a"),
    (f"{_SERVICE}/suite", "..", f"{_SERVICE}/suite: '..' should be a path"),
    (f"{_SERVICE}/suite_lock", "/x", f"{_SERVICE}/suite_lock: '/x' should be a path"),
    (f"{_SERVICE}/python", "python3", f"{_SERVICE}/python: 'python3' should b"),
    (f"{_SERVICE}/packager", "alien", f"{_SERVICE}/packager: should be nfpm or fpm"),
    (f"{_SERVICE}/processes", ..., f"{_SERVICE}/processes: is missing"),
    (f"{_SERVICE}/processes/Web", "x", f"{_SERVICE}/processes/Web: 'Web' is not a n"),
    (f"{_SERVICE}/processes/web", "", f"{_SERVICE}/processes/web: '' is not a command"),
    (f"{_SERVICE}/processes/web", ["x"], f"{_SERVICE}/processes/web: ['x'] is not a"),
    (f"{_SERVICE}/processes/web", "a\nb", f"{_SERVICE}/processes/web: 'a\\nb' is not"),
    (f"{_SERVICE}/processes/web", "a 'b", f"{_SERVICE}/processes/web: \"a 'b\" has "),
    (f"{_SERVICE}/webhook", "x", f"{_SERVICE}/webhook: should be a mapping, not str"),
    (f"{_SERVICE}/webhook", {"scheme": "svn", "secret": "s" * 16},
     f"{_SERVICE}/webhook/scheme: should be holodeck or github or gitlab or "),
    (f"{_SERVICE}/webhook", {"scheme": "github"}, f"{_SERVICE}/webhook/secret: is mis"),
    *((f"{_SERVICE}/webhook", {"scheme": scheme, "secret": secret},
       f"{_SERVICE}/webhook/secret: should be text of 16 characters and more")
      for scheme, secret in (
          ("github", "short"), ("github", ""), ("github", 7), ("github", None),
          ("github", ["a-secret-of-the-forge", "short"]), ("gitlab", "whsec_"),
          ("gitlab", "no-base64-" * 9),
      )),
    *((f"{_SERVICE}/webhook", {"scheme": scheme, "secret": "s" * 16, "status": status},
       f"{_SERVICE}/webhook/status{why}")
      for scheme, status, why in (
          ("github", "x", ": should be a mapping"),
          ("github", {"api": "https://a"}, "/token: is missing"),
          ("github", {"api": "ftp://a", "token": "t"}, "/api: 'ftp://a' does not"),
          ("github", {"api": "https://u@a", "token": "t"}, "/api: 'https://u@a' does"),
          ("github", {"api": "https://a", "token": 7}, "/token: is no text"),
          ("bitbucket", {"api": "https://a", "token": "t"}, ": is there for github, "),
      )),
    (f"{_PLACE}/push", "--main", f"{_PLACE}/push: '--main' is not a branch name"),
    (f"{_PLACE}/push", "main", f"{_PLACE}/push: is for webhooks; services/guestbook/w"),
    (f"{_SERVICE}/port", ..., f"{_SERVICE}/port: is missing"),
    (f"{_SERVICE}/port", 0, f"{_SERVICE}/port: should be a whole number from 1"),
    (f"{_SERVICE}/port", 65536, f"{_SERVICE}/port: should be a whole number from 1"),
    (f"{_SERVICE}/health", "healthz", f"{_SERVICE}/health: 'healthz' should begin"),
    (f"{_SERVICE}/health", "/a b", f"{_SERVICE}/health: '/a b' should begin with"),
    (f"{_SERVICE}/health", "/a#b", f"{_SERVICE}/health: '/a#b' should begin with"),
    (f"{_SERVICE}/checks", "x", f"{_SERVICE}/checks: should be a list"),
    (f"{_SERVICE}/contract", "/a", f"{_SERVICE}/contract: should be a mapping"),
    (f"{_SERVICE}/contract", {}, f"{_SERVICE}/contract/schema: is missing"),
    *((f"{_SERVICE}/contract", {"schema": "/a", **change}, f"{_SERVICE}/contract/{why}")
      for change, why in (
          ({"schema": "a.json"}, "schema: 'a.json' should begin with /"),
          ({"seconds": 0}, "seconds: should be a whole number from 1 to 3600"),
          ({"seconds": 3601}, "seconds: should be a whole number from 1 to 3600"),
          ({"checks": ["all"]}, "checks: 'all' is no check; use not_a_server_error"),
          ({"checks": []}, "checks: is empty"),
          ({"checks": "all"}, "checks: should be a list of strs"),
          ({"speed": 1}, "speed: is unknown; the keys here are schema, seconds"),
          ({"headers": {"A B": "c"}}, "headers/A B: is no header's name"),
          ({"headers": {"A": "c\nd"}}, "headers/A: should be one line"),
          ({"headers": {"A": "${B-C}"}}, "headers/A: should be one line"),
          ({"headers": {"A": "$${B}"}}, "headers/A: should be one line"),
          ({"headers": {"Host": "b"}}, "headers/Host: is no header's name, or one th"),
          ({"headers": {"Cookie": "a=b"}}, "headers/Cookie: holds the secret itself"),
      )),
    *((f"{where}/settings/KEY", "CHANGE-ME", f"{where}/settings/KEY: is still CHANGE-")
      for where in (_SERVICE, _PLACE, f"{_PLACE}/tests")),
    (f"{_SERVICE}/settings/A B", "1", f"{_SERVICE}/settings/A B: is not a free name"),
    (f"{_SERVICE}/settings/1A", "1", f"{_SERVICE}/settings/1A: is not a free name"),
    (f"{_SERVICE}/settings/PORT", "1", f"{_SERVICE}/settings/PORT: is not a free name"),
    (f"{_SERVICE}/settings/A", None, f"{_SERVICE}/settings/A: has no value, and no"),
    (f"{_SERVICE}/settings/A", ["x"], f"{_SERVICE}/settings/A: must be text, a number"),
    (f"{_SERVICE}/files/..", "x", f"{_SERVICE}/files/..: must be a plain file name"),
    (f"{_SERVICE}/files/a%b", "x", f"{_SERVICE}/files/a%b: must be a plain file name"),
    (f"{_SERVICE}/files/a", 7, f"{_SERVICE}/files/a: must be a plain file name"),
    (f"{_SERVICE}/files/a", None, f"{_SERVICE}/files/a: has no value, and no"),
    ("environments/demo/hosts", ..., "environments/demo/hosts: is missing"),
    ("environments/demo/hosts/db", {}, "environments/demo/hosts/db: is not a role"),
    ("environments/demo/hosts/web", {}, "environments/demo/hosts/web: needs "),
    ("environments/demo/hosts/web/ids", ["a"], "environments/demo/hosts/web: needs "),
    ("environments/demo/hosts/web/count", ..., "environments/demo/hosts/web/count: is"),
    ("environments/demo/hosts/web/count", 501, "environments/demo/hosts/web/count: sh"),
    ("environments/demo/hosts/web", {"ids": ["lb1.example.org"]},
     "environments/demo/hosts: lb1.example.org is already a host of environments/demo"),
    ("environments/demo/hosts/web", {"ids": [7]}, "environments/demo/hosts/web/ids: "),
    ("environments/demo/services/other", {"listen": "*:81"},
     "environments/demo/services/other: is not a service; the services are guestbook"),
    (f"{_PLACE}/listen", ..., f"{_PLACE}/listen: is missing"),
    (f"{_PLACE}/listen", "80", f"{_PLACE}/listen: '80' is no HAProxy bind such as"),
    (f"{_PLACE}/listen", "*:0", f"{_PLACE}/listen: '*:0' is no HAProxy bind"),
    (f"{_PLACE}/listen", "*:65536", f"{_PLACE}/listen: '*:65536' is no HAProxy bind"),
    (f"{_PLACE}/listen", "*:80\nbind", f"{_PLACE}/listen: '*:80\\nbind' is no HAP"),
    (f"{_PLACE}/listen", 80, f"{_PLACE}/listen: 80 is no HAProxy bind"),
    (f"{_PLACE}/listen", "", f"{_PLACE}/listen: '' is no HAProxy bind"),
    (f"{_PLACE}/url", "book.example.org", f"{_PLACE}/url: 'book.example.org' should"),
    (f"{_PLACE}/allow_writes", "yes", f"{_PLACE}/allow_writes: should be"),
    *((f"{_PLACE}/rollout/batch", size, f"{_PLACE}/rollout/batch: {size!r} is no size")
      for size in (0, [], ["25"], [1, None], "half")),
    (f"{_PLACE}/rollout/floor", "0%", f"{_PLACE}/rollout/floor: '0%' is no number"),
    (f"{_PLACE}/rollout/promote", "me", f"{_PLACE}/rollout/promote: should be itself"),
    (f"{_PLACE}/rollout/promote", "by-hand", f"{_PLACE}/rollout/promote: needs hold_s"),
    (f"{_PLACE}/rollout/failures", -1, f"{_PLACE}/rollout/failures: should be a whole"),
    (f"{_PLACE}/rollout/speed", 1, f"{_PLACE}/rollout/speed: is unknown"),
    (f"{_PLACE}/tests/ca", "ca.pem", f"{_PLACE}/tests/ca: 'ca.pem' should be a whole"),
    (f"{_PLACE}/tests/latency_factor", 0.5, f"{_PLACE}/tests/latency_factor: 0.5 is "),
    (f"{_PLACE}/tests/probe_paths", ["x"], f"{_PLACE}/tests/probe_paths: ['x'] is no"),
    (f"{_PLACE}/tests/test_s", 0, f"{_PLACE}/tests/test_s: should be a whole number"),
    (f"{_PLACE}/tests/settings", {"A B": 1}, f"{_PLACE}/tests/settings/A B: is not a"),
    (f"{_PLACE}/settings/HOLODECK_COMMIT", "x", f"{_PLACE}/settings/HOLODECK_COM"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    _CASES,
    ids=[
        "{}={!r}".format(*(case if isinstance(case, tuple) else case.values)[:2])
        for case in _CASES
    ],
)
def test_parse_broken_rule_is_named(path, value, fault):
    """A document that breaks one rule has a fault that begins with its path."""
    faults = _faults(_with(path, value))
    assert any(found.startswith(fault) for found in faults), faults


@pytest.mark.parametrize(
    ("port", "listen", "fault"),
    [(8001, "*:81", ""), (8001, "*:80 ssl crt /x", "other/listen: *:80 is the bind"),
     (8000, "*:81", "other: listens on port 8000 of the same hosts as guestbook")],
)  # fmt: skip
def test_parse_two_services_share_hosts_and_no_port(port, listen, fault):
    """Two services of an environment have ports and binds of their own."""
    data = copy.deepcopy(_LEGAL)
    data["services"]["other"] = {**data["services"]["guestbook"], "port": port}
    data["environments"]["demo"]["services"]["other"] = {"listen": listen}
    if fault:
        assert fault in "\n".join(_faults(data))
    else:
        assert set(definition.parse(data).services) == {"guestbook", "other"}


@pytest.mark.parametrize(
    ("url", "legal"),
    [("git://example.org/x.git", True), ("git@example.org:x.git", True),
     ("ssh://git@example.org/x.git", True), ("/srv/git/x.git", True),
     ("https://me:hunter2@example.org/x.git", False), ("-u", False), ("", False),
     ("a b", False), (["hunter2"], False)],
)  # fmt: skip
def test_parse_repository_has_no_password_and_shows_none(url, legal):
    """A URL with a password is refused, and the fault does not show it."""
    data = _with(f"{_SERVICE}/repository", url)
    if legal:
        assert definition.parse(data).services["guestbook"].repository == url
    else:
        faults = "\n".join(_faults(data))
        assert f"{_SERVICE}" in faults
        assert "hunter2" not in faults


def test_parse_without_a_balancer_needs_a_socket_and_no_bind():
    """One host that systemd listens on is an environment too."""
    data = _with(f"{_SERVICE}/socket", True)
    del data["environments"]["demo"]["hosts"]["balancer"]
    del data["environments"]["demo"]["services"]["guestbook"]["listen"]
    parsed = definition.parse(data)
    assert parsed.services["guestbook"].socket
    assert parsed.environments["demo"].services["guestbook"].listen == ""


def test_parse_collects_all_faults():
    """Faults of several services and environments come together."""
    data = _with(f"{_SERVICE}/port", 0)
    data["services"]["other"] = {"port": -1}
    data["environments"]["prod"] = {"hosts": {"db": {}}}
    faults = "\n".join(_faults(data))
    for path in (
        f"{_SERVICE}/port", "services/other/port", "services/other/processes",
        "services/other: needs a suite", "environments/prod/hosts/db",
    ):  # fmt: skip
        assert path in faults


@pytest.mark.parametrize(
    "path",
    [
        f"{_SERVICE}/settings/BAD NAME", f"{_PLACE}/settings/PORT",
        f"{_SERVICE}/files/..", f"{_SERVICE}/settings", f"{_PLACE}/files",
    ],
)  # fmt: skip
@pytest.mark.parametrize("wrap", [str, lambda s: [s]], ids=["text", "list"])
def test_parse_never_shows_a_secret(path, wrap):
    """A fault in settings or files says where, and never what."""
    assert "hunter2" not in "\n".join(_faults(_with(path, wrap("hunter2"))))


def test_parse_legal_document_has_defaults():
    """What is left out has the documented value."""
    found = definition.parse(_LEGAL)
    service, environment, placement = found.placement("guestbook", "demo")
    assert (service.health, service.branch, service.lock) == (
        "/", "main", "",
    )  # fmt: skip
    assert (service.packager, service.python) == ("nfpm", "")
    assert placement.rollout == model.Rollout(batch=(2,))
    assert placement.allow_writes is False
    assert environment.cidr == ""


def test_parse_contract_has_defaults():
    """A minute, and whether each answer is as the schema says; or what is asked for."""
    found = definition.parse(_with(f"{_SERVICE}/contract", {"schema": "/openapi.json"}))
    assert found.services["guestbook"].contract == {
        "schema": "/openapi.json",
        "seconds": 60,
        "checks": ["not_a_server_error", "status_code_conformance",
                   "content_type_conformance", "response_schema_conformance"],
        "headers": {},
    }  # fmt: skip
    own = {"schema": "/v1", "seconds": 5, "checks": ["not_a_server_error"],
           "headers": {"Accept": "*/*"}}  # fmt: skip
    found = definition.parse(_with(f"{_SERVICE}/contract", own))
    assert found.services["guestbook"].contract == own
    assert definition.parse(_LEGAL).services["guestbook"].contract == {}


def test_parse_webhook_has_one_secret_or_more():
    """While a forge is told of a new one, the old one counts too; sdb may have it."""
    for given, wanted in (("s" * 16, ["s" * 16]), (["s" * 16, "sdb://v/k"], None)):
        webhook = {"scheme": "github", "secret": given}
        document = _with(f"{_SERVICE}/webhook", webhook)
        document["environments"]["demo"]["services"]["guestbook"]["push"] = "main"
        service, _, placement = definition.parse(document).placement(
            "guestbook", "demo"
        )
        assert service.webhook["secrets"] == (wanted or given)
        assert placement.push == "main"
        assert "ssss" not in repr(service)


def test_parse_contract_headers_ask_for_settings():
    """A secret that no place gives would be a login that fails at night."""
    contract = {"schema": "/a", "headers": {"Authorization": "Bearer ${API_TOKEN}"}}
    document = _with(f"{_SERVICE}/contract", contract)
    with pytest.raises(model.InvalidDefinitionError, match="tests/settings/API_TOKEN"):
        definition.parse(document)
    place = document["environments"]["demo"]["services"]["guestbook"]
    place["tests"] = {"settings": {"API_TOKEN": "a-secret"}}
    assert definition.parse(document).services["guestbook"].contract["headers"]


def test_members_are_made_or_named():
    """A profile's hosts are counted; named ones keep their names and their order."""
    environment = definition.parse(_LEGAL).environments["demo"]
    assert environment.members("web") == ["demo-web1", "demo-web2"]
    assert environment.members("balancer") == ["lb1.example.org"]
    assert environment.members("tester") == []
    assert environment.profiles() == {"demo-web1": "small", "demo-web2": "small"}
    assert environment.role_of("demo-web2") == "web"
    assert environment.role_of("demo-web3") is None
    assert len(environment.all_members()) == 3


_EACH = [{"ssh_host": "10.0.0.11"}, {"ssh_host": "10.0.0.12", "ssh_port": 2222}]


def test_members_that_exist_have_options_of_their_own():
    """A host of ``each`` is named like any other, and counted by the list."""
    hosts = {"profile": "rack", "each": _EACH}
    parsed = definition.parse(_with("environments/demo/hosts/web", hosts))
    environment = parsed.environments["demo"]
    assert environment.members("web") == ["demo-web1", "demo-web2"]
    assert environment.profiles() == {"demo-web1": "rack", "demo-web2": "rack"}
    assert environment.options() == {"demo-web1": _EACH[0], "demo-web2": _EACH[1]}


@pytest.mark.parametrize(
    ("hosts", "fault"),
    [
        ({"profile": "rack", "each": _EACH, "count": 2}, "web/each: has a profile's"),
        ({"ids": ["a"], "each": _EACH}, "web/each: has a profile's hosts"),
        ({"profile": "rack", "each": ["10.0.0.1"]}, "web/each: should be a list of"),
        ({"profile": "rack", "each": []}, "web/count: is missing"),
        ({"profile": "rack", "each": [_EACH[0], _EACH[0]]},
         "hosts: demo-web2 has the ssh_host 10.0.0.11 of demo-web1"),
    ],
)  # fmt: skip
def test_members_that_exist_cannot_be_wished_for(hosts, fault):
    """A machine is taken over once, and there are as many as are listed."""
    faults = _faults(_with("environments/demo/hosts/web", hosts))
    assert any(fault in line for line in faults), faults


def test_environment_of_finds_the_hosts_own():
    """A minion belongs to one environment or to none."""
    found = definition.parse(_LEGAL)
    assert found.environment_of("lb1.example.org").name == "demo"
    assert found.environment_of("stranger") is None


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("guest", "demo"), "Service guest: is not defined in pillar; .* guestbook\\."),
        (("guestbook", "prod"), "Environment prod: is not defined in .* are demo\\."),
    ],
)
def test_placement_unknown_name_shows_the_known(place, message):
    """A misspelt name is refused with those that are defined."""
    with pytest.raises(definition.InvalidDefinitionError, match=message):
        definition.parse(_LEGAL).placement(*place)


def test_placement_of_a_service_that_is_elsewhere():
    """A service that has no place in the environment is refused with the key to add."""
    data = _with("environments/demo/services", {})
    with pytest.raises(definition.InvalidDefinitionError, match="There now: none"):
        definition.parse(data).placement("guestbook", "demo")


def test_fixed_commit_is_the_locks_digest():
    """A service without a repository is another commit when its lock is another."""
    data = _with(f"{_SERVICE}/requirements", "flask==3 --hash=sha256:00")
    first = definition.parse(data).services["guestbook"].fixed_commit
    data["services"]["guestbook"]["requirements"] += " "
    assert len(first) == 40
    assert definition.parse(data).services["guestbook"].fixed_commit != first


def test_command_is_split_as_a_shell_would():
    """Quotes group words, and nothing is expanded."""
    found = units.command("run --x='a b' ${PORT} $(id) *")
    assert found == ["run", "--x=a b", "${PORT}", "$(id)", "*"]


_BUILT = {
    "packages": {"build": ["gcc"], "run": ["libpq5", "media-types"]},
    "build": {
        "command": "npm run build", "artefacts": ["public"], "network": True,
        "timeout_s": 60,
    },
    "extras": ["postgres"],
    "allow_unhashed": True,
}  # fmt: skip


def test_parse_what_a_service_is_built_with():
    """Packages, a build command and extras are the service's, as they stand."""
    data = copy.deepcopy(_LEGAL)
    data["services"]["guestbook"] |= _BUILT
    service = definition.parse(data).services["guestbook"]
    assert {key: getattr(service, key) for key in _BUILT} == _BUILT


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("packages/run", ["-o"], "packages/run: '-o' is no package's name."),
        ("packages/build", "gcc", "packages/build: should be a list of strs."),
        ("packages/test", ["a"], "packages/test: is unknown; the keys here are "),
        ("build", {"network": True}, "build/command: is missing."),
        ("build", {"command": "a 'b"}, "build/command: \"a 'b\" has unbalanced quotes"),
        ("build", {"command": "a && b"}, "build/command: '&&' in 'a && b' is a shell"),
        ("build", {"command": "a | b"}, "build/command: '|' in 'a | b' is a shell"),
        ("build", {"command": "a", "artefacts": ["../b"]},
         "build/artefacts: '../b' is no folder in a commit."),
        ("build", {"command": "a", "artefacts": ["."]},
         "build/artefacts: '.' is no folder in a commit."),
        ("build", {"command": "a", "timeout_s": 0},
         "build/timeout_s: should be a whole number from 1 to 7200, not 0."),
        ("extras", "a", "extras: should be a list of strs."),
    ],
)  # fmt: skip
def test_parse_refuses_what_could_not_be_built(path, value, fault):
    """Each fault of what builds a service names its path and the rule."""
    faults = _faults(_with(f"{_SERVICE}/{path}", value))
    assert any(found.startswith(f"{_SERVICE}/{fault}") for found in faults), faults


_REPLACE = {"strategy": "replace"}


def test_parse_takes_a_replacement():
    """Hosts are taken over in place unless the rollout says otherwise."""
    found = definition.parse(_with(f"{_PLACE}/rollout", {**_REPLACE, "kept_s": 0}))
    rules = found.environments["demo"].services["guestbook"].rollout
    assert (rules.strategy, rules.kept_s) == ("replace", 0)
    found = definition.parse(_with(f"{_PLACE}/rollout", _REPLACE))
    assert found.environments["demo"].services["guestbook"].rollout.kept_s == 3600
    found = definition.parse(_LEGAL)
    rules = found.environments["demo"].services["guestbook"].rollout
    assert rules.strategy == "in-place"


@pytest.mark.parametrize(
    ("rollout", "fault"),
    [
        (
            {"strategy": "other"},
            "strategy: should be in-place or replace, not 'other'.",
        ),
        ({"kept_s": 60}, "kept_s: needs strategy: replace; nothing is kept."),
        ({**_REPLACE, "kept_s": -1}, "kept_s: should be a whole number from 0 to "),
        ({**_REPLACE, "batch": 2}, "batch: is for hosts that are taken over in place"),
        (
            {**_REPLACE, "batch": [1, "x"]},
            "batch: [1, 'x'] is no size, and no list of sizes",
        ),
        ({**_REPLACE, "failures": 1}, "failures: is for hosts that are taken over"),
        ({**_REPLACE, "hold_s": 9}, "hold_s: is for hosts that are taken over"),
        ({**_REPLACE, "min_healthy_s": 9}, "min_healthy_s: is for hosts that are"),
    ],
)
def test_parse_refuses_rules_that_no_strategy_follows(rollout, fault):
    """What a strategy would pass over is a fault, with the key's path."""
    faults = _faults(_with(f"{_PLACE}/rollout", rollout))
    assert any(found.startswith(f"{_PLACE}/rollout/{fault}") for found in faults)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("hosts/web", {"ids": ["w1"]}, "replace makes new hosts: hosts/web needs a "),
        ("hosts/web", {"profile": "p", "each": [{"ssh_host": "h"}]},
         "replace makes new hosts: hosts/web needs a profile and a count"),
        ("hosts/balancer", ..., "replace swaps hosts at balancers: there is none"),
        ("services/other", {"listen": "*:81"},
         "replace makes hosts of one service anew, which have other too; give it an "),
    ],
)  # fmt: skip
def test_parse_refuses_hosts_that_cannot_be_replaced(path, value, why):
    """Named machines, no balancer, a second service: each is said in one line."""
    data = _with(f"environments/demo/{path}", value)
    place = data["environments"]["demo"]["services"]["guestbook"]
    place["rollout"] = dict(_REPLACE)
    service = {**data["services"]["guestbook"], "port": 8001}
    data["services"]["other"] = service
    faults = _faults(data)
    wanted = f"{_PLACE}/rollout/strategy: {why}"
    assert [found.startswith(wanted) for found in faults].count(True) == 1


_KEY = "0123456789ABCDEF0123456789ABCDEF01234567"


def test_parse_takes_a_file_for_metrics():
    """The file is one that node exporter takes; without one nothing is written."""
    found = definition.parse({**_LEGAL, "metrics": {"file": "/var/lib/x/y.prom"}})
    assert found.metrics == {"file": "/var/lib/x/y.prom"}
    assert definition.parse(_LEGAL).metrics == {}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"file": "x.prom"}, "metrics/file: 'x.prom' should be a whole"),
        ({"file": "/x.txt"}, "metrics/file: "),
        ({"file": 7}, "metrics/file: should be text"),
        ({"path": "/x.prom"}, "metrics/path: is unknown"),
        ("/x.prom", "holodeck/metrics: should be a mapping"),
    ],
)
def test_parse_refuses_another_file_for_metrics(value, fault):
    """A relative path, or a name that node exporter passes over, is a fault."""
    faults = _faults({**_LEGAL, "metrics": value})
    assert any(found.startswith(fault) for found in faults), faults


_MIRROR = "http://mirror.example.org/bundles"


@pytest.mark.parametrize(
    "url",
    [
        _MIRROR,
        f"{_MIRROR}/",
        "https://mirror.example.org",
        "http://10.0.0.9:8080/a%20b/c",
        "http://[fd00::9]:8080/",
        "http://mirror_2",
    ],
)
def test_parse_takes_mirrors(url):
    """Any folder by HTTP may be one; an environment has its own, or none."""
    without = _with("environments/demo/mirrors", [])
    found = definition.parse({**without, "mirrors": [url]})
    assert found.mirrors == (url,)
    assert found.environments["demo"].mirrors == ()
    plain = definition.parse(_with("environments/demo/mirrors", [url]))
    assert (plain.mirrors, plain.environments["demo"].mirrors) == ((), (url,))
    assert definition.parse(_LEGAL).environments["demo"].mirrors is None


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (_MIRROR, ": should be a list of URLs, not str."),
        (None, ": should be a list of URLs, not NoneType."),
        ([_MIRROR, 7], "/1: should be a URL, not int; write it as http://mirror"),
        (["ftp://m.example.org/"], "/0: 'ftp://m.example.org/' is no http:// or h"),
        (["salt://bundles"], "/0: 'salt://bundles' is no http:// or https:// URL of a"),
        (["mirror.example.org"], "/0: 'mirror.example.org' is no http:// or"),
        ([f"{_MIRROR}?a"], f"/0: '{_MIRROR}?a' is no http:// or https:// URL of a"),
        ([f"{_MIRROR}?a"], "a folder, without query and fragment; write it as http://m"),
        ([f"{_MIRROR}#a"], f"/0: '{_MIRROR}#a' is no "),
        ([f"{_MIRROR}/a b"], f"/0: '{_MIRROR}/a b' is no "),
        ([f"{_MIRROR}\n"], "/0: 'http://mirror.example.org/bundles\\n' is no "),
        (["http://m\u00f6.example.org/"], "/0: 'http://m\u00f6.example.org/' is no "),
        (["http://"], "/0: 'http://' is no "),
        (["http:///bundles"], "/0: 'http:///bundles' is no "),
        (["http://a..b/"], "/0: 'http://a..b/' is no "),
        (["http://m:0x50/"], "/0: 'http://m:0x50/' is no "),
        (["http://m:65536/"], "/0: 'http://m:65536/' is no "),
        (["http://[::zz]/"], "/0: 'http://[::zz]/' is no "),
        (["https://u:hidden@m.example.org/"], "/0: has a user or a password, which"),
        (["https://hidden@m/"], "not shown: hosts ask a mirror as nobody. Take it out"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["mirrors", "environments/demo/mirrors"])
def test_parse_refuses_what_is_no_mirror(place, value, fault):
    """Each is named by its place in the list, with what is right; no password shows."""
    where = {"mirrors": "holodeck/mirrors"}.get(place, place)
    [found] = _faults(_with(place, value))
    assert found.startswith(where)
    assert fault in found
    assert "hidden" not in found


def test_parse_takes_signing_and_indexes():
    """Who signs, and where private packages come from, hold for all services."""
    signing = {"key": _KEY, "public_keys": "block"}
    indexes = [{"url": "https://i.example.org", "username": "u", "password": "p"}]
    found = definition.parse({**_LEGAL, "signing": signing, "indexes": indexes})
    assert found.signing == signing
    assert definition.parse(_LEGAL).signing is None
    assert definition.parse({**_LEGAL, "signing": {}}).signing == {}
    assert found.indexes == tuple(indexes)


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("signing", {"key": _KEY}, "signing/public_keys: is missing."),
        ("signing", {"key": "short", "public_keys": "b"}, "signing/key: "),
        ("indexes", [{"username": "u", "password": "hidden"}], "indexes: "),
        ("indexes", ["https://u:hidden@i.example.org"], "holodeck/indexes: should be "),
    ],
)  # fmt: skip
def test_parse_refuses_unfit_keys_and_indexes(key, value, fault):
    """A key that is none, or an index without a place, is a fault; no secret shows."""
    faults = _faults({**_LEGAL, key: value})
    assert any(found.startswith(fault) for found in faults), faults
    assert "hidden" not in "".join(faults)
