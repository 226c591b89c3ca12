# What the peers' deploys find on every host; none of it is in a clock.
{%- set ground = pillar['ground'] %}

/root/.ssh/authorized_keys:
  file.managed:
    - contents: {{ ground.key }}
    - makedirs: true
    - dir_mode: '0700'
    - mode: '0600'

/etc/guestbook-peer:
  file.directory:
    - mode: '0700'

/var/cache/guestbook-peer:
  file.directory
{%- if grains['id'] == ground.tester %}

/usr/local/bin/suite:
  file.managed:
    - source: salt://peers/files/suite
    - mode: '0755'
{%- endif %}
{%- if grains['id'] == ground.balancer %}

/usr/local/bin/rotation:
  file.managed:
    - source: salt://peers/files/rotation
    - mode: '0755'

/etc/haproxy/peer.cfg:
  file.managed:
    - source: salt://peers/files/haproxy.cfg.jinja
    - template: jinja
    - context: {ground: {{ ground | json }}}

/etc/systemd/system/haproxy-peer.service:
  file.managed:
    - source: salt://peers/files/haproxy-peer.service

haproxy-peer:
  service.running:
    - enable: true
    - watch:
      - file: /etc/haproxy/peer.cfg
      - file: /etc/systemd/system/haproxy-peer.service
{%- endif %}
