# Completions of runc-rs, made from its table of commands: `cargo run -p manual -- completions DIR`.
# Container names come from `runc-rs list`, of the --root that is on the line.

# The options that COMMAND ($1) shows; "" has those before the command.
_runc_rs_options() {
    case $1 in
        '') echo '--debug --log --log-format --root --systemd-cgroup --rootless --version -v --help -h' ;;
        'create') echo '--bundle -b --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --explain --trace --help -h' ;;
        'delete') echo '--force -f --help -h' ;;
        'events') echo '--interval --stats --help -h' ;;
        'exec') echo '--console-socket --pidfd-socket --cwd --env -e --tty -t --user -u --additional-gids -g --process -p --detach -d --pid-file --process-label --apparmor --no-new-privs --cap -c --preserve-fds --cgroup --ignore-paused --help -h' ;;
        'kill') echo '--all -a --help -h' ;;
        'list') echo '--format -f --quiet -q --help -h' ;;
        'pause') echo '--help -h' ;;
        'ps') echo '--format -f --help -h' ;;
        'resume') echo '--help -h' ;;
        'run') echo '--bundle -b --console-socket --pidfd-socket --detach -d --keep --pid-file --no-subreaper --no-pivot --no-new-keyring --preserve-fds --explain --trace --help -h' ;;
        'spec') echo '--bundle -b --rootless --busybox --help -h' ;;
        'start') echo '--help -h' ;;
        'state') echo '--help -h' ;;
        'update') echo '--resources -r --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period --cpu-rt-runtime --cpuset-cpus --cpuset-mems --memory --cpu-idle --memory-reservation --memory-swap --pids-limit --l3-cache-schema --mem-bw-schema --help -h' ;;
        'features') echo '--help -h' ;;
    esac
}

# Sets kind to what the value of the option NAME ($2) of COMMAND ($1) is.
_runc_rs_kind() {
    case $1:$2 in
        :debug) kind='flag' ;;
        :log) kind='file' ;;
        :log-format) kind='words text json' ;;
        :root) kind='dir' ;;
        :criu) kind='file' ;;
        :systemd-cgroup) kind='flag' ;;
        :rootless) kind='words true false auto' ;;
        :version | :v) kind='flag' ;;
        :help | :h) kind='flag' ;;
        create:bundle | create:b) kind='dir' ;;
        create:console-socket) kind='file' ;;
        create:pidfd-socket) kind='file' ;;
        create:pid-file) kind='file' ;;
        create:no-pivot) kind='flag' ;;
        create:no-new-keyring) kind='flag' ;;
        create:preserve-fds) kind='text' ;;
        create:explain) kind='flag' ;;
        create:trace) kind='file' ;;
        create:help | create:h) kind='flag' ;;
        delete:force | delete:f) kind='flag' ;;
        delete:help | delete:h) kind='flag' ;;
        events:interval) kind='text' ;;
        events:stats) kind='flag' ;;
        events:help | events:h) kind='flag' ;;
        exec:console-socket) kind='file' ;;
        exec:pidfd-socket) kind='file' ;;
        exec:cwd) kind='text' ;;
        exec:env | exec:e) kind='text' ;;
        exec:tty | exec:t) kind='flag' ;;
        exec:user | exec:u) kind='text' ;;
        exec:additional-gids | exec:g) kind='text' ;;
        exec:process | exec:p) kind='file' ;;
        exec:detach | exec:d) kind='flag' ;;
        exec:pid-file) kind='file' ;;
        exec:process-label) kind='text' ;;
        exec:apparmor) kind='text' ;;
        exec:no-new-privs) kind='flag' ;;
        exec:cap | exec:c) kind='text' ;;
        exec:preserve-fds) kind='text' ;;
        exec:cgroup) kind='text' ;;
        exec:ignore-paused) kind='flag' ;;
        exec:help | exec:h) kind='flag' ;;
        kill:all | kill:a) kind='flag' ;;
        kill:help | kill:h) kind='flag' ;;
        list:format | list:f) kind='words table json' ;;
        list:quiet | list:q) kind='flag' ;;
        list:help | list:h) kind='flag' ;;
        pause:help | pause:h) kind='flag' ;;
        ps:format | ps:f) kind='words table json' ;;
        ps:help | ps:h) kind='flag' ;;
        resume:help | resume:h) kind='flag' ;;
        run:bundle | run:b) kind='dir' ;;
        run:console-socket) kind='file' ;;
        run:pidfd-socket) kind='file' ;;
        run:detach | run:d) kind='flag' ;;
        run:keep) kind='flag' ;;
        run:pid-file) kind='file' ;;
        run:no-subreaper) kind='flag' ;;
        run:no-pivot) kind='flag' ;;
        run:no-new-keyring) kind='flag' ;;
        run:preserve-fds) kind='text' ;;
        run:explain) kind='flag' ;;
        run:trace) kind='file' ;;
        run:help | run:h) kind='flag' ;;
        spec:bundle | spec:b) kind='dir' ;;
        spec:rootless) kind='flag' ;;
        spec:busybox) kind='flag' ;;
        spec:help | spec:h) kind='flag' ;;
        start:help | start:h) kind='flag' ;;
        state:help | state:h) kind='flag' ;;
        update:resources | update:r) kind='file' ;;
        update:blkio-weight) kind='text' ;;
        update:cpu-period) kind='text' ;;
        update:cpu-quota) kind='text' ;;
        update:cpu-burst) kind='text' ;;
        update:cpu-share) kind='text' ;;
        update:cpu-rt-period) kind='text' ;;
        update:cpu-rt-runtime) kind='text' ;;
        update:cpuset-cpus) kind='text' ;;
        update:cpuset-mems) kind='text' ;;
        update:kernel-memory) kind='text' ;;
        update:kernel-memory-tcp) kind='text' ;;
        update:memory) kind='text' ;;
        update:cpu-idle) kind='words 0 1' ;;
        update:memory-reservation) kind='text' ;;
        update:memory-swap) kind='text' ;;
        update:pids-limit) kind='text' ;;
        update:l3-cache-schema) kind='text' ;;
        update:mem-bw-schema) kind='text' ;;
        update:help | update:h) kind='flag' ;;
        features:help | features:h) kind='flag' ;;
        *) kind='' ;;
    esac
}

