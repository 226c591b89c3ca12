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
      # The hashed lock, a path in the repository. Left out, the first there is of
      # uv.lock, pylock.toml and requirements.txt counts. `allow_unhashed: true` takes
      # one without hashes; `extras: [postgres]` takes a uv.lock's extras too.
      lock: requirements.txt
      # A unit each. A program without a path comes from the bundle; systemd fills in
      # ${PORT} and every setting. The first process listens on the port.
      processes:
        web: >-
          gunicorn --bind 0.0.0.0:${PORT} --workers 2 --graceful-timeout 20
          --no-control-socket guestbook.wsgi:app
      port: 8000
      # `socket: true` lets systemd listen, and hand the socket to the first process:
      # for a host without a balancer, which then refuses no connection while it
      # switches.
      # Answers 2xx when the service can do its work.
      health: /healthz
      # The folder of the WebTest suite in the repository.
      suite: tests/http
      # The OpenAPI schema that it answers with, held against the first host that is
      # taken over, for so many seconds; its suite's bundle carries Schemathesis then.
      #   contract: {schema: /openapi.json, seconds: 60}
      # Who may push: how a forge signs its webhooks (github, gitlab, gitea, bitbucket,
      # or `holodeck`, the pack's own hook for plain git), and by which secret: text, or
      # a list while a new one takes the place of an old one, or sdb://…; a forge can
      # be told how it goes: `status: {api: https://api.github.com, token: …}`.
      webhook:
        scheme: holodeck
        secret: {{ lab.get('push_secret', 'a-secret-that-nobody-guesses') }}
      # nfpm (default) or fpm.
      packager: nfpm
      # Debian's or RPM's packages: to build with on builders, to run with on hosts.
      # Libraries that wheels link to are found without being named.
      #   packages: {build: [gcc, libpq-dev], run: [media-types]}
      # A command in the checkout, before the project's wheel is built: as a user of
      # its own, with nothing writable but the checkout, without a network. It has the
      # dependencies on its PATH. What it puts into the package goes into the wheel;
      # folders under `artefacts` land in the bundle's `share`.
      #   build: {command: npm run build, artefacts: [public], network: false,
      #           timeout_s: 600}
      # Environment variables, the same everywhere; environments add their own.
      settings:
        ACCENT: seagreen

  # Private package indexes. Builders alone get them, in their pillar; `default: true`
  # takes the place of PyPI.
  #   indexes:
  #     - {url: https://index.example.org/simple, username: ci, password: …}
  # Whose signature hosts demand of every bundle: the key's fingerprint, and its public
  # part as `gpg --armor --export` prints it. Builders sign by the secret one, which
  # the administrator puts into /etc/holodeck/gnupg there, without a passphrase.
  #   signing: {key: 0123…, public_keys: …}

  # Web servers with the layout of the master's store, which hosts ask for bundles
  # before they ask the master; docs/bundles.rst. An environment may have its own, or
  # `mirrors: []`.
  #   mirrors: [http://mirror.example.org:8080/bundles]

  # What releases come to, for Prometheus: the file is written at each begin and end;
  # docs/metrics.rst.
  #   metrics: {file: /var/lib/prometheus/node-exporter/holodeck.prom}

  environments:

    demo:
      # Hosts by role. A cloud profile makes `demo-web1` and so on; for minions that
      # exist already give `ids: [web1.example.org, …]` instead. In place of `count`,
      # `each` has every host's own options over its profile's: for machines without
      # Salt `{profile: existing, each: [{ssh_host: 10.0.0.11}, …]}`; docs/clouds.rst.
      hosts:
        web: {profile: local-small, count: 3}
        balancer: {profile: local-small, count: 1}
        tester: {profile: local-small, count: 1}
        builder: {profile: local-builder, count: 1}
      # Two balancers or more can share an address, which moves when one fails:
      #   virtual_address: 10.77.0.9/24
      # In place of the definition's:
      #   mirrors: [http://10.77.0.1:8080/bundles]
      # Of a host's addresses, the one that balancers and testers use.
      cidr: {{ lab.get('network', '10.77.0.0/24') }}
      services:
        guestbook:
          # HAProxy's bind on the balancers.
          listen: '*:80'
          # Over the service's own settings; secrets belong here, through Salt's gpg
          # renderer, or from Vault; docs/releases.rst.
          settings:
            GREETING: Welcome to the demo
            GUESTBOOK_SECRET: only-for-this-demo
          # The branch whose pushes are released here. Environments for each branch
          # of a pattern are made by `ephemeral`; docs/pushes.rst.
          push: main
          # Tests marked `writes` run only where they may.
          allow_writes: true
          # What its suite is given, and a gate on how fast it answers: docs/tests.rst.
          #   tests: {settings: {GUESTBOOK_PASSWORD: …}, latency_factor: 1.5}
          # How hosts are taken over, in full in docs/releases.rst. Sizes are numbers
          # of hosts or shares (25%); a list grows: [1, 25%, 100%]. Times in seconds.
          rollout:
            batch: 1
            floor: 50%
            failures: 0
            min_healthy_s: 0
            hold_s: 0
            drain_s: 30
            health_s: 30
            suite_s: 120
            keep: 3
            # New hosts in the old ones' place, which are kept for an hour to go back
            # to; for an environment of one service. Without batches, failures and hold:
            #   strategy: replace
            #   kept_s: 3600
