# The rolling deploy: salt-run state.orchestrate peers.rolling pillar='{deploy: …}'
{%- set deploy = pillar['deploy'] %}

stage:
  salt.state:
    - tgt: {{ deploy.packages | list | json }}
    - tgt_type: list
    - sls: peers.stage
    - pillar: {deploy: {{ deploy | json }}}
    - failhard: true
{%- for host, address in deploy.web.items() %}

drain {{ host }}:
  salt.function:
    - name: cmd.run
    - tgt: {{ deploy.balancer }}
    - arg: ['rotation drain {{ host }}']
    - failhard: true

switch {{ host }}:
  salt.state:
    - tgt: {{ host }}
    - sls: peers.switch
    - pillar: {deploy: {{ deploy | json }}}
    - failhard: true

suite against {{ host }}:
  salt.function:
    - name: cmd.run
    - tgt: {{ deploy.tester }}
    - arg: ['suite {{ deploy.suite }} {{ deploy.commit }} http://{{ address }}:{{ deploy.port }} host']
    - failhard: true

ready {{ host }}:
  salt.function:
    - name: cmd.run
    - tgt: {{ deploy.balancer }}
    - arg: ['rotation ready {{ host }}']
    - failhard: true
{%- endfor %}

suite through the balancer:
  salt.function:
    - name: cmd.run
    - tgt: {{ deploy.tester }}
    - arg: ['suite {{ deploy.suite }} {{ deploy.commit }} {{ deploy.url }} balancer']
    - failhard: true