# Sets kind to what operand number $2 of COMMAND ($1) is.
_runc_rs_operand() {
    case $1:$2 in
        delete:0 | events:0 | exec:0 | kill:0 | pause:0 | ps:0 | resume:0 | start:0 | state:0 | update:0) kind=id ;;
        kill:1) kind=signal ;;
        help:0 | h:0) kind='words create delete events exec kill list pause ps resume run spec start state update features' ;;
        :0) kind='words create delete events exec kill list pause ps resume run spec start state update features help' ;;
        *) kind='' ;;
    esac
}

_runc_rs() {
    local program=${1/#\~/$HOME} cur=$2 command='' operands=0 option='' ended='' root='' kind=''
    local word rest=$COMP_LINE i words=() signals
    # The words up to the cursor; what COMP_WORDBREAKS has taken apart, as --root=DIR, is put together.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 0)) && [[ $rest != [[:space:]]* ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
            rest=${rest#"${rest%%[![:space:]]*}"}
        fi
        rest=${rest#"$word"}
    done
    local last=${words[${#words[@]} - 1]}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ $option ]]; then
            [[ $command:$option != :root ]] || root=$word
            option=''
        elif [[ ! $ended && $word == -- ]]; then
            ended=1
        elif [[ ! $ended && $word == -?* ]]; then
            word=${word#-}
            word=${word#-}
            _runc_rs_kind "$command" "${word%%=*}"
            if [[ $word == *=* ]]; then
                [[ $command:$word != :root=* ]] || root=${word#*=}
            elif [[ $kind && $kind != flag ]]; then
                option=$word
            fi
        elif [[ ! $command ]]; then
            command=$word
            ended=''
        else
            ((operands++))
            case $command in exec | ps) ended=1 ;; esac
        fi
    done
    [[ $cur != = ]] || cur=''
    local prefix=''
    if [[ $option ]]; then
        _runc_rs_kind "$command" "$option"
    elif [[ ! $ended && $last == -*=* ]]; then
        word=${last#-}
        word=${word#-}
        _runc_rs_kind "$command" "${word%%=*}"
        cur=${last#*=}
        # Else readline replaces the whole word.
        [[ $COMP_WORDBREAKS == *=* ]] || prefix=${last%%=*}=
    elif [[ ! $ended && $last == -* ]]; then
        kind="words $(_runc_rs_options "$command")"
    else
        _runc_rs_operand "$command" "$operands"
    fi
    case $kind in
        id)
            root=${root//[\"\'\\]/}
            root=${root/#\~/$HOME}
            kind="words $("$program" ${root:+--root "$root"} list --quiet 2>/dev/null)"
            ;;
        signal)
            signals='HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'
            [[ $cur != SIG* ]] || signals="SIG${signals// / SIG}"
            kind="words $signals"
            ;;
    esac
    COMPREPLY=()
    case $kind in
        words*) mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "${kind#words}" -- "$cur") ;;
        file)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -P "$prefix" -f -- "$cur")
            ;;
        dir)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -P "$prefix" -d -- "$cur")
            ;;
    esac
}

complete -F _runc_rs runc-rs
