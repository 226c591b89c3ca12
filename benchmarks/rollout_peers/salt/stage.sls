# The packages, on the disk and in place, beside what runs.
{%- set deploy = pillar['deploy'] %}
{%- for package in deploy.packages[grains['id']] %}

/var/cache/guestbook-peer/{{ package.filename }}:
  file.managed:
    - source: salt://bundles/{{ package.sha256 }}/{{ package.filename }}
    - source_hash: {{ package.sha256 }}
    - unless: test -e {{ package.root }}

install {{ package.filename }}:
  cmd.run:
    - name: dpkg --install /var/cache/guestbook-peer/{{ package.filename }}
    - creates: {{ package.root }}
{%- endfor %}
