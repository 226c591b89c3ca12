#!/bin/sh
# Pin the versions and hashes of everything the image gets from PyPI.
set -eu
cd "$(dirname "$0")"
export UV_CUSTOM_COMPILE_COMMAND=./pin.sh

pin() {
    name=$1
    shift
    uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate "$@" "$name.in" -o "$name.txt"
}

pin build
pin tools
# A minion runs without these, and an image without them is 140 MB smaller.
set --
for package in \
    aiohappyeyeballs aiohttp aiosignal annotated-doc annotated-types \
    apache-libcloud backports-tarfile cheroot cherrypy distlib \
    filelock frozenlist gitdb gitpython googleapis-common-protos \
    jaraco-collections jaraco-context jaraco-functools jaraco-text \
    lazy-importer markdown-it-py mdurl more-itertools multidict \
    opentelemetry-api opentelemetry-exporter-http-transport \
    opentelemetry-exporter-otlp-common opentelemetry-exporter-otlp-proto-common \
    opentelemetry-exporter-otlp-proto-http opentelemetry-exporter-prometheus \
    opentelemetry-proto opentelemetry-sdk opentelemetry-semantic-conventions \
    platformdirs portend prometheus-client propcache protobuf pyasn1 pydantic \
    pydantic-core pygments pyopenssl python-discovery rich setuptools \
    shellingham smmap tempora timelib typer typer-slim typing-inspection \
    tzdata virtualenv yarl zc-lockfile
do
    set -- "$@" --no-emit-package "$package"
done
pin salt "$@"
# For the tests on another Salt than the newest.
pin salt-3007 "$@"
