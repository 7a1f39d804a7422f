# Sourced by the scripts of this folder: system packages and a virtual environment in .venv, made once and renewed when
# pyproject.toml changes. Needs Debian (or Raspberry Pi OS) 12 or newer; PYTHON names another interpreter than python3.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

# need_debian PACKAGE...: install what is missing
need_debian() {
  local missing=() package
  for package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; } ||
    { echo "no way to install packages here: as root, apt-get install ${missing[*]}, then start this again" >&2; exit 1; }
  say "installing ${missing[*]}"
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# A real network camera for tests and measurements.
rtsp_server=(python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,bad,ugly})

# Builds firmware for Arm boards, and emulates them.
firmware_tools=(cmake ninja-build dpkg-dev xz-utils gcc g++ qemu-system-arm
  gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib)

# need_venv EXTRA...: edged with these extras in .venv, its commands first in PATH
need_venv() {
  local python=${PYTHON:-python3} extras extra stamp
  extras=$(IFS=,; echo "$*")
  command -v "$python" >/dev/null || need_debian python3
  "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' ||
    { echo "edged needs Python 3.11 to 3.13; $python is $("$python" -V 2>&1). PYTHON=python3.11 names another." >&2; exit 1; }
  "$python" -c 'import ensurepip, venv' 2>/dev/null || need_debian python3-venv
  # Not only whether it is there: making it may have been interrupted, or the system's Python replaced by a newer one.
  .venv/bin/python -c 'import pip' 2>/dev/null || { say "making .venv"; "$python" -m venv --clear .venv; }
  stamp=.venv/edged-$(sha256sum pyproject.toml | cut -c1-16)  # what was installed since pyproject.toml changed, one extra a line
  for extra in base "$@"; do
    grep -qsx "$extra" "$stamp" && continue
    say "installing edged and what it needs"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".${extras:+[$extras]}"
    printf '%s\n' base "$@" >>"$stamp"
    break
  done
  PATH=$PWD/.venv/bin:$PATH
}
