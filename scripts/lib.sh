# What the scripts share: finding or installing what is needed, building, unmounting. To be sourced, by bash.
# shellcheck shell=bash

# Installs Debian packages when run as root where there is apt; quiet, and silent if that fails.
install_packages() {
    if (($(id -u) != 0)) || ! command -v apt-get >/dev/null; then return 1; fi
    echo "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return
    apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

need_cargo() {
    if [[ -n ${FACTFS:-} ]]; then return; fi
    if ! command -v cargo >/dev/null; then
        echo "Rust is missing (1.90 or later): see https://rustup.rs" >&2
        exit 1
    fi
    if ! command -v cc >/dev/null && ! install_packages build-essential; then
        echo "a C compiler is missing; on Debian: apt-get install build-essential" >&2
        exit 1
    fi
}

need_fuse() {
    if ! command -v fusermount3 >/dev/null && ! install_packages fuse3; then
        echo "fusermount3 is missing; on Debian: sudo apt-get install fuse3" >&2
        exit 1
    fi
    if [[ ! -e /dev/fuse ]] && (($(id -u) == 0)); then
        modprobe fuse 2>/dev/null || mknod -m 666 /dev/fuse c 10 229 2>/dev/null || true
    fi
    if [[ ! -r /dev/fuse || ! -w /dev/fuse ]]; then
        echo "/dev/fuse is missing or closed to you: 'sudo modprobe fuse', 'sudo chmod 666 /dev/fuse';" >&2
        echo "in a container: --device /dev/fuse --cap-add SYS_ADMIN" >&2
        exit 1
    fi
}

# Sets `factfs` to the program: the one that FACTFS names, or one that is built here.
build_factfs() {
    local root
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    if [[ -n ${FACTFS:-} ]]; then
        factfs=$FACTFS
        return
    fi
    echo "building factfs"
    cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" --bin factfs
    # shellcheck disable=SC2034 # for those who source this
    factfs=${CARGO_TARGET_DIR:-$root/target}/release/factfs
}

# The last day of the quarter before this one, UTC: 2026-09-30.
last_quarter_end() {
    local year month
    year=$(date -u +%Y)
    month=$(date -u +%-m)
    case $(((month - 1) / 3)) in
        0) echo "$((year - 1))-12-31" ;;
        1) echo "$year-03-31" ;;
        2) echo "$year-06-30" ;;
        3) echo "$year-09-30" ;;
    esac
}

# Unmounts a directory if something is mounted there.
unmount() {
    if mountpoint -q "$1" 2>/dev/null || ! stat "$1" >/dev/null 2>&1; then
        "${factfs:-factfs}" umount "$1" 2>/dev/null || fusermount3 -uz "$1" 2>/dev/null ||
            umount -l "$1" 2>/dev/null || true
    fi
}
