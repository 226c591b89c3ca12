"""The report's page in a real browser: on a phone, and on paper."""

import html
import json
import re
import subprocess
from pathlib import Path

import pytest

from holodeck_report import page

_TEMPLATE = Path(__file__).parents[2] / "salt/holodeck/files/report.html.jinja"
_PHONE = 360
_FRAME = """<!DOCTYPE html><title>no</title>
<iframe src="{page}" style="width: {width}px; height: 700px; border: 0"></iframe>
<script>
document.querySelector("iframe").onload = ({{target}}) => {{
  const root = target.contentDocument.documentElement;
  const wide = [...root.querySelectorAll("body *")].filter(
    (e) => e.getBoundingClientRect().right > {width} + 1 && !e.closest(".wide, svg"));
  document.title = JSON.stringify(
    {{width: root.scrollWidth, wide: wide.map((e) => e.outerHTML.slice(0, 80))}});
}};
</script>"""


def _record():
    layers = [{"filename": "holodeck-deps-3623a257da0e0ad9.deb", "sha256": "a" * 64}]
    names = ("hosts", "build", "stage", "rollout", "back")
    phases = [
        {"name": name, "at": 100.0 + 5 * number, "seconds": 5.0}
        for number, name in enumerate(names)
    ]
    return {
        "id": "guestbook.production.4711", "service": "guestbook", "kind": "release",
        "environment": "production", "status": "bad", "commit": "4" * 40,
        "user": "ann", "started": "2026-01-01T10:00:00Z", "phases": phases,
        "reason": "The suite did not pass.\n" + "a-word-without-any-space" * 12,
        "back": {"production-web1": "in rotation at 000000000000"},
        "bundle": {"layers": layers}, "deployment": "4" * 12 + "-" + "c" * 12,
    }  # fmt: skip


def _story():
    hosts = [f"production-web{number}.internal.example.org" for number in range(1, 9)]
    ids = [f"test_{'long_' * 9}{number}.py::test_it" for number in range(30)]
    failure = {"id": ids[0], "why": "/x" * 150, "curl": "curl " + "y" * 300}
    http = dict.fromkeys(("n", "p50", "p95", "p99", "max"), 123456.78)
    entry = {"failures": [failure], "http": http}
    return {
        "steps": [[100.0 + n, "rollout", hosts, "begins" if n % 2 else "healthy at 4"]
                  for n in range(20)],
        "rows": dict.fromkeys(hosts, entry), "cut": {"demo-tester1": ["/all.jsonl"]},
        "tests": {host: {name: ["F" if n == 0 else "P", 12]
                         for n, name in enumerate(ids)} for host in hosts},
        "probe": [[100 + n, 10, n % 3, 2.5] for n in range(25)],
    }  # fmt: skip


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """Run the browser on the page of a long, bad release; return what it printed."""
    folder = tmp_path_factory.mktemp("page")
    changes = {
        "before": "0" * 40, "settings": {"settings/A_LONG_NAME" * 4: "changed"},
        "packages": {f"package-{n}": ["1.0", "1.1"] for n in range(40)},
        "commits": [{"commit": "4" * 40, "subject": "word " * 40}],
    }  # fmt: skip
    text = page.html(_TEMPLATE.read_text(), _record(), _story(), changes)
    (folder / "page.html").write_text(text)
    (folder / "frame.html").write_text(_FRAME.format(page="page.html", width=_PHONE))

    def run(*words, file="page.html"):
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu",
             "--allow-file-access-from-files", f"--user-data-dir={folder}/profile",
             "--virtual-time-budget=4000", *words, f"file://{folder}/{file}"],
            check=True, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return done.stdout

    run.folder = folder
    return run


def test_page_fits_a_phone(browse):
    """Nothing is wider than a phone's screen; the matrix scrolls by itself."""
    said = browse("--dump-dom", file="frame.html")
    found = json.loads(html.unescape(re.search("<title>(.*?)</title>", said)[1]))
    assert found["wide"] == []
    assert found["width"] <= _PHONE


def test_page_prints(browse):
    """It can be kept on paper: a PDF of a few pages, not one cut sheet."""
    paper = browse.folder / "page.pdf"
    browse("--no-pdf-header-footer", f"--print-to-pdf={paper}")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 2 <= pages <= 12
