/* The floor: one `run` of the benchmark bundle as bare kernel calls, nothing read, nothing checked, nothing logged.
 * What the kernel needs for it is what no runtime can go below; what a runtime takes above it is its own.
 *
 *   floor ROOTFS NAME
 *
 * It makes what the bundle of ci/bench/bundle asks for: a cgroup in every version 1 hierarchy with the device rules
 * that every runtime sets and one limit, six namespaces, six mounts, six device nodes, masks, a read-only root, Docker's
 * capabilities, /bin/true. The cgroup of each hierarchy is made below our own, as runtimes do. The child moves itself
 * ("0" to tasks): moving somebody else's process waits for an RCU grace period, milliseconds that nobody needs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	_exit(1);
}
#define must(call) do { if ((call) < 0) die(#call); } while (0)

static void put(const char *dir, const char *file, const char *text)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", dir, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) die(path);
	/* Left open: the descriptors go with the process, and closing each is a call more. */
}

/* The directories of our cgroups, one for each version 1 hierarchy: from /proc/self/cgroup, as runtimes do. */
static int hierarchies(char dirs[][512], const char *name, char **devices, char **pids)
{
	char text[8192];
	int n = 0, fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	must(fd);
	ssize_t len = read(fd, text, sizeof text - 1);
	must(len);
	text[len] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *controllers = strchr(line, ':') + 1;
		char *path = strchr(controllers, ':');
		*path++ = 0;
		if (!*controllers) continue;
		if (!strncmp(controllers, "name=", 5)) controllers += 5;
		snprintf(dirs[n], 512, "/sys/fs/cgroup/%s%s/%s", controllers, strcmp(path, "/") ? path : "", name);
		if (!strcmp(controllers, "devices")) *devices = dirs[n];
		if (!strcmp(controllers, "pids")) *pids = dirs[n];
		n++;
	}
	return n;
}

static void child(const char *rootfs, char (*dirs)[512], int n)
{
	for (int i = 0; i < n; i++) put(dirs[i], "tasks", "0");
	/* The cgroup namespace is made after joining the cgroup. */
	must(unshare(CLONE_NEWCGROUP));
	must(setsid());

	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	must(s);
	must(ioctl(s, SIOCSIFFLAGS, &ifr));
	close(s);

	must(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL));
	must(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
	must(chdir(rootfs));
	must(mount("proc", "proc", "proc", 0, NULL));
	must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
	must(mkdir("dev/pts", 0755));
	must(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
	must(mkdir("dev/shm", 0755));
	must(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k"));
	must(mkdir("dev/mqueue", 0755));
	must(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
	must(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL));

	static const struct { const char *path; int minor; int major; } nodes[] = {
		{ "dev/null", 3, 1 }, { "dev/zero", 5, 1 }, { "dev/full", 7, 1 }, { "dev/random", 8, 1 }, { "dev/urandom", 9, 1 }, { "dev/tty", 0, 5 },
	};
	umask(0);
	for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; i++)
		must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
	must(symlink("/proc/self/fd", "dev/fd"));
	must(symlink("/proc/self/fd/0", "dev/stdin"));
	must(symlink("/proc/self/fd/1", "dev/stdout"));
	must(symlink("/proc/self/fd/2", "dev/stderr"));
	must(symlink("pts/ptmx", "dev/ptmx"));

	must(syscall(SYS_pivot_root, ".", "."));
	must(umount2(".", MNT_DETACH));
	must(chdir("/"));
	must(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));

	static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };
	for (unsigned i = 0; i < sizeof readonly / sizeof *readonly; i++) {
		if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) < 0) continue;
		must(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	}
	static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi" };
	for (unsigned i = 0; i < sizeof masked / sizeof *masked; i++)
		if (mount("/dev/null", masked[i], NULL, MS_BIND, NULL) < 0 && errno == ENOTDIR)
			must(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, NULL));
	must(sethostname("bench", 5));

	struct rlimit limit = { 1024, 1024 };
	must(prlimit(0, RLIMIT_NOFILE, &limit, NULL));
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	/* CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP */
	const uint64_t keep = 0xa80425fb;
	for (int cap = 0; cap <= 40; cap++)
		if (!(keep >> cap & 1)) must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
	must(syscall(SYS_setgroups, 0, NULL));
	must(syscall(SYS_setresgid, 0, 0, 0));
	must(syscall(SYS_setresuid, 0, 0, 0));
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { (uint32_t)keep, (uint32_t)keep, 0 } };
	must(syscall(SYS_capset, &header, data));
	umask(022);
	must(syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC));
	char *argv[] = { "/bin/true", NULL }, *envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", NULL };
	execve(argv[0], argv, envp);
	die("execve");
}

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

int main(int argc, char **argv)
{
	static char dirs[32][512];
	char *devices = NULL, *pids = NULL;
	int status;
	if (argc != 3) return 2;
	int n = hierarchies(dirs, argv[2], &devices, &pids);
	for (int i = 0; i < n; i++) {
		must(mkdir(dirs[i], 0755));
		if (strstr(dirs[i], "/cpuset/")) {
			/* A new cpuset is empty, and nothing can join it before it has these. */
			char path[512], value[256];
			static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
			for (int f = 0; f < 2; f++) {
				snprintf(path, sizeof path, "%.490s/../%s", dirs[i], files[f]);
				int fd = open(path, O_RDONLY | O_CLOEXEC);
				must(fd);
				ssize_t len = read(fd, value, sizeof value - 1);
				must(len);
				value[len] = 0;
				put(dirs[i], files[f], value);
			}
		}
	}
	if (pids) put(pids, "pids.max", "100");
	if (devices) {
		char path[512];
		put(devices, "devices.deny", "a");
		snprintf(path, sizeof path, "%.490s/devices.allow", devices);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		must(fd);
		static const char *const allow[] = { "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:8 rwm", "c 1:7 rwm", "c 5:0 rwm", "c 1:5 rwm", "c 1:9 rwm",
			"c 136:* rwm", "c 5:2 rwm" };
		for (unsigned i = 0; i < sizeof allow / sizeof *allow; i++) must(write(fd, allow[i], strlen(allow[i]))); /* the kernel takes one rule a write */
	}
	struct clone_args args = { .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, .exit_signal = SIGCHLD };
	pid_t pid = syscall(SYS_clone3, &args, sizeof args);
	must(pid);
	if (pid == 0) child(argv[1], dirs, n);
	must(waitpid(pid, &status, 0));
	for (int i = 0; i < n; i++) must(rmdir(dirs[i]));
	return status != 0;
}
