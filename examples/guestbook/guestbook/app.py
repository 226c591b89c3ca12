"""The pages and the API."""

import hmac
import sqlite3

from flask import (
    Flask,
    abort,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    session,
    url_for,
)

from guestbook import settings
from guestbook.book import Book

_NAME_MAX = 40
_MESSAGE_MAX = 500
_FILE_MAX = 20_000


def create_app(config=None):
    """Return the WSGI application."""
    app = Flask(__name__)
    app.config.update(config or settings.from_environment())
    book = Book(app.config["DATABASE"])

    @app.after_request
    def say_commit(response):
        response.headers["X-Holodeck-Commit"] = app.config["COMMIT"]
        return response

    _add_pages(app, book)
    _add_api(app, book)
    return app


def _add_pages(app, book):
    @app.get("/")
    def index():
        return render_template("index.html", entries=book.latest())

    @app.get("/login")
    def login():
        return render_template("login.html")

    @app.post("/login")
    def check_login():
        name = request.form.get("name", "").strip()
        password = request.form.get("password", "")
        right = hmac.compare_digest(password.encode(), app.config["PASSWORD"].encode())
        if not (right and 0 < len(name) <= _NAME_MAX):
            flash("That name and password do not fit.")
            return render_template("login.html", name=name), 401
        session["name"] = name
        return redirect(url_for("index"))

    @app.post("/logout")
    def logout():
        session.clear()
        return redirect(url_for("index"))

    @app.post("/entries")
    def sign():
        message = _message(request.form.get("message"))
        if message is None:
            flash(f"A message has 1 to {_MESSAGE_MAX} characters.")
            return render_template("index.html", entries=book.latest()), 422
        book.add(_guest(), message)
        return redirect(f"{url_for('index')}#entries")

    @app.post("/import")
    def import_messages():
        """Take a text file, one message a line."""
        guest, file = _guest(), request.files.get("messages")
        text = file.read(_FILE_MAX + 1) if file else b""
        if not 0 < len(text) <= _FILE_MAX:
            flash(f"Choose a text file of at most {_FILE_MAX} bytes.")
            return render_template("index.html", entries=book.latest()), 422
        lines = text.decode(errors="replace").splitlines()
        for message in filter(None, map(_message, lines)):
            book.add(guest, message)
        return redirect(f"{url_for('index')}#entries")

    @app.get("/guestbook")
    def old_address():
        return redirect(url_for("index"), 301)


def _add_api(app, book):
    @app.get("/healthz")
    def health():
        body = {"status": "ok", "commit": app.config["COMMIT"]}
        try:
            book.check()
        except sqlite3.Error as error:
            return jsonify(body | {"status": f"database: {error}"}), 503
        return body

    @app.get("/whoami")
    def whoami():
        return {"name": session.get("name")}

    @app.get("/api/entries")
    def entries():
        return {"entries": book.latest()}

    @app.post("/api/entries")
    def add_entry():
        data = request.get_json()
        message = _message(data.get("message") if isinstance(data, dict) else None)
        if message is None:
            return {"error": f"message: 1 to {_MESSAGE_MAX} characters of text"}, 422
        entry = book.add(_guest(), message)
        return entry, 201, {"Location": url_for("one_entry", number=entry["id"])}

    @app.get("/api/entries/<int:number>")
    def one_entry(number):
        return book.get(number) or abort(404)


def _guest():
    return session.get("name") or abort(403, "Log in to sign the guestbook.")


def _message(value):
    text = value.strip() if isinstance(value, str) else ""
    return text if 0 < len(text) <= _MESSAGE_MAX else None
