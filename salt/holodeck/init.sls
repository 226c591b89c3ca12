{%- set role = salt['pillar.get']('holodeck:role', none) %}
{%- if role %}
include:
  - holodeck.{{ role }}
{%- else %}
# This minion is in no environment's hosts; there is nothing to do.
{}
{%- endif %}
