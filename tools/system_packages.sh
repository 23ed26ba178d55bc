#!/usr/bin/env bash
# Installs the Debian packages that the tests use, where that is possible; tests of what is absent are skipped.
# The tests start the programs themselves: no service of a package installed here is started or enabled.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t wanted < <(grep -vE '^\s*(#|$)' debian-packages.txt)
missing=()
for package in "${wanted[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Not installed, so their tests are skipped: ${missing[*]}"
  exit 0
fi

apt-get update -qq >/dev/null
available=()
for package in "${missing[@]}"; do
  if apt-get install --simulate -qq --no-install-recommends "$package" >/dev/null 2>&1; then
    available+=("$package")
  else
    echo "Not to be had here, so its tests are skipped: $package"
  fi
done
[ ${#available[@]} -eq 0 ] && exit 0

# The packages' scripts ask this file whether they may start a service; a machine's own answer is left alone.
policy=/usr/sbin/policy-rc.d
forget_policy() { :; }
if [ ! -e "$policy" ]; then
  forget_policy() { rm -f "$policy"; }
  trap forget_policy EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

echo "Installing ${available[*]} …"
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${available[@]}" >/dev/null

# They enable their services for the next boot, policy or not.
for path in $(dpkg -L "${available[@]}" | grep -E '^(/usr)?/lib/systemd/system/[^/]+\.(service|socket|timer|path)$|^/etc/init\.d/[^/]+$'); do
  name=$(basename "$path")
  case "$path" in
    /etc/init.d/*) update-rc.d "$name" disable >/dev/null 2>&1 || true ;;
    *)
      deb-systemd-helper disable "$name" >/dev/null 2>&1 || true
      # Where the machine's own policy let it start.
      [ ! -d /run/systemd/system ] || systemctl --quiet disable --now "$name" >/dev/null 2>&1 || true
      ;;
  esac
done
forget_policy
