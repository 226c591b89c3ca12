"""The runner as Salt loads it: options, and answers that end with the right status."""

import json
from pathlib import Path

import pytest
import salt.config
import salt.loader

_PACK = Path(__file__).parents[2]
_FUNCTIONS = ("release", "rollback", "status", "plan", "history", "show", "test",
              "create", "destroy", "metrics")  # fmt: skip


@pytest.fixture
def runner(tmp_path):
    """The functions of the runner, on a master that defines nothing."""
    opts = salt.config.master_config(None)
    opts.update(
        cachedir=str(tmp_path),
        conf_file=str(tmp_path / "master"),
        module_dirs=[str(_PACK / "salt")],
        runner_dirs=[str(_PACK / "_runners")],
        pillar_roots={"base": [str(tmp_path / "pillar")]},
        file_roots={"base": [str(tmp_path / "holodeck" / "store")]},
        ext_pillar=[],
    )
    return salt.loader.runner(opts)


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_misspelt_option_ends_with_a_failure(runner, name):
    """An option that does not exist is named, and the exit status is not 0."""
    answer = runner[f"holodeck.{name}"](enviroment="demo", __pub_user="root")
    assert answer["data"]["retcode"] == 1
    wanted = f"enviroment: is no option of holodeck.{name}; its options are "
    assert answer["data"]["error"].startswith(wanted)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("release", "its options are service, commit, env, message."),
        ("scale", "its options are env, web, balancer, tester, builder."),
        ("expire", "it has none."),
    ],
)
def test_options_that_there_are_stand_beside_a_misspelt_one(runner, name, wanted):
    """Whoever mistyped one need not look it up."""
    said = runner[f"holodeck.{name}"](comit="main")["data"]["error"]
    assert said == f"comit: is no option of holodeck.{name}; {wanted}"


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_salts_own_options_are_not_refused(runner, name):
    """What Salt adds to a call is no misspelt option."""
    answer = runner[f"holodeck.{name}"](__pub_user="root")
    assert answer["data"]["retcode"] == 1
    assert "nothing is defined for the id" in answer["data"]["error"]


@pytest.fixture
def defined(runner, tmp_path):
    """The runner's functions, on a master that defines a service in an environment."""
    pillar = tmp_path / "pillar"
    pillar.mkdir()
    document = {"services": {}, "environments": {"demo": {"hosts": {}}}}
    pillar.joinpath("top.sls").write_text("base: {holodeck: [holodeck]}")
    pillar.joinpath("holodeck.sls").write_text(json.dumps({"holodeck": document}))
    return runner


def test_metrics_are_printed_or_written(defined, tmp_path):
    """Without a file they are the answer; with one they are in it, and nowhere else."""
    text = defined["holodeck.metrics"]()["data"]["metrics"]["text"]
    assert "# TYPE holodeck_release_state gauge" in text
    file = tmp_path / "x.prom"
    answer = defined["holodeck.metrics"](file=str(file))["data"]
    assert answer == {"kind": "metrics", "metrics": {"file": str(file)}}
    assert file.read_text() == text


@pytest.mark.parametrize("file", ["x.prom", 7, "/nowhere/x.prom"])
def test_metrics_that_cannot_be_written_end_with_a_failure(defined, file):
    """A file that is none is named, and the exit status is not 0."""
    answer = defined["holodeck.metrics"](file=file)["data"]
    assert answer["retcode"] == 1
    assert str(file) in answer["error"]
