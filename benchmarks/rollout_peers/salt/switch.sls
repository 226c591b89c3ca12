# One host to another commit, until it is healthy.
{%- set deploy = pillar['deploy'] %}

/etc/guestbook-peer/environment:
  file.managed:
    - source: salt://peers/files/environment.jinja
    - template: jinja
    - context: {deploy: {{ deploy | json }}}
    - mode: '0600'

/etc/systemd/system/guestbook-peer.service:
  file.managed:
    - source: salt://peers/files/guestbook.service.jinja
    - template: jinja
    - context: {deploy: {{ deploy | json }}}

guestbook-peer:
  service.running:
    - enable: true
    - watch:
      - file: /etc/guestbook-peer/environment
      - file: /etc/systemd/system/guestbook-peer.service

healthy:
  http.wait_for_successful_query:
    - name: http://127.0.0.1:{{ deploy.port }}/healthz
    - match: {{ deploy.commit }}
    - status: 200
    - wait_for: 30
    - request_interval: 0.2
    - require:
      - service: guestbook-peer
