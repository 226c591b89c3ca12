"""
What the server imports.

.. code-block:: console

    $ gunicorn --bind 127.0.0.1:8000 guestbook.wsgi:app
"""

from guestbook.app import create_app

app = create_app()
