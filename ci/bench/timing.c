/* Times commands side by side, without a shell and without a heap in between.
 *
 *   timing rss COMMAND ARGS...        prints the peak resident memory, in KiB, of the largest process below COMMAND
 *   timing bench ROUNDS FILE          runs every case of FILE once a round, in a new random order each round
 *   timing once FILE                  runs every case of FILE once in all, in random order; cases of one NAME are one figure
 *
 * FILE has one case a line: NAME, a tab, then steps separated by " ; ". A step is a command, its words separated by
 * single spaces; a leading "-" means: not timed. Every step must exit with 0. Output: NAME, median, minimum (in us);
 * of `once` NAME, median, total.
 *
 * This program is static and small on purpose: a child starts as a vfork of it, and the kernel counts the memory
 * that it has before execve as the child's peak. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define MAX_CASES 8192
#define MAX_STEPS 8
#define MAX_WORDS 32
#define MAX_ROUNDS 100000

struct step { int timed; char *argv[MAX_WORDS]; };
struct test { char *name; int steps; struct step step[MAX_STEPS]; long *us; };
static struct test tests[MAX_CASES];
static int count;

static void die(const char *what) { perror(what); exit(2); }

static pid_t spawn(char **argv)
{
	posix_spawn_file_actions_t fa;
	pid_t pid;
	/* Regular files, not /dev/null: crun changes the owner of its standard streams. */
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, "/tmp/.timing-stdio", O_RDWR | O_CREAT, 0600);
	posix_spawn_file_actions_addopen(&fa, 1, "/tmp/.timing-stdio", O_RDWR | O_CREAT | O_APPEND, 0600);
	int err = posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (err) { errno = err; die(argv[0]); }
	return pid;
}

static void run_step(struct step *s)
{
	int status;
	pid_t pid = spawn(s->argv);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) die("waitpid");
	if (status != 0) {
		fprintf(stderr, "timing: status %x of", status);
		for (char **a = s->argv; *a; a++) fprintf(stderr, " %s", *a);
		fprintf(stderr, "\n");
		exit(1);
	}
}

static long now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;
	return (x > y) - (x < y);
}

static void read_cases(const char *file)
{
	char line[8192];
	FILE *f = fopen(file, "r");
	if (!f) die(file);
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		char *text = strchr(line, '\t');
		if (!text || count == MAX_CASES) { fprintf(stderr, "timing: bad line: %s\n", line); exit(2); }
		*text++ = 0;
		struct test *t = &tests[count++];
		t->name = strdup(line);
		struct step *s = &t->step[t->steps++];
		int words = 0;
		s->timed = 1;
		for (char *w = strtok(text, " "); w; w = strtok(NULL, " ")) {
			if (!strcmp(w, ";")) {
				if (t->steps == MAX_STEPS) { fprintf(stderr, "timing: too many steps\n"); exit(2); }
				s = &t->step[t->steps++];
				s->timed = 1;
				words = 0;
			} else if (words == 0 && !strcmp(w, "-")) {
				s->timed = 0;
			} else if (words < MAX_WORDS - 1) {
				s->argv[words++] = strdup(w);
			}
		}
	}
	fclose(f);
}

static int order[MAX_CASES];

static void shuffle(void)
{
	for (int i = 0; i < count; i++) order[i] = i;
	for (int i = count - 1; i > 0; i--) {
		int j = random() % (i + 1), t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
}

static long run_case(struct test *t)
{
	long total = 0;
	for (int s = 0; s < t->steps; s++) {
		long begin = now_us();
		run_step(&t->step[s]);
		if (t->step[s].timed) total += now_us() - begin;
	}
	while (waitpid(-1, NULL, WNOHANG) > 0) {}
	return total;
}

static void once(void)
{
	static long us[MAX_CASES], of_name[MAX_CASES];
	static char done[MAX_CASES];
	shuffle();
	for (int i = 0; i < count; i++) us[order[i]] = run_case(&tests[order[i]]);
	for (int i = 0; i < count; i++) {
		long n = 0, total = 0;
		if (done[i]) continue;
		for (int j = i; j < count; j++) {
			if (strcmp(tests[i].name, tests[j].name)) continue;
			done[j] = 1;
			of_name[n++] = us[j];
			total += us[j];
		}
		qsort(of_name, n, sizeof(long), by_value);
		printf("%s\t%ld\t%ld\n", tests[i].name, of_name[n / 2], total);
	}
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "rss")) {
		struct rusage usage;
		int status;
		pid_t pid = spawn(argv + 2);
		if (wait4(pid, &status, 0, &usage) < 0) die("wait4");
		printf("%ld\n", usage.ru_maxrss);
		return status != 0;
	}
	/* The inits of detached containers become ours: nobody else's reaping disturbs the times. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	srandom(1);
	if (argc == 3 && !strcmp(argv[1], "once")) {
		read_cases(argv[2]);
		once();
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "bench")) { fprintf(stderr, "usage: timing rss COMMAND... | timing bench ROUNDS FILE | timing once FILE\n"); return 2; }
	int rounds = atoi(argv[2]);
	if (rounds < 1 || rounds > MAX_ROUNDS) return 2;
	read_cases(argv[3]);
	for (int i = 0; i < count; i++) tests[i].us = calloc(rounds, sizeof(long));
	for (int r = -1; r < rounds; r++) { /* round -1 warms up */
		shuffle();
		for (int i = 0; i < count; i++) {
			struct test *t = &tests[order[i]];
			long total = run_case(t);
			if (r >= 0) t->us[r] = total;
		}
	}
	for (int i = 0; i < count; i++) {
		qsort(tests[i].us, rounds, sizeof(long), by_value);
		printf("%s\t%ld\t%ld\n", tests[i].name, tests[i].us[rounds / 2], tests[i].us[0]);
	}
	return 0;
}
