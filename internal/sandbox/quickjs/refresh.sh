#!/bin/sh
# Fetches the engine from npm, with its licence, and notes its checksum. To go to
# another version, give it as the argument, then run the tests of
# internal/sandbox.
set -eu
cd "$(dirname "$0")"
version=${1:-$(cat VERSION)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "quickjs-wasi@$version" && tar -xzf "quickjs-wasi-$version.tgz") >/dev/null
cp "$work/package/quickjs.wasm" "$work/package/LICENSE" .
echo "$version" >VERSION
sha256sum quickjs.wasm LICENSE >SHA256SUMS
