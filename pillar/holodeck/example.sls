# Every key of the definition, with its meaning. The demo and the tests use it as it
# is; copy it for your own services.
{%- set lab = opts.get('holodeck_lab', {}) %}
{%- set git = lab.get('git', 'git://10.77.0.1') %}

holodeck:
  services:

    guestbook:
      # Where builders clone from; credentials are the builder's own (ssh, netrc).
      repository: {{ git }}/guestbook.git
      # What a release without `commit=` takes.
      branch: main
      # The hashed lock, a path in the repository.
      lock: requirements.txt
      # A unit each. A program without a path comes from the bundle; systemd fills in
      # ${PORT} and every setting. The first process listens on the port.
      processes:
        web: >-
          gunicorn --bind 0.0.0.0:${PORT} --workers 2 --graceful-timeout 20
          --no-control-socket guestbook.wsgi:app
      port: 8000
      # Answers 2xx when the service can do its work.
      health: /healthz
      # The folder of the WebTest suite in the repository.
      suite: tests/http
      # nfpm (default) or fpm.
      packager: nfpm
      # Environment variables, the same everywhere; environments add their own.
      settings:
        ACCENT: seagreen

  environments:

    demo:
      # Hosts by role. A cloud profile makes `demo-web1` and so on; for hosts that
      # exist already give `ids: [web1.example.org, …]` instead.
      hosts:
        web: {profile: local-small, count: 3}
        balancer: {profile: local-small, count: 1}
        tester: {profile: local-small, count: 1}
        builder: {profile: local-builder, count: 1}
      # Of a host's addresses, the one that balancers and testers use.
      cidr: {{ lab.get('network', '10.77.0.0/24') }}
      services:
        guestbook:
          # HAProxy's bind on the balancers.
          listen: '*:80'
          # Over the service's own settings; secrets belong here, through Salt's gpg
          # renderer or another ext_pillar.
          settings:
            GREETING: Welcome to the demo
            GUESTBOOK_SECRET: only-for-this-demo
          # Tests marked `writes` run only where they may.
          allow_writes: true
          # Times in seconds.
          rollout:
            batch: 1
            drain_s: 30
            health_s: 30
            suite_s: 120
            keep: 3
