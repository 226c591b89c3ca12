"""
Give each host its own part of the definition, and the commit it should be at.

In the master's configuration:

.. code-block:: yaml

    ext_pillar:
      - holodeck: {}

The commit is that of the last good release, never of a bad one: highstate
brings a host to it, and a new host starts with it.
"""

import functools
import logging

from holodeck_io.errors import HolodeckError
from holodeck_master import ledger, locks, records
from holodeck_master import pillar as definitions

log = logging.getLogger(__name__)


def ext_pillar(minion_id, pillar):
    """
    Return ``{"holodeck": slice}`` for a host of an environment, else ``{}``.

    A faulty definition fails the pillar of this pack's hosts alone: other minions
    of the master go on.

    CLI Example:

    .. code-block:: bash

        salt-run pillar.show_pillar demo-web1
    """
    if minion_id == definitions.DEFINITION_ID:
        return {}
    memory = records.Records(__opts__)
    is_busy = functools.partial(locks.is_held, __opts__)
    try:
        definition = definitions.load(__opts__)
        slice_ = definitions.slice_for(minion_id, definition, memory, is_busy)
    except (HolodeckError, LookupError) as error:
        if ledger.knows(memory, minion_id):
            raise
        # A balancer in the making asks before its servers have addresses.
        level = logging.INFO if isinstance(error, LookupError) else logging.ERROR
        log.log(level, "Pillar of %s: without holodeck: %s", minion_id, error)
        return {}
    return {"holodeck": slice_} if slice_ else {}
