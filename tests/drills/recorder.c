/* What a program asks of the disk, in order: an LD_PRELOAD library for the power-cut drills.
 *
 * Every call that changes a regular file or a folder below HW_DISK_ROOT is appended to HW_DISK_LOG, with its data, before
 * it returns. Calls of all threads of a process are done one after the other, so the order of the log is the order on the
 * disk. Syncs are logged and left out: the drill makes the disk anew from the log alone. A call that changes a file and
 * cannot be replayed is logged as '!', a writable shared mapping as 'P'; the drill decides whether it may be there.
 *
 * A record: op u8 | file u64 | at u64 | n1 u32 | n2 u32 | n1 bytes | n2 bytes, little endian.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t turn = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *where = getenv("HW_DISK_ROOT"), *log = getenv("HW_DISK_LOG");
    if (!where || !log || !realpath(where, root))
        return;
    root_length = strlen(root);
    int handle = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_fd = fcntl(handle, F_DUPFD_CLOEXEC, 800);
    REAL(close)(handle);
}

static void put(char op, uint64_t file, uint64_t at, const void *first, uint32_t n1, const void *second, uint32_t n2)
{
    unsigned char head[25];
    head[0] = (unsigned char)op;
    memcpy(head + 1, &file, 8);
    memcpy(head + 9, &at, 8);
    memcpy(head + 17, &n1, 4);
    memcpy(head + 21, &n2, 4);
    struct iovec parts[3] = {{head, 25}, {(void *)first, n1}, {(void *)second, n2}};
    if (REAL(writev)(log_fd, parts, 3) != (ssize_t)(25 + n1 + n2))
        abort();
}

static int below(const char *path)
{
    return log_fd >= 0 && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The whole path of `path` as seen from the folder `at`; its last part need not be there. 0 where it is not ours. */
static int whole(int at, const char *path, char *out)
{
    char text[2 * PATH_MAX], folder[PATH_MAX];
    if (log_fd < 0 || !path)
        return 0;
    if (path[0] == '/')
        snprintf(text, sizeof text, "%s", path);
    else {
        if (at == AT_FDCWD) {
            if (!getcwd(folder, sizeof folder))
                return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t n = readlink(link, folder, sizeof folder - 1);
            if (n < 0)
                return 0;
            folder[n] = 0;
        }
        snprintf(text, sizeof text, "%s/%s", folder, path);
    }
    char *slash = strrchr(text, '/');
    if (slash == text)
        return 0;
    *slash = 0;
    if (!realpath(text, folder))
        return 0;
    snprintf(out, PATH_MAX, "%s/%s", folder, slash + 1);
    return below(out);
}

/* The number of the regular file behind a handle, 0 where it is not below the root. */
static uint64_t number(int fd)
{
    struct stat info;
    char link[64], path[PATH_MAX];
    if (log_fd < 0 || fd == log_fd || fstat(fd, &info) || !S_ISREG(info.st_mode))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = 0;
    return below(path) ? info.st_ino : 0;
}

static int opened(int (*really)(int, const char *, int, ...), int at, const char *path, int flags, mode_t mode)
{
    char name[PATH_MAX];
    struct stat info;
    pthread_mutex_lock(&turn);
    int ours = (flags & (O_CREAT | O_TRUNC)) && whole(at, path, name);
    int there = ours && !lstat(name, &info);
    int fd = really(at, path, flags, mode);
    if (ours && fd >= 0 && !fstat(fd, &info) && S_ISREG(info.st_mode)) {
        if (!there)
            put('C', info.st_ino, info.st_mode & 07777, name, strlen(name), "", 0);
        else if (flags & O_TRUNC)
            put('T', info.st_ino, 0, "", 0, "", 0);
    }
    pthread_mutex_unlock(&turn);
    return fd;
}

