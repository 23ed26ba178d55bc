#!/usr/bin/env bash
# Builds the web UI. Without the npm registry the monitor still installs and runs, without its pages.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "Building the web UI …"
if ! output=$(make --no-print-directory .make/npm 2>&1); then
  if [ "${CI:-}" = "true" ]; then
    echo "$output" >&2
    exit 1
  fi
  echo "The web UI was not built, because its packages could not be installed; everything else works. Try again with: make web" >&2
  touch .make/web .make/web-missing
  exit 0
fi
tools/npm.sh run --silent build -- --logLevel error
rm -f .make/web-missing
touch .make/web
