"""
The real nova API, conductor, scheduler and compute manager in one process.

They talk over oslo.messaging's transport within a process, so there is no broker.
"""

# ruff: noqa: E402  # nova patches threads before anything else is imported

from nova import monkey_patch

monkey_patch.patch(backend="threading")

import nova.conf
import os_brick
import os_vif
from nova import objects, service
from nova.api.openstack import wsgi_app
from nova.compute import rpcapi as compute
from nova.conductor import rpcapi as conductor
from nova.scheduler import rpcapi as scheduler
from nova.virt import node
from oslo_utils.fixture import uuidsentinel

application = wsgi_app.init_application("osapi_compute", "nova-api-os-compute")
os_brick.setup(nova.conf.CONF)
os_vif.initialize()
# The fake hypervisor invents an id of its node in every process: it gets the one that
# nova keeps, so that the servers survive a restart.
uuidsentinel._sentinels[f"node_{nova.conf.CONF.host}"] = node.get_local_node_uuid()
objects.Service.enable_min_version_cache()

for _binary, _topic, _alternative in (
    ("nova-conductor", conductor.RPC_TOPIC, None),
    ("nova-scheduler", scheduler.RPC_TOPIC, None),
    ("nova-compute", compute.RPC_TOPIC, getattr(compute, "RPC_TOPIC_ALT", None)),
):
    service.Service.create(binary=_binary, topic=_topic, topic_alt=_alternative).start()
