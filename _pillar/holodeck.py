"""
Give each host its own part of the definition, and the commit it should be at.

In the master's configuration:

.. code-block:: yaml

    ext_pillar:
      - holodeck: {}

The commit is that of the last good release, never of a bad one: highstate
brings a host to it, and a new host starts with it.
"""

from holodeck_master import pillar as definitions
from holodeck_master import records


def ext_pillar(minion_id, pillar):
    """
    Return ``{"holodeck": slice}`` for a host of an environment, else ``{}``.

    CLI Example:

    .. code-block:: bash

        salt-run pillar.show_pillar demo-web1
    """
    if minion_id == definitions.DEFINITION_ID:
        return {}
    slice_ = definitions.slice_for(
        minion_id, definitions.load(__opts__), records.Records(__opts__)
    )
    return {"holodeck": slice_} if slice_ else {}
