/* Bad weather for one process and its children: the clock is set, the disk below one folder fails or hangs.
 *
 * Loaded by LD_PRELOAD. WEATHER names a file of 32 bytes that is mapped: what a test writes there holds at once.
 * UNDER names the folder; only what would change a file below it fails, and with reads = 1 also what reads one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct weather { volatile int64_t ahead_us; volatile int32_t fault, hang, reads, rest[3]; };
static struct weather *w;
static const char *under;

__attribute__((constructor)) static void begin(void) {
    int (*open_)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd = getenv("WEATHER") ? open_(getenv("WEATHER"), O_RDWR) : -1;
    under = getenv("UNDER");
    if (fd < 0) return;
    void *place = mmap(NULL, sizeof *w, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (place != MAP_FAILED) w = place;
}

#define NEXT(name) static __typeof__(name) *next; if (!next) next = dlsym(RTLD_NEXT, #name)

static int inside(const char *path) { return under && path && strncmp(path, under, strlen(under)) == 0; }

static int inside_fd(int fd) {
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return inside(path);
}

/* whether the weather forbids it; waits while the disk hangs */
static int stopped(int is_inside, int reads) {
    if (!w || !is_inside || (reads && !w->reads)) return 0;
    while (w->hang) { struct timespec t = {0, 20000000}; nanosleep(&t, NULL); }
    if (!w->fault) return 0;
    errno = w->fault;
    return 1;
}

int clock_gettime(clockid_t id, struct timespec *t) {
    NEXT(clock_gettime);
    int answer = next(id, t);
    if (answer == 0 && w && id == CLOCK_REALTIME) {
        int64_t ns = t->tv_sec * 1000000000LL + t->tv_nsec + w->ahead_us * 1000;
        t->tv_sec = ns / 1000000000LL; t->tv_nsec = ns % 1000000000LL;
    }
    return answer;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    t->tv_sec = now.tv_sec; t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list a; va_start(a, flags); mode = va_arg(a, int); va_end(a); }
#define OPEN(name) int name(const char *path, int flags, ...) { MODE NEXT(name); \
    if (stopped(inside(path), !WRITES(flags))) return -1; return next(path, flags, mode); }
#define OPENAT(name) int name(int at, const char *path, int flags, ...) { MODE NEXT(name); \
    if (stopped(inside(path) || (at != AT_FDCWD && inside_fd(at)), !WRITES(flags))) return -1; \
    return next(at, path, flags, mode); }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)

#define ON_FD(type, name, reads, takes, gives) type name takes { NEXT(name); \
    if (stopped(inside_fd(fd), reads)) return -1; return next gives; }
ON_FD(ssize_t, write, 0, (int fd, const void *b, size_t n), (fd, b, n))
ON_FD(ssize_t, pwrite, 0, (int fd, const void *b, size_t n, off_t at), (fd, b, n, at))
ON_FD(ssize_t, pwrite64, 0, (int fd, const void *b, size_t n, off64_t at), (fd, b, n, at))
ON_FD(ssize_t, read, 1, (int fd, void *b, size_t n), (fd, b, n))
ON_FD(ssize_t, pread, 1, (int fd, void *b, size_t n, off_t at), (fd, b, n, at))
ON_FD(ssize_t, pread64, 1, (int fd, void *b, size_t n, off64_t at), (fd, b, n, at))
ON_FD(int, fsync, 0, (int fd), (fd))
ON_FD(int, fdatasync, 0, (int fd), (fd))
ON_FD(int, ftruncate, 0, (int fd, off_t n), (fd, n))
ON_FD(int, ftruncate64, 0, (int fd, off64_t n), (fd, n))

#define ON_PATH(name, takes, gives) int name takes { NEXT(name); \
    if (stopped(inside(path), 0)) return -1; return next gives; }
ON_PATH(rename, (const char *path, const char *to), (path, to))
ON_PATH(unlink, (const char *path), (path))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