#define MODE(flags) mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); \
    mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE(flags) return opened(REAL(openat), AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(REAL(openat64), AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return opened(REAL(openat), at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...)
{ MODE(flags) return opened(REAL(openat64), at, path, flags, mode); }
int creat(const char *path, mode_t mode)
{ return opened(REAL(openat), AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static void written(uint64_t file, off_t at, const void *data, ssize_t n)
{
    if (file && n > 0)
        put('W', file, at, data, n, "", 0);
}

ssize_t write(int fd, const void *data, size_t n)
{
    pthread_mutex_lock(&turn);
    uint64_t file = number(fd);
    struct stat info;
    off_t at = file ? lseek(fd, 0, SEEK_CUR) : 0;
    if (file && (fcntl(fd, F_GETFL) & O_APPEND) && !fstat(fd, &info))
        at = info.st_size;
    ssize_t done = REAL(write)(fd, data, n);
    written(file, at, data, done);
    pthread_mutex_unlock(&turn);
    return done;
}

static ssize_t placed(ssize_t (*really)(int, const void *, size_t, off_t), int fd, const void *data, size_t n, off_t at)
{
    pthread_mutex_lock(&turn);
    uint64_t file = number(fd);
    ssize_t done = really(fd, data, n, at);
    written(file, at, data, done);
    pthread_mutex_unlock(&turn);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return placed(REAL(pwrite), fd, data, n, at); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { return placed(REAL(pwrite64), fd, data, n, at); }

static int cut(int (*really)(int, off_t), int fd, off_t size)
{
    pthread_mutex_lock(&turn);
    uint64_t file = number(fd);
    int result = really(fd, size);
    if (file && !result)
        put('T', file, size, "", 0, "", 0);
    pthread_mutex_unlock(&turn);
    return result;
}

int ftruncate(int fd, off_t size) { return cut(REAL(ftruncate), fd, size); }
int ftruncate64(int fd, off64_t size) { return cut(REAL(ftruncate64), fd, size); }

static int synced(int (*really)(int), int fd)
{
    struct stat info;
    char link[64], path[PATH_MAX];
    if (log_fd < 0 || fstat(fd, &info))
        return really(fd);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = 0;
    if (!below(path))
        return really(fd);
    pthread_mutex_lock(&turn);
    put(S_ISDIR(info.st_mode) ? 'D' : 'S', info.st_ino, 0, path, strlen(path), "", 0);
    pthread_mutex_unlock(&turn);
    return 0;
}

int fsync(int fd) { return synced(REAL(fsync), fd); }
int fdatasync(int fd) { return synced(REAL(fdatasync), fd); }

/* A change of names: `act` is the call itself. */
#define NAMED(op, at1, one, at2, two, act) \
    char first[PATH_MAX] = "", second[PATH_MAX] = ""; \
    pthread_mutex_lock(&turn); \
    int ours = whole(at1, one, first), both = whole(at2, two, second); \
    int result = act; \
    if ((ours || both) && !result) \
        put(op, 0, 0, first, ours ? strlen(first) : 0, second, both ? strlen(second) : 0); \
    pthread_mutex_unlock(&turn); \
    return result

#define NONE ((const char *)NULL)
int rename(const char *a, const char *b) { NAMED('R', AT_FDCWD, a, AT_FDCWD, b, REAL(rename)(a, b)); }
int renameat(int x, const char *a, int y, const char *b) { NAMED('R', x, a, y, b, REAL(renameat)(x, a, y, b)); }
int renameat2(int x, const char *a, int y, const char *b, unsigned int how)
{ NAMED(how ? '!' : 'R', x, a, y, b, REAL(renameat2)(x, a, y, b, how)); }
int link(const char *a, const char *b) { NAMED('L', AT_FDCWD, a, AT_FDCWD, b, REAL(link)(a, b)); }
int linkat(int x, const char *a, int y, const char *b, int how)
{ NAMED('L', x, a, y, b, REAL(linkat)(x, a, y, b, how)); }
int symlink(const char *a, const char *b) { NAMED('!', AT_FDCWD, b, AT_FDCWD, NONE, REAL(symlink)(a, b)); }
int unlink(const char *a) { NAMED('U', AT_FDCWD, a, AT_FDCWD, NONE, REAL(unlink)(a)); }
int unlinkat(int x, const char *a, int how)
{ NAMED(how & AT_REMOVEDIR ? 'X' : 'U', x, a, AT_FDCWD, NONE, REAL(unlinkat)(x, a, how)); }
int rmdir(const char *a) { NAMED('X', AT_FDCWD, a, AT_FDCWD, NONE, REAL(rmdir)(a)); }
int mkdir(const char *a, mode_t mode) { NAMED('M', AT_FDCWD, a, AT_FDCWD, NONE, REAL(mkdir)(a, mode)); }
int mkdirat(int x, const char *a, mode_t mode) { NAMED('M', x, a, AT_FDCWD, NONE, REAL(mkdirat)(x, a, mode)); }
int truncate(const char *a, off_t n) { NAMED('!', AT_FDCWD, a, AT_FDCWD, NONE, REAL(truncate)(a, n)); }

/* What changes a file in a way that is not replayed. */
#define UNSEEN(fd, name, act) \
    uint64_t file = number(fd); \
    if (file) \
        put('!', file, 0, name, strlen(name), "", 0); \
    return act

ssize_t writev(int fd, const struct iovec *parts, int n) { UNSEEN(fd, "writev", REAL(writev)(fd, parts, n)); }
ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at)
{ UNSEEN(fd, "pwritev", REAL(pwritev)(fd, parts, n, at)); }
ssize_t sendfile(int out, int in, off_t *at, size_t n)
{ UNSEEN(out, "sendfile", ((ssize_t (*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile"))(out, in, at, n)); }
ssize_t sendfile64(int out, int in, off64_t *at, size_t n)
{ UNSEEN(out, "sendfile", ((ssize_t (*)(int, int, off64_t *, size_t))dlsym(RTLD_NEXT, "sendfile64"))(out, in, at, n)); }
ssize_t copy_file_range(int in, off64_t *a, int out, off64_t *b, size_t n, unsigned int how)
{ UNSEEN(out, "copy_file_range", REAL(copy_file_range)(in, a, out, b, n, how)); }
int fallocate(int fd, int how, off_t at, off_t n) { UNSEEN(fd, "fallocate", REAL(fallocate)(fd, how, at, n)); }
int posix_fallocate(int fd, off_t at, off_t n) { UNSEEN(fd, "posix_fallocate", REAL(posix_fallocate)(fd, at, n)); }

static void mapped(int how, int flags, int fd)
{
    char link[64], path[PATH_MAX];
    if (fd < 0 || !(how & PROT_WRITE) || !(flags & MAP_SHARED) || !number(fd))
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    put('P', 0, 0, path, n < 0 ? 0 : n, "", 0);
}

void *mmap(void *to, size_t n, int how, int flags, int fd, off_t at)
{
    mapped(how, flags, fd);
    return REAL(mmap)(to, n, how, flags, fd, at);
}

void *mmap64(void *to, size_t n, int how, int flags, int fd, off64_t at)
{
    mapped(how, flags, fd);
    return REAL(mmap64)(to, n, how, flags, fd, at);
}
