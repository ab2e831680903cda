#!/bin/sh
# Fetches the chart library again and checks that it is what is kept here.
# A newer version: change it below and in __init__.py, run this with --update, run the tests of
# report/charts, and look at the charts.
set -eu
cd "$(dirname "$0")"
[ "${1:-}" = --update ] || [ $# -eq 0 ] || { echo "usage: fetch.sh [--update]" >&2; exit 2; }
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

take() { # package, version, file in its build folder
  npm pack --silent "$1@$2" >/dev/null
  tar -xzf "$1-$2.tgz"
  mv "package/build/$3" "$3"
  mv package/LICENSE "LICENSE.$1"
  rm -r package
}
take vega 6.4.0 vega.min.js
take vega-lite 6.4.3 vega-lite.min.js
take vega-interpreter 2.3.2 vega-interpreter.js

if [ "${1:-}" = --update ]; then
  sha256sum vega.min.js vega-lite.min.js vega-interpreter.js >"$here/SHA256SUMS"
  cp ./*.js LICENSE.* "$here/"
  echo "updated; LICENSE.bundled names what vega and vega-lite contain: look whether it still does"
else
  sha256sum --check "$here/SHA256SUMS"
fi
