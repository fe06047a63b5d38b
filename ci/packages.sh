# For who needs Debian packages: ci/quickstart and the verbs `deps` and `test-deps`.

# A linker, and the C library to link statically. Elsewhere than in Debian's place the linker finds it by itself.
lacks_libc() {
    [ ! -e "$(cc -print-file-name=libc.a 2>/dev/null)" ]
}

# Installs what is named, or says what to install.
install_packages() {
    [ $# -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "missing, and there is no apt-get: install what Debian calls $*" >&2
        return 1
    fi
    [ "$(id -u)" = 0 ] || { echo "missing, and not root: apt-get install $*" >&2; return 1; }
    echo "+ apt-get install $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
