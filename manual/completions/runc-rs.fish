# Completions of runc-rs, made from its table of commands: `cargo run -p manual -- completions DIR`.
# Container names come from `runc-rs list`, of the --root that is on the line.

# Does the option NAME of COMMAND ("COMMAND/NAME") stand before its value?
function __runc_rs_has_value
    switch $argv[1]
        case /log /log-format /root /criu /rootless create/bundle create/b create/console-socket create/pidfd-socket create/pid-file create/preserve-fds create/trace events/interval exec/console-socket exec/pidfd-socket exec/cwd exec/env exec/e exec/user exec/u exec/additional-gids exec/g exec/process exec/p exec/pid-file exec/process-label exec/apparmor exec/cap exec/c exec/preserve-fds exec/cgroup list/format list/f ps/format ps/f run/bundle run/b run/console-socket run/pidfd-socket run/pid-file run/preserve-fds run/trace spec/bundle spec/b update/resources update/r update/blkio-weight update/cpu-period update/cpu-quota update/cpu-burst update/cpu-share update/cpu-rt-period update/cpu-rt-runtime update/cpuset-cpus update/cpuset-mems update/kernel-memory update/kernel-memory-tcp update/memory update/cpu-idle update/memory-reservation update/memory-swap update/pids-limit update/l3-cache-schema update/mem-bw-schema
            return 0
    end
    return 1
end

# Prints what the line is up to the cursor: its command, how many operands that has, 1 if options have ended, and the root.
function __runc_rs_line
    set -l command ''
    set -l operands 0
    set -l ended 0
    set -l option ''
    set -l root ''
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test -n "$option"
            test "$command/$option" = /root; and set root $word
            set option ''
        else if test $ended = 0; and test "$word" = --
            set ended 1
        else if test $ended = 0; and string match -q -- '-?*' $word
            set word (string replace -r -- '^--?' '' $word)
            if string match -q -- '*=*' $word
                test -z "$command"; and string match -q -- 'root=*' $word
                and set root (string replace -- root= '' $word)
            else if __runc_rs_has_value "$command/$word"
                set option $word
            end
        else if test -z "$command"
            set command $word
            set ended 0
        else
            set operands (math $operands + 1)
            contains -- $command exec ps; and set ended 1
        end
    end
    printf '%s\n' "$command" $operands $ended $root
end

# May an option of COMMAND stand here?
function __runc_rs_options
    set -l line (__runc_rs_line)
    test "$line[1]" = "$argv[1]"; and test $line[3] = 0
end

# Is this operand number N of one of the COMMANDS?
function __runc_rs_operand
    set -l line (__runc_rs_line)
    contains -- "$line[1]" $argv[2..-1]; and test $line[2] = $argv[1]
end

function __runc_rs_containers
    set -l words (commandline -opc)
    set -l program (string replace -r -- '^~' $HOME $words[1])
    set -l root (string replace -r -- '^~' $HOME (__runc_rs_line)[4])
    if test -n "$root"
        $program --root $root list --quiet 2>/dev/null
    else
        $program list --quiet 2>/dev/null
    end
end

complete -c runc-rs -f
complete -c runc-rs -n '__runc_rs_options ""' -l debug -d 'log at level debug too'
complete -c runc-rs -n '__runc_rs_options ""' -l log -r -F -d 'append the log to FILE, which is made when missing'
complete -c runc-rs -n '__runc_rs_options ""' -l log-format -x -a 'text json' -d 'log lines as "text" or "json"'
complete -c runc-rs -n '__runc_rs_options ""' -l root -x -a '(__fish_complete_directories)' -d 'keep the containers\' state below DIR, best on a tmpfs'
complete -c runc-rs -n '__runc_rs_options ""' -l systemd-cgroup -d 'let systemd manage the cgroup; cgroupsPath is then "slice:prefix:name"'
complete -c runc-rs -n '__runc_rs_options ""' -l rootless -x -a 'true false auto' -d '"true", "false" or "auto": tolerate that cgroups may not be writable'
complete -c runc-rs -n '__runc_rs_options ""' -s v -l version -d 'print the version'
complete -c runc-rs -n '__runc_rs_options ""' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_operand 0 ""' -a create -d 'make a container'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a delete -d 'remove what a stopped container left'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a events -d 'show a container\'s resource statistics and events'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a exec -d 'start another process in a container'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a kill -d 'send a signal to a container\'s first process'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a list -d 'list the containers below --root'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a pause -d 'freeze a container\'s processes'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a ps -d 'list a container\'s processes'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a resume -d 'let a paused container\'s processes go on'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a run -d 'make a container, start it, and wait for its end'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a spec -d 'write a config.json to start from'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a start -d 'start the program of a created container'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a state -d 'print a container\'s state'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a update -d 'change a container\'s limits'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a features -d 'print what this runtime supports'
complete -c runc-rs -n '__runc_rs_operand 0 ""' -a help -d 'show the help, or that of a command'
complete -c runc-rs -n '__runc_rs_operand 0 help h' -a 'create delete events exec kill list pause ps resume run spec start state update features'

