#!/bin/sh
# Puts Debian's Chromium in place for tests/e2e, where apt-get may. Never fails: without a browser those tests are skipped, or fail in CI.
set -u

if [ -n "${RINGLIGHT_CHROMIUM:-}" ] || command -v chromium >/dev/null; then
    exit 0
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    $as_root true 2>/dev/null || as_root="none"
fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null; then
    echo "no Chromium here, and none may be installed: install the package chromium, or name a browser by RINGLIGHT_CHROMIUM"
    exit 0
fi

# A mirror that does not answer must not hold up the tests.
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=30 \
        -o Acquire::https::Timeout=30 "$@" >"$log" 2>&1 </dev/null
}

log=$(mktemp)
echo "installing Chromium for the tests in a browser (apt-get, some 100 MB)"
if apt update && apt install --yes --no-install-recommends chromium fonts-dejavu-core; then
    echo "installed: $(chromium --version 2>/dev/null)"
else
    echo "Chromium could not be installed:"
    tail -n 5 "$log"
fi
rm -f "$log"
exit 0
