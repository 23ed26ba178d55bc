#!/usr/bin/env bash
# Runs all tests, or what the arguments name.
set -euo pipefail
if [ $# -gt 0 ]; then
  exec "$PYTEST" "$@"
fi
failed=0
# Most tests share the cores, a file of them to each at a time, in the order of their names: the
# small files, which would come last otherwise, are some of those that take the longest.
"$PYTEST" --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not alone" || failed=1
# What goes by the clock mostly waits: two files of it at a time, and nothing else. Only its files
# are named, because to read all takes a while.
mapfile -t files < <(grep --recursive --files-with-matches --include='test_*.py' 'pytest\.mark\.alone' tests | sort)
"$PYTEST" --numprocesses 2 --dist loadfile -m alone "${files[@]}" || failed=1
exit $failed
