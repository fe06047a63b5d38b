# The verbs of ci/run. Each runs in a subshell with `set -euo pipefail`, in the repository's top directory.

. ci/packages.sh

target=x86_64-unknown-linux-gnu
release=target/$target/release/runc-rs

# "passed failed ignored": the sums of cargo's own result lines.
results() { # LOG
    awk '/^test result:/ { p += $4; f += $6; i += $8 } END { print p + 0, f + 0, i + 0 }' "$1"
}

# Adds "VERB passed failed skipped seconds" to the totals: the sums of cargo's own result lines; a verb that runs no
# test is one check. A test that says SKIPPED has passed for cargo, not for us.
count() {
    local verb=$1 status=$2 log=$3 seconds=$4 p f i s
    # Its inner ci/run has counted.
    [ "$verb" = tests ] && return
    read -r p f i < <(results "$log")
    s=$(grep -c '^SKIPPED' "$SKIPS" || true)
    # A child of another test is no test of its own.
    i=$((i - $(grep -c '\.\.\. ignored, run by ' "$log" || true)))
    p=$((p - s))
    if [ $((p + f + i + s)) = 0 ] && [ "$status" = 0 ]; then p=1; fi
    if [ "$status" != 0 ] && [ "$f" = 0 ]; then f=1; fi
    echo "$verb $p $f $((i + s)) $seconds" >>"$CI_TOTALS"
}

# What the tests of ci/test need, as tool:package; then what the other verbs need beside it, and the engine tests.
test_packages="cc:gcc busybox:busybox-static runc:runc strace:strace readelf:binutils unshare:util-linux setpriv:util-linux ps:procps
    awk:gawk pkg-config:pkg-config newuidmap:uidmap systemd-notify:systemd man:man-db mandoc:mandoc bash:bash zsh:zsh fish:fish"
check_packages="c++:g++ make:make crun:crun valgrind:valgrind qemu-system-x86_64:qemu-system-x86 modprobe:kmod"
engine_packages="podman:podman buildah:buildah conmon:conmon dockerd:docker.io docker-init:tini containerd:containerd ctr:containerd iptables:iptables
    slirp4netns:slirp4netns newuidmap:uidmap catatonit:catatonit ip:iproute2 setpriv:util-linux python3:python3"

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "missing: $tool (run: ci/run deps)"; return 1; }
    done
}

# The packages of those of PAIRS whose tool is missing.
missing() { # PAIRS
    local pair
    for pair in $1; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
    done
}

# What the tests need beside a stable Rust: Debian's packages.
verb_test_deps() {
    local missing
    missing=$(missing "$test_packages")
    # A dynamically linked busybox would be useless in a root filesystem of its own.
    [ -x /bin/busybox ] && ! readelf -l /bin/busybox 2>/dev/null | grep -q INTERP || missing+=" busybox-static"
    [ -e /usr/include/seccomp.h ] || missing+=" libseccomp-dev"
    ! lacks_libc || missing+=" libc6-dev"
    # shellcheck disable=SC2086
    install_packages $missing
    rustc --version
    runc --version | head -n 1
}

# What all checks need: more packages, and two cargo tools from crates.io.
verb_deps() {
    verb_test_deps
    local missing
    missing=$(missing "$check_packages $engine_packages")
    /usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null || missing+=" python3-grpcio"
    [ -x /usr/lib/cni/bridge ] || missing+=" containernetworking-plugins"
    # shellcheck disable=SC2086
    install_packages $missing
    cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
    cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
    # Built away from this directory: its .cargo/config.toml is not meant for them.
    cargo deny --version 2>/dev/null | grep -qx 'cargo-deny 0.20.2' || (cd / && cargo install --locked --quiet cargo-deny@0.20.2)
    cargo fuzz --version 2>/dev/null | grep -qx 'cargo-fuzz 0.13.2' || (cd / && cargo install --locked --quiet cargo-fuzz@0.13.2)
    cargo deny --version
    cargo fuzz --version
    crun --version | head -n 1
}

