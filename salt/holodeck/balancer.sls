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

{%- set wanted = {} %}
{%- for name, service in salt['pillar.get']('holodeck:services', {}).items() %}
{%- set servers = {} %}
{%- for server in service.servers %}
{%- do servers.update({server.id: server.address ~ ':' ~ service.port}) %}
{%- endfor %}
{%- do wanted.update({name: servers}) %}
{%- endfor %}

# HAProxy would give a server back the address and port that it kept.
holodeck-haproxy-moved:
  module.run:
    - balancer.forget_moved:
      - wanted: {{ wanted | json }}
    - onchanges:
      - file: holodeck-haproxy-config
    - require:
      - file: holodeck-haproxy-state-file

holodeck-haproxy-service:
  service.running:
    - name: haproxy
    - enable: true
    - reload: true
    - require:
      - module: holodeck-haproxy-moved
    - watch:
      - file: holodeck-haproxy-config
{%- if salt['pillar.get']('holodeck:virtual') %}

# A virtual address that moves to another balancer when its owner fails.
holodeck-keepalived-packages:
  pkg.installed:
    - pkgs:
      - keepalived
      - socat

holodeck-keepalived-check:
  file.managed:
    - name: /usr/local/sbin/holodeck-balancer-check
    - source: salt://holodeck/files/balancer-check
    - mode: '0755'
    - user: root
    - group: root
    - require:
      - pkg: holodeck-keepalived-packages

holodeck-keepalived-config:
  file.managed:
    - name: /etc/keepalived/keepalived.conf
    - source: salt://holodeck/files/keepalived.conf.jinja
    - template: jinja
    - mode: '0644'
    - user: root
    - group: root
    - require:
      - file: holodeck-keepalived-check

holodeck-keepalived-service:
  service.running:
    - name: keepalived
    - enable: true
    - reload: true
    - require:
      - service: holodeck-haproxy-service
    - watch:
      - file: holodeck-keepalived-config
{%- endif %}
