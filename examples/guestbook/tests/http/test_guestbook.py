"""
The guestbook's HTTP suite.

.. code-block:: console

    $ pytest tests/http                                         # in-process
    $ pytest tests/http --http-target http://127.0.0.1:8000     # live, read-only
    $ pytest tests/http --http-target http://127.0.0.1:8000 --http-allow-writes
"""

import os
import uuid

import pytest
import webtest


@pytest.mark.smoke
def test_health_is_ok(app):
    """The service says that it and its database work."""
    assert app.get("/healthz").json["status"] == "ok"


@pytest.mark.smoke
def test_every_answer_names_the_commit(app):
    """Pages, JSON and errors alike come from the commit under test."""
    expected = os.environ.get("HOLODECK_COMMIT", app.get("/healthz").json["commit"])
    for path, status in (("/", 200), ("/healthz", 200), ("/nowhere", 404)):
        answer = app.get(path, status=status)
        assert answer.headers["X-Holodeck-Commit"] == expected


@pytest.mark.smoke
def test_page_shows_where_it_runs(app):
    """A visitor sees greeting, environment, host and commit."""
    page = app.get("/").html
    assert page.h1.text
    for part in ("environment", "host", "commit"):
        assert page.find(id=part).text


def test_page_has_its_style(app):
    """The link in the page leads to the style sheet."""
    sheet = app.get("/").html.find("link", rel="stylesheet")["href"]
    assert app.get(sheet).content_type == "text/css"


def test_old_address_redirects(app):
    """A bookmark from before still arrives."""
    answer = app.get("/guestbook", status=301)
    assert answer.follow().html.h1


def test_unknown_page_is_not_found(app):
    """What does not exist is a 404, also with escapes in its path."""
    app.get("/caf%C3%A9%2Fmenu", status=404)


def test_entries_are_json(app):
    """The API lists entries to anyone."""
    assert isinstance(app.get("/api/entries").json["entries"], list)


@pytest.mark.harmless
def test_login_is_remembered(guest):
    """The session cookie survives later requests."""
    assert guest.get("/whoami").json == {"name": "Ada"}
    assert guest.get("/").html.find(id="guest").text == "Ada"


@pytest.mark.harmless
def test_logout_forgets(guest):
    """After logging out the visitor is nobody again."""
    guest.get("/").forms["logout"].submit().follow()
    assert guest.get("/whoami").json == {"name": None}


@pytest.mark.harmless
def test_wrong_password_is_refused(app):
    """A wrong password keeps the form, the name, and the door shut."""
    form = app.get("/login").forms["login"]
    form["name"] = "Mallory"
    form["password"] = "let me in"
    answer = form.submit(status=401)
    assert "do not fit" in answer.html.find(role="alert").text
    assert answer.forms["login"]["name"].value == "Mallory"


@pytest.mark.harmless
def test_strangers_cannot_sign(app):
    """Signing needs a login, by form and by API."""
    app.post("/entries", {"message": "hello"}, status=403)
    app.post_json("/api/entries", {"message": "hello"}, status=403)


@pytest.mark.harmless
@pytest.mark.parametrize("message", ["", "   ", "x" * 501, 7, None])
def test_unfit_message_is_refused(guest, message):
    """A message that is empty, too long or no text is refused with the rule."""
    answer = guest.post_json("/api/entries", {"message": message}, status=422)
    assert "500 characters" in answer.json["error"]


# Each host keeps its own entries, so what one takes another does not show.
@pytest.mark.host_only
@pytest.mark.writes
def test_guest_signs_by_form(guest):
    """What a guest writes is shown to all, as text and never as HTML."""
    message = f"<b>Grüße</b> {uuid.uuid4()}"
    form = guest.get("/").forms["sign"]
    form["message"] = message
    page = form.submit(status=302).follow()
    assert message in page.html.find(id="entries").text


@pytest.mark.host_only
@pytest.mark.writes
def test_guest_signs_by_api(guest):
    """A new entry has its own address and is listed."""
    message = f"Hello {uuid.uuid4()}"
    created = guest.post_json("/api/entries", {"message": message}, status=201)
    entry = guest.get(created.location).json
    assert (entry["author"], entry["message"]) == ("Ada", message)
    assert entry in guest.get("/api/entries").json["entries"]


@pytest.mark.host_only
@pytest.mark.writes
def test_guest_imports_a_file(guest):
    """Each line of an uploaded file becomes an entry; the form carries the file."""
    lines = [f"Line {number} of {uuid.uuid4()}" for number in range(3)]
    form = guest.get("/").forms["import"]
    form["messages"] = webtest.Upload("book.txt", "\n".join(lines).encode())
    form.submit(status=302)
    # What is done a little later is asked for until it is there.
    answer = guest.get_until("/api/entries", lambda answer: lines[-1] in answer)
    assert [entry["message"] for entry in answer.json["entries"][:3]] == lines[::-1]


@pytest.mark.harmless
@pytest.mark.parametrize("content", [b"", b"x" * 20_001])
def test_unfit_file_is_refused(guest, content):
    """A file that is empty or too large is refused with the rule."""
    form = guest.get("/").forms["import"]
    form["messages"] = webtest.Upload("book.txt", content)
    assert "20000 bytes" in form.submit(status=422).html.find(role="alert").text


@pytest.mark.host_only
def test_one_host_answers(app):
    """Aimed at one host, every page comes from that host."""
    assert len({app.get("/").html.find(id="host").text for _ in range(5)}) == 1


@pytest.mark.lb_only
@pytest.mark.harmless
def test_session_holds_on_every_host(guest):
    """Whichever host the balancer picks, the guest stays logged in."""
    assert all(guest.get("/whoami").json["name"] == "Ada" for _ in range(20))
