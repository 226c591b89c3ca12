"""Processes as systemd units, and configuration as an environment."""

import pytest

from holodeck import units

COMMIT = "4f2c1e9d0a1b5c7788990011223344556677aabb"
ROOT = f"/opt/holodeck/guestbook/{COMMIT}"
FOLDER = "/etc/holodeck/guestbook/4f2c1e9d0a1b-cccccccccccc"


def _deployment(**changes):
    values = {
        "service": "guestbook", "environment": "demo", "commit": COMMIT,
        "config": "c" * 64, "port": 8000, "health": "/",
        "processes": {"web": "gunicorn app"},
    }  # fmt: skip
    return units.Deployment(**{**values, **changes})


def _lines(**changes):
    return units.unit(_deployment(**changes), "web").splitlines()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gunicorn app", f"{ROOT}/bin/gunicorn app"),
        ("/usr/bin/env x", "/usr/bin/env x"),
        (
            "gunicorn --bind 0.0.0.0:${PORT}",
            f"{ROOT}/bin/gunicorn --bind 0.0.0.0:${{PORT}}",
        ),
        ("run '100%'", f"{ROOT}/bin/run 100%%"),
        ("run 'two words'", f'{ROOT}/bin/run "two words"'),
        ("run 'a \"b\"'", f'{ROOT}/bin/run "a \\"b\\""'),
        (r"run 'a\b'", f'{ROOT}/bin/run "a\\\\b"'),
        ("run ''", f'{ROOT}/bin/run ""'),
        ("run 'a;b' ';'", f'{ROOT}/bin/run "a;b" ";"'),
        ("run '%n $HOME x'", f'{ROOT}/bin/run "%%n $HOME x"'),
        ('run "it\'s"', f'{ROOT}/bin/run "it\'s"'),
        ("-run", f"{ROOT}/bin/-run"),
        ("@run", f"{ROOT}/bin/@run"),
    ],
)
def test_exec_start_quotes_for_systemd(line, words):
    """The unit has the words of the command line, its own signs made harmless."""
    assert units.exec_start(ROOT, line) == words


def test_unit_runs_the_commit_not_current():
    """A running process finds its own version, whatever becomes current."""
    lines = _lines()
    assert f"WorkingDirectory={ROOT}" in lines
    assert f"EnvironmentFile={FOLDER}/environment" in lines
    assert not [line for line in lines if "/current" in line]


def test_unit_has_no_privileges_it_does_not_need():
    """A service is a user of its own that can write its state and nothing else."""
    lines = _lines()
    for line in ("DynamicUser=yes", "User=holodeck-guestbook", "NoNewPrivileges=yes",
                 "ProtectSystem=strict", "StateDirectory=holodeck-guestbook",
                 "CapabilityBoundingSet=", "UMask=0077"):  # fmt: skip
        assert line in lines


@pytest.mark.parametrize(
    ("port", "granted"), [(80, True), (1023, True), (1024, False), (8000, False)]
)
def test_unit_privileged_port_needs_one_capability(port, granted):
    """Binding below 1024 is granted, and only where it is needed."""
    lines = _lines(port=port)
    assert ("AmbientCapabilities=CAP_NET_BIND_SERVICE" in lines) is granted
    assert ("CapabilityBoundingSet=CAP_NET_BIND_SERVICE" in lines) is granted
    assert len([x for x in lines if x.startswith("CapabilityBoundingSet=")]) == 1


def test_unit_hands_files_over_as_credentials():
    """Each file is a credential that only the service can read."""
    lines = _lines(files={"key.pem": "x", "app.ini": "y"})
    assert f"LoadCredential=key.pem:{FOLDER}/files/key.pem" in lines
    assert f"LoadCredential=app.ini:{FOLDER}/files/app.ini" in lines
    assert not [line for line in _lines() if line.startswith("LoadCredential")]


def test_contents_has_a_unit_for_each_process():
    """Each process is a unit of its own, the first one named first."""
    deployment = _deployment(processes={"web": "gunicorn app", "worker": "celery -A x"})
    texts = units.contents(deployment)
    assert set(texts) == {
        "units/holodeck-guestbook.web.service", "environment", "deployment.json",
        "units/holodeck-guestbook.worker.service",
    }  # fmt: skip
    assert (
        f"ExecStart={ROOT}/bin/celery -A x\n"
        in (texts["units/holodeck-guestbook.worker.service"])
    )
    assert deployment.units[0] == "holodeck-guestbook.web.service"


