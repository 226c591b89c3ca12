"""What each forge is sent about a commit."""

import json

import pytest

from holodeck import commit_status

_COMMIT = "4f2c" * 10
_STATUS = {"api": "https://forge.example.org/api/v4/", "token": "t"}


@pytest.mark.parametrize(
    "repository",
    [
        "git@forge:team/sub/guestbook.git", "https://forge/team/sub/guestbook",
        "ssh://git@forge:7999/team/sub/guestbook.git",
    ],
)  # fmt: skip
def test_request_names_the_project_whatever_the_url(repository):
    """Subgroups are part of a project's name, and stay one word of the path."""
    url, headers, _ = commit_status.request(
        "gitlab", _STATUS, repository, _COMMIT, "success", "holodeck/demo", "good"
    )
    project = "https://forge.example.org/api/v4/projects/team%2Fsub%2Fguestbook"
    assert url == f"{project}/statuses/{_COMMIT}"
    assert headers["PRIVATE-TOKEN"] == "t"


def test_request_keeps_words_short():
    """Forges refuse more than 140 characters."""
    *_, body = commit_status.request(
        "github", _STATUS, "git@h:a/b", _COMMIT, "failure", "holodeck/demo", "x" * 999
    )
    assert len(json.loads(body)["description"]) == 140


def test_request_for_what_is_no_commit_is_refused():
    """Nothing else becomes a part of the path."""
    with pytest.raises(ValueError, match="no commit"):
        commit_status.request(
            "github", _STATUS, "git@h:a/b", "../x", "success", "c", "w"
        )
