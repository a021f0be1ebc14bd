/* What a process does to one folder, in order, as the disk under it would see it.
 *
 * Loaded with LD_PRELOAD. FLEETWARD_TRACED_FOLDER names the folder, FLEETWARD_TRACE the file that gets, for each
 * system call under the folder and for each write to standard output (an acknowledgement),
 *
 *     char what | u32 path length | u32 data length | u64 offset | path | data          little-endian
 *
 *     W  data was written at offset            T  the file was cut to offset
 *     B  a sync of this file or folder began   S  it succeeded; offset is the position of its B
 *     R  path was renamed to data              U  path was removed
 *     A  data was written to standard output
 *
 * A change is traced under the lock it was made under, so the order of the trace is the order of the changes. A sync
 * runs outside of the lock: what is written while it runs stands between its B and its S, and is not covered.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static uint64_t traced;
static const char *folder;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("FLEETWARD_TRACE");
    folder = getenv("FLEETWARD_TRACED_FOLDER");
    if (path && folder) trace = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_ours(const char *path) {
    size_t length = trace < 0 ? 0 : strlen(folder);
    return length && !strncmp(path, folder, length) && (!path[length] || path[length] == '/');
}

/* The path of a descriptor, if it is under the folder. */
static const char *path_of(int fd, char *buffer) {
    char link[64];
    if (trace < 0 || fd == trace) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, buffer, PATH_MAX);
    if (length <= 0) return NULL;
    buffer[length] = 0;
    return is_ours(buffer) ? buffer : NULL;
}

/* With the lock held. Gives the position of the record. */
static uint64_t note(char what, const char *path, const void *data, size_t size, uint64_t offset) {
    unsigned char head[17];
    uint32_t path_length = strlen(path), data_length = size;
    head[0] = what;
    memcpy(head + 1, &path_length, 4);
    memcpy(head + 5, &data_length, 4);
    memcpy(head + 9, &offset, 8);
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, path_length}, {(void *)data, size}};
    if (writev(trace, parts, 3) != (ssize_t)(sizeof head + path_length + size)) abort();
    return traced++;
}

ssize_t write(int fd, const void *data, size_t size) {
    char buffer[PATH_MAX + 1];
    const char *path = path_of(fd, buffer);
    if (!path && (fd != 1 || trace < 0)) return REAL(write)(fd, data, size);
    pthread_mutex_lock(&lock);
    struct stat before = {0};
    if (path) fstat(fd, &before);
    int appends = path && (fcntl(fd, F_GETFL) & O_APPEND);
    uint64_t offset = !path ? 0 : appends ? (uint64_t)before.st_size : (uint64_t)lseek(fd, 0, SEEK_CUR);
    if (!path) note('A', "", data, size, 0); /* before the write: who reads the pipe may kill us at once */
    ssize_t written = REAL(write)(fd, data, size);
    if (path && written > 0) note('W', path, data, written, offset);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    char buffer[PATH_MAX + 1];
    const char *path = path_of(fd, buffer);
    if (!path) return REAL(pwrite64)(fd, data, size, offset);
    pthread_mutex_lock(&lock);
    ssize_t written = REAL(pwrite64)(fd, data, size, offset);
    if (written > 0) note('W', path, data, written, offset);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

int ftruncate64(int fd, off64_t size) {
    char buffer[PATH_MAX + 1];
    const char *path = path_of(fd, buffer);
    if (!path) return REAL(ftruncate64)(fd, size);
    pthread_mutex_lock(&lock);
    int result = REAL(ftruncate64)(fd, size);
    if (!result) note('T', path, "", 0, size);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int synced(int fd, int (*sync)(int)) {
    char buffer[PATH_MAX + 1];
    const char *path = path_of(fd, buffer);
    if (!path) return sync(fd);
    pthread_mutex_lock(&lock);
    uint64_t begun = note('B', path, "", 0, 0);
    pthread_mutex_unlock(&lock);
    int result = sync(fd);
    pthread_mutex_lock(&lock);
    if (!result) note('S', path, "", 0, begun);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return synced(fd, REAL(fsync)); }

int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    int result = REAL(rename)(from, to);
    if (!result && is_ours(from)) note('R', from, to, strlen(to), 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    pthread_mutex_lock(&lock);
    int result = REAL(unlink)(path);
    if (!result && is_ours(path)) note('U', path, "", 0, 0);
    pthread_mutex_unlock(&lock);
    return result;
}
