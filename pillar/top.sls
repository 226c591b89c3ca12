# The id `holodeck` belongs to no host: its pillar is the definition that the
# runner reads. The ext_pillar gives each host its own part of it and nothing else.
base:
  holodeck:
    - holodeck.example
    - holodeck.kinto
