"""The sample service as a git repository with commits worth releasing."""

import os
import shutil
import subprocess

from lab import CLONE

_SAMPLE = CLONE / "examples" / "guestbook"
_HOOK = CLONE / "salt" / "holodeck" / "files" / "post-receive"
# Fixed names and times: the same sample makes the same commit ids everywhere.
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Holodeck", "GIT_AUTHOR_EMAIL": "holodeck@localhost",
    "GIT_COMMITTER_NAME": "Holodeck", "GIT_COMMITTER_EMAIL": "holodeck@localhost",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip
_BROKEN = """
    @app.before_request
    def fail():
        if request.path != "/healthz":
            raise RuntimeError("no pages today")
"""


class Repository:
    """``git/guestbook.git`` of a laboratory, and a work tree beside it."""

    def __init__(self, home):
        self.bare = home / "git" / "guestbook.git"
        self.tree = home / "guestbook"

    def create(self):
        """
        Make the branches main, next (one line), broken and crash, once.

        ``broken`` answers its health check and fails everything else; ``crash``
        does not start.
        """
        if self.bare.exists():
            return
        staging = self.bare.with_suffix(".new")
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(self.tree, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".pytest_cache")
        shutil.copytree(_SAMPLE, self.tree, ignore=ignored)
        self._git("init", "--quiet", "--initial-branch=main")
        self._save("A guestbook")
        self.branch("next", "Write a warmer title", self._change_title)
        self.branch("broken", "Answer 500, but keep healthy", self.break_pages)
        self.branch("crash", "Forget an import", self.crash)
        subprocess.run(
            ["git", "clone", "--quiet", "--bare", self.tree, staging], check=True
        )
        staging.rename(self.bare)
        self._git("remote", "add", "origin", self.bare)

    def release_pushes(self, api, secret_file):
        """Let the repository ask for a release of what is pushed to it."""
        hook = self.bare / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        if not hook.is_symlink():
            hook.symlink_to(_HOOK)
        for name, value in {
            "url": api, "service": "guestbook", "secretFile": secret_file
        }.items():  # fmt: skip
            words = ["git", "--git-dir", self.bare, "config", f"holodeck.{name}", value]
            subprocess.run(words, check=True)

    def branch(self, name, message, change):
        """Commit a change on top of main under a branch of its own."""
        self._git("checkout", "--quiet", "-B", name, "main")
        change()
        self._save(message)
        self._git("checkout", "--quiet", "main")

    def push(self):
        """Bring the work tree's branches to the repository that builders read."""
        self._git("push", "--quiet", "--force", "origin", "--all")

    def commit(self, ref):
        """Return the full commit id of a branch."""
        return self._git("rev-parse", f"refs/heads/{ref}").stdout.strip()

    def edit(self, path, old, new):
        """Replace a text in a file of the work tree."""
        file = self.tree / path
        text = file.read_text(encoding="utf-8")
        if old not in text:
            raise ValueError(f"{path}: does not contain {old!r}.")
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def break_pages(self, code=_BROKEN):
        """Let the application do something more before it has pages: fail."""
        anchor = "    _add_pages(app, book)\n"
        self.edit("guestbook/app.py", anchor, f"{code}\n{anchor}")

    def crash(self):
        """Let the application not start."""
        self.edit("guestbook/wsgi.py", "app = create_app()", "app = create_app(oops)")

    def _change_title(self):
        self.edit("guestbook/templates/index.html", "<h1>", "<h1>🙂 ")

    def _save(self, message):
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)

    def _git(self, *words):
        return subprocess.run(
            ["git", *words], cwd=self.tree, check=True, text=True,
            capture_output=True, env={**os.environ, **_IDENTITY},
        )  # fmt: skip
