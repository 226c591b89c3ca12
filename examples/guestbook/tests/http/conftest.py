"""What the guestbook's tests share. ``app`` itself comes from Holodeck's plugin."""

import os

import pytest


@pytest.fixture
def guest(app):
    """``app``, logged in as Ada. Tests that use it post: mark them."""
    form = app.get("/login").forms["login"]
    form["name"] = "Ada"
    form["password"] = os.environ.get("GUESTBOOK_PASSWORD", "guest")
    form.submit(status=302)
    return app