def test_contents_keeps_secrets_where_only_root_reads():
    """A secret is in the environment or in its file, never in a unit or summary."""
    texts = units.contents(
        _deployment(settings={"TOKEN": "hunter2"}, files={"key.pem": "hunter3"})
    )
    assert [name for name, text in texts.items() if "hunter2" in text] == [
        "environment"
    ]
    assert [name for name, text in texts.items() if "hunter3" in text] == [
        "files/key.pem"
    ]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", 'A="plain"'),
        ("two words", 'A="two words"'),
        ('a "b"', 'A="a \\"b\\""'),
        ("a\\nb", 'A="a\\\\nb"'),
        ("# no comment", 'A="# no comment"'),
        ("$HOME %n `x`", 'A="\\$HOME %n \\`x\\`"'),
        ("", 'A=""'),
        ("ünï", 'A="ünï"'),
        (7, 'A="7"'),
        (1.5, 'A="1.5"'),
        (True, 'A="true"'),
        (False, 'A="false"'),
    ],
)
def test_environment_quotes_each_value(value, line):
    """A setting arrives in the process as it stands in pillar."""
    assert line in units.environment(_deployment(settings={"A": value})).splitlines()


def test_environment_keeps_lines():
    """A value of several lines, a PEM key, keeps its lines; the file has them raw."""
    text = units.environment(_deployment(settings={"A": "x\ny"}))
    assert text.startswith('A="x\ny"\n')


@pytest.mark.parametrize(
    "value",
    ["plain", "two words", 'a "b"', "a\\nb", "a\\", "\\\\", "$HOME %n `x`", "", "ünï",
     "x\ny", 'x\nFAKE="y"\nz', 'x"\n', "# no", "\\\n"],
)  # fmt: skip
def test_values_are_those_of_the_environment(value):
    """What is read back for masking is what was written, and nothing of the pack's."""
    settings = {"A": value, "B2": "other", "PORTAL": "p"}
    text = units.environment(_deployment(settings=settings))
    assert units.values(text) == [value, "other", "p"]


def test_values_has_settings_whose_names_begin_like_the_packs():
    """A setting that a service may have is a value to be masked."""
    text = units.environment(_deployment(settings={"HOLODECK_TOKEN": "hunter2"}))
    assert units.values(text) == ["hunter2"]


def test_environment_says_what_runs():
    """A process learns its port, service, environment and commit, in the last word."""
    text = units.environment(_deployment(settings={"A": "1"}))
    assert text.splitlines() == [
        'A="1"', 'PORT="8000"', 'HOLODECK_SERVICE="guestbook"',
        'HOLODECK_ENVIRONMENT="demo"', f'HOLODECK_COMMIT="{COMMIT}"',
        'HOLODECK_DEPLOYMENT="4f2c1e9d0a1b-cccccccccccc"',
    ]  # fmt: skip


def test_deployment_is_named_by_commit_and_configuration():
    """Another commit or another configuration is another folder."""
    assert _deployment().folder == FOLDER
    assert _deployment(config="d" * 64).name == "4f2c1e9d0a1b-dddddddddddd"
    assert _deployment(commit="0" * 40).name == "000000000000-cccccccccccc"


def test_socket_is_one_for_the_first_process():
    """The process that listens waits for its socket; others know nothing of it."""
    made = _deployment(socket=True, processes={"web": "gunicorn app", "worker": "rq"})
    texts = units.contents(made)
    assert "units/holodeck-guestbook.web.socket" in texts
    assert "units/holodeck-guestbook.worker.socket" not in texts
    web = texts["units/holodeck-guestbook.web.service"].splitlines()
    assert "Wants=holodeck-guestbook.web.socket network-online.target" in web
    worker = texts["units/holodeck-guestbook.worker.service"].splitlines()
    assert "Wants=network-online.target" in worker
    assert made.summary()["sockets"] == ["holodeck-guestbook.web.socket"]


def test_socket_is_none_by_default():
    """Behind a balancer the process itself listens."""
    assert _deployment().sockets == []
    assert not [name for name in units.contents(_deployment()) if "socket" in name]
