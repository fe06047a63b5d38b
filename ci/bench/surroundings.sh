# Where ci/bench/run, ci/bench/many and ci/size measure, so that what they find is comparable: to be read first of all, with the
# script's own arguments.
#
# A private mount namespace without the empty cgroup2 hierarchy, which crun refuses to see beside version 1, and which costs calls of its
# own; the released binary ($ours, or what RUNTIME names); a directory of its own ($work), with a tmpfs for state ($work/run), as /run is
# one; and the tool that takes times.

[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
if [ -z "${BENCH_INSIDE:-}" ]; then
    exec env BENCH_INSIDE=1 unshare -m --propagation private bash "$0" "$@"
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified

ours=${RUNTIME:-$PWD/target/x86_64-unknown-linux-gnu/release/runc-rs}
[ -n "${BENCH_PREBUILT:-}${RUNTIME:-}" ] || cargo build --locked --release -q -p runc-rs

work=$(mktemp -d)
leave() {
    umount "$work/run"
    rm -rf --one-file-system "$work"
}
mkdir "$work/run"
mount -t tmpfs -o mode=0755 tmpfs "$work/run"
trap leave EXIT
cc -O2 -static -o "$work/timing" ci/bench/timing.c
# A file: a /dev/null of the host is exchanged for the container's, which is four calls more.
: >"$work/stdin"

# The system calls of COMMAND and all its processes. One line a call; an interrupted one has two.
syscalls() { # COMMAND...
    strace -f -o "$work/trace" "$@" <"$work/stdin" >"$work/out" 2>&1 || { cat "$work/out" >&2; return 1; }
    grep -cvE 'resumed>|^[0-9]+ +(\+\+\+|---)' "$work/trace"
}
# Those in .rela.dyn, and those in the bit map of .relr.dyn.
relocations() { # BINARY
    readelf -rW "$1" | awk '/R_X86_64/ { n++ } $2 == "offsets" { n += $1 } END { print n + 0 }'
}
# In user space, of --version.
instructions() { # BINARY
    valgrind --tool=callgrind --callgrind-out-file="$work/callgrind" "$1" --version >/dev/null 2>"$work/valgrind" || { echo -; return; }
    sed -n 's/.*Collected : //p' "$work/valgrind"
}