complete -c runc-rs -n '__runc_rs_operand 0 delete events exec kill pause ps resume start state update' -a '(__runc_rs_containers)' -d container
complete -c runc-rs -n '__runc_rs_operand 1 kill' -a 'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'
complete -c runc-rs -n '__runc_rs_operand 1 kill; and string match -q "SIG*" -- (commandline -ct)' -a 'SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS'

complete -c runc-rs -n '__runc_rs_options "create"' -s b -l bundle -x -a '(__fish_complete_directories)' -d 'the bundle: config.json and usually the rootfs'
complete -c runc-rs -n '__runc_rs_options "create"' -l console-socket -r -F -d 'send the terminal\'s master to this unix socket'
complete -c runc-rs -n '__runc_rs_options "create"' -l pidfd-socket -r -F -d 'send a pidfd of the process to this unix socket'
complete -c runc-rs -n '__runc_rs_options "create"' -l pid-file -r -F -d 'write the pid of the container\'s process to FILE'
complete -c runc-rs -n '__runc_rs_options "create"' -l no-pivot -d 'move the root mount and chroot instead of pivot_root, for a rootfs on a ramdisk'
complete -c runc-rs -n '__runc_rs_options "create"' -l no-new-keyring -d 'stay in the caller\'s session keyring instead of making one'
complete -c runc-rs -n '__runc_rs_options "create"' -l preserve-fds -x -d 'pass N more descriptors, after stdio and $LISTEN_FDS'
complete -c runc-rs -n '__runc_rs_options "create"' -l explain -d 'draw the handshake with the container\'s init on stderr, as it happens'
complete -c runc-rs -n '__runc_rs_options "create"' -l trace -r -F -d 'write the handshake\'s events to FILE, for a trace viewer (Chrome JSON)'
complete -c runc-rs -n '__runc_rs_options "create"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "delete"' -s f -l force -d 'kill the container first (SIGKILL); no error if there is none'
complete -c runc-rs -n '__runc_rs_options "delete"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "events"' -l interval -x -d 'look every DURATION, "500ms" or "1m30s"'
complete -c runc-rs -n '__runc_rs_options "events"' -l stats -d 'look once, and do not wait'
complete -c runc-rs -n '__runc_rs_options "events"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "exec"' -l console-socket -r -F -d 'send the terminal\'s master to this unix socket'
complete -c runc-rs -n '__runc_rs_options "exec"' -l pidfd-socket -r -F -d 'send a pidfd of the process to this unix socket'
complete -c runc-rs -n '__runc_rs_options "exec"' -l cwd -x -d 'start in DIR of the container'
complete -c runc-rs -n '__runc_rs_options "exec"' -s e -l env -x -d 'add this to the environment'
complete -c runc-rs -n '__runc_rs_options "exec"' -s t -l tty -d 'give it a terminal of its own'
complete -c runc-rs -n '__runc_rs_options "exec"' -s u -l user -x -d 'run as this user'
complete -c runc-rs -n '__runc_rs_options "exec"' -s g -l additional-gids -x -d 'and in this group'
complete -c runc-rs -n '__runc_rs_options "exec"' -s p -l process -r -F -d 'take the process from this JSON file; of the other options those of the process are ignored'
complete -c runc-rs -n '__runc_rs_options "exec"' -s d -l detach -d 'return when the program was executed'
complete -c runc-rs -n '__runc_rs_options "exec"' -l pid-file -r -F -d 'write the pid of the container\'s process to FILE'
complete -c runc-rs -n '__runc_rs_options "exec"' -l process-label -x -d 'run under this SELinux label'
complete -c runc-rs -n '__runc_rs_options "exec"' -l apparmor -x -d 'run under this AppArmor profile'
complete -c runc-rs -n '__runc_rs_options "exec"' -l no-new-privs -d 'it can gain no privileges by execve'
complete -c runc-rs -n '__runc_rs_options "exec"' -s c -l cap -x -d 'add a capability, "CAP_KILL"'
complete -c runc-rs -n '__runc_rs_options "exec"' -l preserve-fds -x -d 'pass N more descriptors, after stdio'
complete -c runc-rs -n '__runc_rs_options "exec"' -l cgroup -x -d 'run in this group below the container\'s, which must exist'
complete -c runc-rs -n '__runc_rs_options "exec"' -l ignore-paused -d 'also in a paused container: it starts when that is resumed'
complete -c runc-rs -n '__runc_rs_options "exec"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "kill"' -s a -l all -d 'send it to every process of the container'
complete -c runc-rs -n '__runc_rs_options "kill"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "list"' -s f -l format -x -a 'table json' -d '"table" or "json"'
complete -c runc-rs -n '__runc_rs_options "list"' -s q -l quiet -d 'print the names only'
complete -c runc-rs -n '__runc_rs_options "list"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "pause"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "ps"' -s f -l format -x -a 'table json' -d '"table" or "json"'
complete -c runc-rs -n '__runc_rs_options "ps"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "resume"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "run"' -s b -l bundle -x -a '(__fish_complete_directories)' -d 'the bundle: config.json and usually the rootfs'
complete -c runc-rs -n '__runc_rs_options "run"' -l console-socket -r -F -d 'send the terminal\'s master to this unix socket'
complete -c runc-rs -n '__runc_rs_options "run"' -l pidfd-socket -r -F -d 'send a pidfd of the process to this unix socket'
complete -c runc-rs -n '__runc_rs_options "run"' -s d -l detach -d 'return when the container\'s program has started'
complete -c runc-rs -n '__runc_rs_options "run"' -l keep -d 'do not remove the container when it has stopped'
complete -c runc-rs -n '__runc_rs_options "run"' -l pid-file -r -F -d 'write the pid of the container\'s process to FILE'
complete -c runc-rs -n '__runc_rs_options "run"' -l no-subreaper -d 'do not adopt the container\'s orphans'
complete -c runc-rs -n '__runc_rs_options "run"' -l no-pivot -d 'move the root mount and chroot instead of pivot_root, for a rootfs on a ramdisk'
complete -c runc-rs -n '__runc_rs_options "run"' -l no-new-keyring -d 'stay in the caller\'s session keyring instead of making one'
complete -c runc-rs -n '__runc_rs_options "run"' -l preserve-fds -x -d 'pass N more descriptors, after stdio and $LISTEN_FDS'
complete -c runc-rs -n '__runc_rs_options "run"' -l explain -d 'draw the handshake with the container\'s init on stderr, as it happens'
complete -c runc-rs -n '__runc_rs_options "run"' -l trace -r -F -d 'write the handshake\'s events to FILE, for a trace viewer (Chrome JSON)'
complete -c runc-rs -n '__runc_rs_options "run"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "spec"' -s b -l bundle -x -a '(__fish_complete_directories)' -d 'where to write'
complete -c runc-rs -n '__runc_rs_options "spec"' -l rootless -d 'for a container that an unprivileged user can start'
complete -c runc-rs -n '__runc_rs_options "spec"' -l busybox -d 'also lay a root filesystem with busybox into rootfs/, which must be empty or missing'
complete -c runc-rs -n '__runc_rs_options "spec"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "start"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "state"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "update"' -s r -l resources -r -F -d 'read the limits from FILE ("-": standard input), not from options'
complete -c runc-rs -n '__runc_rs_options "update"' -l blkio-weight -x -d 'weight of the block I/O, 10 to 1000'
complete -c runc-rs -n '__runc_rs_options "update"' -l cpu-period -x -d 'period of the CPU bandwidth limit'
complete -c runc-rs -n '__runc_rs_options "update"' -l cpu-quota -x -d 'CPU time that may be used in a period; -1 is no limit'
complete -c runc-rs -n '__runc_rs_options "update"' -l cpu-burst -x -d 'CPU time not used that may be used later, beyond the quota'
complete -c runc-rs -n '__runc_rs_options "update"' -l cpu-share -x -d 'CPU shares, 2 to 262144'
complete -c runc-rs -n '__runc_rs_options "update"' -l cpu-rt-period -x -d 'period of the real-time limit (cgroup v1)'
complete -c runc-rs -n '__runc_rs_options "update"' -l cpu-rt-runtime -x -d 'real-time CPU time that may be used in its period (cgroup v1)'
complete -c runc-rs -n '__runc_rs_options "update"' -l cpuset-cpus -x -d 'CPUs to run on, "0-3,5"'
complete -c runc-rs -n '__runc_rs_options "update"' -l cpuset-mems -x -d 'memory nodes to allocate from'
complete -c runc-rs -n '__runc_rs_options "update"' -l memory -x -d 'memory limit'
complete -c runc-rs -n '__runc_rs_options "update"' -l cpu-idle -x -a '0 1' -d '1: run only when nobody else wants the CPU (SCHED_IDLE)'
complete -c runc-rs -n '__runc_rs_options "update"' -l memory-reservation -x -d 'memory to be left with the container when memory is short'
complete -c runc-rs -n '__runc_rs_options "update"' -l memory-swap -x -d 'limit of memory and swap together'
complete -c runc-rs -n '__runc_rs_options "update"' -l pids-limit -x -d 'most processes and threads; -1 is no limit'
complete -c runc-rs -n '__runc_rs_options "update"' -l l3-cache-schema -x -d 'Intel RDT/CAT: L3 cache schema (not supported yet)'
complete -c runc-rs -n '__runc_rs_options "update"' -l mem-bw-schema -x -d 'Intel RDT/MBA: memory bandwidth schema (not supported yet)'
complete -c runc-rs -n '__runc_rs_options "update"' -s h -l help -d 'show this help'

complete -c runc-rs -n '__runc_rs_options "features"' -s h -l help -d 'show this help'
