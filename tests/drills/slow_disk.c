/* A slow disk: an LD_PRELOAD library that lets each sync wait up to HW_SLOW_MS, and each hundredth write too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void wait_a_little(int one_of)
{
    const char *most = getenv("HW_SLOW_MS");
    if (most && random() % one_of == 0)
        usleep(random() % (1000 * (atoi(most) + 1)));
}

int fsync(int fd) { wait_a_little(1); return REAL(fsync)(fd); }
int fdatasync(int fd) { wait_a_little(1); return REAL(fdatasync)(fd); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    wait_a_little(100);
    return REAL(pwrite64)(fd, data, n, at);
}
