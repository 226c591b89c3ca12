# Hosts that run services: each service at its last good release.
holodeck-web:
  test.nop: []
{%- for name, service in salt['pillar.get']('holodeck:services', {}).items() %}
{%- set release = service.release %}
{%- if release %}

holodeck-{{ name }}-bundle:
  bundle.installed:
    - name: {{ name }}
    - commit: {{ release.commit | json }}
    - layers: {{ release.layers | json }}
    - provenance: {{ release.provenance | json }}
    - signature: {{ release.signature | json }}
    - platform: {{ release.get('platform', '') | json }}

holodeck-{{ name }}-service:
  webapp.deployed:
    - name: {{ name }}
    - commit: {{ release.commit | json }}
    - deployment: {{ release.deployment | json }}
    - busy: {{ service.busy | json }}
    - platform: {{ release.get('platform', '') | json }}
    - require:
      - bundle: holodeck-{{ name }}-bundle
{%- endif %}
{%- endfor %}
