# A public package, deployed by pillar alone: Kinto, a JSON storage service. The
# hashed lock is the whole service, and checks stand in for a suite.
{%- import_text 'holodeck/kinto/requirements.txt' as lock %}
{%- import_text 'holodeck/kinto/kinto.ini' as ini %}

holodeck:
  services:
    kinto:
      # Instead of a repository. Its digest is the service's commit.
      requirements: {{ lock | json }}
      processes:
        web: pserve ${CREDENTIALS_DIRECTORY}/kinto.ini
      port: 8888
      health: /v1/__lbheartbeat__
      # Files that only the service can read: systemd hands them over as credentials.
      files:
        kinto.ini: {{ ini | json }}
      # Each check is a request with what its answer has to be.
      checks:
        - path: /v1/
          json: {project_name: kinto, http_api_version: '1.23'}
        - path: /v1/__heartbeat__
          json: {storage: true, cache: true, permission: true}
        - path: /v1/buckets
          status: 401
        - path: /v1/buckets/none/collections
          status: 401
        - path: /v1/nowhere
          status: 404

  environments:
    demo:
      services:
        kinto:
          listen: '*:8888'