verb_build() {
    cargo build --locked --release -p runc-rs
    cargo build --locked --workspace
}

# The README's first command.
verb_quickstart() {
    local out
    out=$(bash ci/quickstart)
    echo "$out"
    echo "$out" | grep -q '^hello from runc: process 1, uid=0(root)'
}

verb_fmt() {
    cargo fmt --all --check
    [ ! -e fuzz/Cargo.toml ] || cargo fmt --manifest-path fuzz/Cargo.toml --check
}

verb_lint() {
    cargo clippy --locked --workspace --all-targets -- -D warnings
    # Not among all targets: it runs only when asked for.
    cargo clippy --locked -p integration --test engines -- -D warnings
    bash ci/lint
}

# Everything of the two crates but the long explorations, which have verbs of their own.
verb_unit() {
    cargo test --locked -p sync-model -p runc-rs --no-fail-fast --lib --bins
    cargo test --locked -p sync-model -p runc-rs --no-fail-fast --doc
}

# Property tests, snapshots, corpora, differential tests against other parsers.
verb_props() {
    local t names=()
    while read -r t; do names+=(-p sync-model --test "$t"); done < <(test_names sync-model '*' | grep -v -e '^exhaustive' -e '^loom')
    [ ${#names[@]} = 0 ] || cargo test --locked --no-fail-fast "${names[@]}"
    names=()
    while read -r t; do names+=(-p runc-rs --test "$t"); done < <(test_names runtime '*')
    [ ${#names[@]} = 0 ] || cargo test --locked --no-fail-fast "${names[@]}"
}

# The man pages and completions: what is checked in is what the table gives, man and mandoc have nothing to say of it, and bash, zsh and
# fish offer what they should.
verb_manual() {
    need man mandoc bash zsh fish busybox
    # Of the runtime, for the names of containers.
    cargo build --locked -p runc-rs
    cargo test --locked -p manual --no-fail-fast
}

# The exhaustive search of the handshake, and its mutants. Optimized: it is a search.
verb_model() {
    local t names=()
    while read -r t; do names+=(--test "$t"); done < <(test_names sync-model 'exhaustive*')
    [ ${#names[@]} != 0 ] || { echo "no exhaustive search: sync-model/tests/exhaustive*.rs is missing"; return 1; }
    cargo test --locked --release -p sync-model --no-fail-fast "${names[@]}" -- --nocapture
}

# loom replaces std's synchronisation: another cfg, so another target directory.
verb_loom() {
    local t names=()
    while read -r t; do names+=(--test "$t"); done < <(test_names sync-model 'loom*')
    [ ${#names[@]} != 0 ] || { echo "no loom tests: sync-model/tests/loom*.rs is missing"; return 1; }
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom \
        cargo test --locked --release -p sync-model --no-fail-fast "${names[@]}" -- --nocapture
}

# Real containers. First the suite against Debian's runc, which it must describe; then against ours, as released.
verb_integration() {
    need runc busybox
    [ "$(id -u)" = 0 ] || echo "not root: every privileged test will be skipped"
    [ -x $release ] || cargo build --locked --release -p runc-rs
    local log=target/ci/ours.log failed passed again status=0
    echo "--- ours"
    if RUNTIME=$PWD/$release cargo test --locked -p integration --no-fail-fast >"$log" 2>&1; then
        cat "$log"
    else
        # A limit of time that a busy machine has passed once is no hang. What fails alone, too, is a failure.
        failed=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
        sed 's/^test result: /first: &/' "$log"
        [ -n "$failed" ] || return 1
        echo "once more, alone:" $failed
        passed=$(results "$log" | cut -d ' ' -f 1)
        # shellcheck disable=SC2086
        RUNTIME=$PWD/$release cargo test --locked -p integration --test containers -- --test-threads 1 --exact $failed >"$log" 2>&1 || status=$?
        sed 's/^test result: /second: &/' "$log"
        # The closing line of both.
        again=$(results "$log" | cut -d ' ' -f 1)
        echo "test result: $([ "$status" = 0 ] && echo ok || echo FAILED). $((passed + again)) passed; $(results "$log" | cut -d ' ' -f 2) failed; 0 ignored; $again of them the second time"
        [ "$status" = 0 ] || return "$status"
    fi
    echo "--- the same expectations, of Debian's runc"
    log=target/ci/runc.log
    RUNTIME=runc SKIPS=/dev/null cargo test --locked -p integration --no-fail-fast >"$log" 2>&1 || true
    failed=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
    if [ -n "$failed" ]; then
        # runc has races of its own. An expectation that it never meets is wrong; one that it missed once is not.
        echo "once more: $failed"
        # shellcheck disable=SC2086
        RUNTIME=runc SKIPS=/dev/null cargo test --locked -p integration --test containers -- --exact $failed >"$log" 2>&1 || {
            sed 's/^test result/runc: &/' "$log"
            return 1
        }
    fi
    grep '^test result: ok' "$log" | sed 's/^/runc: /' || { cat "$log"; return 1; }
}

# Builds the runtime and these tests for a guest.
for_vm() {
    local test binary
    # Cargo knows whether there is something to build: a binary of another day would be a test of another day's code.
    cargo build --locked --release -p runc-rs
    mkdir -p target/ci/vm
    # Copies: a guest does not survive that somebody builds meanwhile.
    cp $release target/ci/vm/runc-rs
    for test in "$@"; do
        binary=$(cargo test --locked -p integration --test "$test" --no-run --message-format=json |
            sed -n '/"kind":\["test"\]/s/.*"executable":"\([^"]*\)".*/\1/p')
        [ -x "$binary" ] || { echo "cargo names no test binary: $binary"; return 1; }
        cp "$binary" "target/ci/vm/$test"
    done
}

# Of the same suite, ours, what cgroups have a part in, on a kernel with cgroup v2 alone and every controller: an
# emulated machine, all in one boot. VM_TESTS: those with these words in their names instead; the whole suite, but for
# what takes minutes for each of its own, takes 40 minutes there:
# VM_SECONDS=5000 VM_TESTS="--skip matrix::a_ --skip races_commands::".
vm_tests="cgroups lifecycle:: run:: pause:: update:: update_bounds:: events:: ps:: exec_where:: rootless namespaces:: join:: races:: mounts::a_cgroup mounts::the_default hangs::create_in_a_frozen hangs::commands_on_a_frozen hangs::a_memory crash_commands:: crash::a_limit exec_fails::under"
verb_vm() {
    need qemu-system-x86_64 modprobe busybox
    [ "$(id -u)" = 0 ] || { echo "not root: the machine's files are served from a mount namespace"; return 1; }
    local out=target/ci/vm/out status=0
    for_vm containers
    rm -rf "$out"
    mkdir -p "$out"
    # SLOW: limits of time are for what hangs, and sweeps take a sample. Some tests fill a queue of 4096 sockets.
    # Then once more with the scheduler that weighs disks one by one, where the kernel has it.
    # shellcheck disable=SC2016
    bash ci/vm/boot -c "${VM_CPUS:-1}" -t "${VM_SECONDS:-1800}" -o "$out" -- "words='${VM_TESTS-$vm_tests}'"'
        dmesg -n 1
        ulimit -n 20000
        export SLOW=5 SKIPS=/run/vm/out/skips RUNTIME=$PWD/target/ci/vm/runc-rs
        bash ci/vm/suite target/ci/vm/containers $words
        status=$?
        if modprobe -q bfq && echo bfq >/sys/block/vda/queue/scheduler; then
            target/ci/vm/containers --exact cgroups_v2::io_weight || status=$?
        fi
        exit $status' || status=$?
    cat "$out/skips" >>"$SKIPS" 2>/dev/null || true
    case $status in
        124) echo "not at its end after ${VM_SECONDS:-1800} s" ;;
        125) echo "the machine died" ;;
    esac
    return "$status"
}

# Debian's Podman, Docker and containerd on this machine, each with ours and with Debian's runc, in sandboxes of their own.
verb_engines() {
    local pair tools=()
    for pair in $engine_packages; do tools+=("${pair%%:*}"); done
    need runc busybox "${tools[@]}"
    /usr/bin/python3 -c 'import grpc, google.protobuf' || { echo "missing: python3-grpcio (run: ci/run deps)"; return 1; }
    [ -x /usr/lib/cni/bridge ] || { echo "missing: containernetworking-plugins (run: ci/run deps)"; return 1; }
    cargo build --locked --release -p runc-rs
    RUNTIME=$PWD/$release cargo test --locked -p integration --test engines
}

# Podman in the emulated machine, with cgroup v2 alone. By itself, as nothing else runs it: a check takes 10 to 15 s there, and there are 150, with
# each runtime. VM_TESTS: words of the checks.
verb_vm_engines() {
    need qemu-system-x86_64 modprobe busybox runc podman buildah
    [ "$(id -u)" = 0 ] || { echo "not root: the machine's files are served from a mount namespace"; return 1; }
    for_vm engines
    # The devices of ordinary users' networks and file systems come with their modules.
    bash ci/vm/boot -c "${VM_CPUS:-1}" -t "${VM_SECONDS:-14400}" -- "words='${VM_TESTS-podman}'"'
        dmesg -n 1
        ulimit -n 20000
        # The engines are told to give their containers as many, and an ordinary user cannot raise it.
        ulimit -u 30000
        modprobe -a tun fuse
        SLOW=10 ENGINES_JOBS=1 RUNTIME=$PWD/target/ci/vm/runc-rs target/ci/vm/engines $words'
}

verb_tests() {
    bash ci/test
}

# Each target for a short while, on the stable toolchain. The corpora are also replayed by `props`.
verb_fuzz_smoke() {
    need cargo-fuzz
    [ -e fuzz/Cargo.toml ] || { echo "no fuzz/Cargo.toml"; return 1; }
    local t log runs
    export RUSTC_BOOTSTRAP=1
    # The fuzz workspace is not a member of ours: nothing else lints it.
    cargo clippy -q --manifest-path fuzz/Cargo.toml --target-dir fuzz/target -- -D warnings
    for t in $(cargo fuzz list); do
        log=target/ci/fuzz-$t.log
        mkdir -p "target/ci/corpus-$t"
        local dict=()
        [ ! -e "fuzz/dictionaries/$t.dict" ] || dict=("-dict=fuzz/dictionaries/$t.dict")
        # New inputs go to a directory of this run, the checked-in ones are read only.
        cargo fuzz run "$t" "target/ci/corpus-$t" "fuzz/corpus/$t" -- -max_total_time="${FUZZ_SECONDS:-20}" -print_final_stats=1 -verbosity=0 ${dict[@]+"${dict[@]}"} >"$log" 2>&1 || {
            tail -n 40 "$log"
            return 1
        }
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "$t: ${runs:-0} executions"
        [ "${runs:-0}" -gt 0 ] || { tail -n 40 "$log"; return 1; }
    done
}

verb_deny() {
    need cargo-deny
    # No advisories: their database is not on a package registry, and the check must work without it.
    cargo deny --locked check bans licenses sources
}

verb_size() {
    bash ci/size
}

verb_bench_smoke() {
    bash ci/bench/run --rounds 5
}

verb_docs() {
    # A link to a private item is for those who read the source.
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --no-deps -p sync-model -p runc-rs -p integration -p manual
    bash ci/links
    bash ci/named-tests
}

# The integration tests of a crate whose names match.
test_names() {
    local f
    for f in "$1"/tests/$2.rs; do
        [ ! -e "$f" ] || basename "$f" .rs
    done
    for f in "$1"/tests/$2/main.rs; do
        [ ! -e "$f" ] || basename "$(dirname "$f")"
    done
}
