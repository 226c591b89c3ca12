"""
The real neutron API.

Its tables are mapped here: a list of ports as the very first request of a process
fails otherwise (28.0.2: Port has no attribute 'port_forwardings').
"""

from neutron.wsgi.api import application
from sqlalchemy import orm

__all__ = ["application"]

orm.configure_mappers()
