#!/usr/bin/env bash
# Runs all tests, or what the arguments name.
set -euo pipefail
if [ $# -gt 0 ]; then
  exec "$PYTEST" "$@"
fi
failed=0
# What needs no process of the monitor shares the cores, a file of tests to each at a time.
"$PYTEST" --numprocesses auto --dist loadfile --ignore tests/acceptance --ignore tests/app || failed=1
# What watches whole processes goes by the clock, so nothing else may keep the machine busy.
"$PYTEST" tests/acceptance tests/app || failed=1
exit $failed
