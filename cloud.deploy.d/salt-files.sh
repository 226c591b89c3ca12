#!/bin/sh
# Put all that pip needs for a minion into one file, for machines that reach no index.
set -eu

if [ $# != 1 ] || [ "$1" = --help ]; then
    cat <<'TEXT'
usage: cloud.deploy.d/salt-files.sh FILES.tar

Needs an index, and the Python that the machines have (Debian 12: 3.11, 13: 3.13).
`file_map` of their cloud profile sends FILES.tar to them.
TEXT
    exit 2
fi

pins=$(cd "$(dirname "$0")/../cloud.images.d/bookworm" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# pip asks a source for its metadata: what builds Salt comes first.
"$folder/venv/bin/pip" install --quiet --no-deps --require-hashes \
    --requirement "$pins/build.txt"
for file in build.txt salt.txt; do
    "$folder/venv/bin/pip" download --quiet --no-deps --require-hashes \
        --no-build-isolation --dest "$folder/files" --requirement "$pins/$file"
done
tar -cf "$1.new" -C "$folder/files" .
mv "$1.new" "$1"
