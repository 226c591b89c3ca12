# Every minion that the holodeck pillar knows gets the state of its role.
base:
  '*':
    - holodeck
