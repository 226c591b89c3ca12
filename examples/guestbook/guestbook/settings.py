"""
Settings come from environment variables only, so one build serves everywhere.

========================  =======================================  ============
Variable                  Meaning                                  By default
========================  =======================================  ============
``GREETING``              the headline of the page                 Welcome
``ACCENT``                the page's colour, any CSS colour        seagreen
``GUESTBOOK_SECRET``      signs the session cookie                 random
``GUESTBOOK_PASSWORD``    lets guests log in                       guest
``STATE_DIRECTORY``       the database's folder; systemd sets it   a new one
``HOLODECK_COMMIT``       the deployed commit                      development
``HOLODECK_ENVIRONMENT``  where it runs                            laptop
========================  =======================================  ============

Several processes of one service need ``GUESTBOOK_SECRET`` and
``STATE_DIRECTORY``: with the defaults each would have its own.
"""

import os
import secrets
import socket
import tempfile
from pathlib import Path


def from_environment(environ=os.environ):
    """Return the settings as Flask's configuration."""
    state = environ.get("STATE_DIRECTORY") or tempfile.mkdtemp(prefix="guestbook-")
    return {
        "GREETING": environ.get("GREETING", "Welcome"),
        "ACCENT": environ.get("ACCENT", "seagreen"),
        "SECRET_KEY": environ.get("GUESTBOOK_SECRET") or secrets.token_hex(),
        "PASSWORD": environ.get("GUESTBOOK_PASSWORD", "guest"),
        "DATABASE": str(Path(state) / "guestbook.sqlite"),
        "COMMIT": environ.get("HOLODECK_COMMIT", "development"),
        "ENVIRONMENT": environ.get("HOLODECK_ENVIRONMENT", "laptop"),
        "HOST": socket.gethostname(),
        "SESSION_COOKIE_SAMESITE": "Lax",
        "MAX_CONTENT_LENGTH": 64 << 10,
    }
