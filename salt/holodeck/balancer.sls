# HAProxy in front of every service of the environment.
holodeck-haproxy-package:
  pkg.installed:
    - name: haproxy

holodeck-haproxy-config:
  file.managed:
    - name: /etc/haproxy/haproxy.cfg
    - source: salt://holodeck/files/haproxy.cfg.jinja
    - template: jinja
    - mode: '0640'
    - user: root
    - group: haproxy
    - check_cmd: haproxy -c -f
    - require:
      - pkg: holodeck-haproxy-package

holodeck-haproxy-state-file:
  file.managed:
    - name: /var/lib/haproxy/holodeck.state
    - contents: '1'
    - replace: false
    - require:
      - pkg: holodeck-haproxy-package

holodeck-haproxy-service:
  service.running:
    - name: haproxy
    - enable: true
    - reload: true
    - require:
      - file: holodeck-haproxy-state-file
    - watch:
      - file: holodeck-haproxy-config
