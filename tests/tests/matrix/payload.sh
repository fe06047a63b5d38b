# The container's program in the matrix: says what of its isolation is missing. Builtins where they can: it runs ten thousand times.
echo START
bad=
t() { [ "$2" = "$3" ] || bad="$bad $1($2)"; }
has() { case ",$2," in *,$3,*) ;; *) bad="$bad $1-not-$3";; esac; }
file() { value=; [ ! -r "$2" ] || read -r value <"$2"; t "$1" "$value" "$3"; }
denied() { { true <"$2"; } 2>/dev/null && bad="$bad $1"; }

t cwd "$PWD" "${CWD:-/tmp}"
t env "$MATRIX" yes
# Brought in by `exec`: it is in what the container's first process is in.
if [ -n "$EXEC" ]; then
    [ $$ != 1 ] || bad="$bad pid"
    groups=
    for pid in 1 self; do
        while read -r line; do groups="$groups $line"; done </proc/$pid/cgroup
        groups="$groups;"
    done
    first=${groups%%;*}
    t cgroup "$groups" "$first;$first;"
else
    t pid $$ 1
fi
file hostname /proc/sys/kernel/hostname matrix
file oom /proc/self/oom_score_adj "${OOM:-77}"
# `read` takes bytes one by one, and this file has only one for that.
t sysctl "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 81
while read -r key value _; do
    case $key in
    Uid:) t $key $value "${AS_UID:-1000}" ;;
    Gid:) t $key $value "${AS_GID:-1000}" ;;
    Groups:) [ -z "$EXEC" ] || t $key "$value" "$GROUP" ;;
    NoNewPrivs:) t nnp $value 1 ;;
    CapBnd:) t $key $value "${BOUNDING:-0000000000000000}" ;;
    CapEff: | CapPrm: | CapInh: | CapAmb:) t $key $value 0000000000000000 ;;
    Seccomp:) t seccomp $value 2 ;;
    esac
done </proc/self/status
while read -r one two _ soft hard _; do
    [ "$one $two" != 'Max open' ] || t nofile "$soft $hard" '512 512'
done </proc/self/limits
# By the profile, and for no other reason.
kill -0 $$ 2>/dev/null && bad="$bad filter"

# Of mounts above each other the last one counts.
while read -r _ _ _ _ at options _; do
    case $at in
    /) on_root=$options ;;
    /proc) on_proc=$options ;;
    /proc/sys) on_sysctl=$options ;;
    /tmp) on_tmp=$options ;;
    /bound) on_bound=$options ;;
    /sys) on_sys=$options ;;
    /soft) on_soft=$options ;;
    esac
done </proc/self/mountinfo
has / "$on_root" ro
has /proc/sys "$on_sysctl" ro
has /proc "$on_proc" nosuid
has /tmp "$on_tmp" nodev
has /tmp "$on_tmp" noexec
has /bound "$on_bound" ro
has /sys "$on_sys" ro
has /soft "$on_soft" ro
for masked in kcore keys timer_list; do
    [ ! -e /proc/$masked ] || [ -c /proc/$masked ] || bad="$bad $masked"
done
for entry in /sys/firmware/* /hidden/*; do
    [ ! -e "$entry" ] || bad="$bad $entry"
done
[ ! -s /secret ] || bad="$bad secret"

namespaces=
while read -r line; do
    name=${line% -> *}
    name=${name##* }
    eval "host=\$HOST_$name own=\$INIT_$name"
    [ -z "$host" ] || namespaces="$namespaces $name"
    [ "${line##* }" != "$host" ] || bad="$bad $name"
    [ -z "$EXEC" ] || [ -z "$host" ] || t "own-$name" "${line##* }" "$own"
done <<END
$(ls -l /proc/self/ns)
END
t namespaces "$namespaces" "$NAMESPACES"

pids=/sys/fs/cgroup/pids/pids.max
[ -e $pids ] || pids=/sys/fs/cgroup/pids.max
[ -z "$PIDS" ] || file pids $pids "$PIDS"
memory=/sys/fs/cgroup/memory/memory.limit_in_bytes
[ -e $memory ] || memory=/sys/fs/cgroup/memory.max
[ -z "$MEMORY" ] || file memory $memory "$MEMORY"
[ -z "$DEVICE" ] || [ -c "$DEVICE" ] || bad="$bad no-device"
[ -z "$DEVICE" ] || denied device "$DEVICE"
denied not-a-device /not-there
{ true </dev/zero; } 2>/dev/null || bad="$bad zero"

if [ -n "$HOST_user" ]; then
    read -r inside outside size </proc/self/uid_map
    t uid-map "$inside $outside $size" "0 100000 65536"
    read -r inside outside size </proc/self/gid_map
    t gid-map "$inside $outside $size" "0 100000 65536"
    read -r up _ </proc/uptime
    [ "${up%.*}" -gt 1000000 ] || bad="$bad uptime($up)"
    [ -n "$EXEC" ] || [ -O /mapped/theirs ] || bad="$bad id-mapped"
    ran=
    while read -r hook; do ran="$ran $hook"; done </log/hooks
    # poststart may have run by now.
    t hooks "${ran% poststart}" " prestart createRuntime createContainer startContainer"
fi
[ -z "$bad" ] && echo WHOLE || echo "MISSING$bad"
