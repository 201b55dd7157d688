/*
 * A disk that can be watched, filled up and broken: preloaded into a process, it sees every system call that changes
 * files below HOOKGATE_DISK_ROOT, also those made without the C library (seccomp traps them, no root needed), and
 *
 *   - writes each into the file HOOKGATE_DISK_TRACE, from which the tests build what a power cut could have left;
 *   - answers ENOSPC once HOOKGATE_DISK_FULL_AFTER bytes were written, until the file HOOKGATE_DISK_ROOM exists;
 *   - answers EIO to the fsync or fdatasync number HOOKGATE_DISK_SYNC_FAILS.
 *
 * A record of the trace, numbers little-endian: kind (1 byte), a (8), b (8), length of the path (4), of the data (4),
 * path, data. Calls and their records are in one order: each pair is made under a lock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

/* In the sixth argument, which none of the trapped calls has: this one is our own, let it through. */
#define OURS 0x5afe5afeUL

enum kind { CREATE = 1, WRITE, TRUNCATE, FSYNC, FDATASYNC, RENAME, UNLINK, MKDIR, RMDIR, SYNC_FAILED };

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define REG(c, n) ((c)->uc_mcontext.gregs[n])
#define ARG0(c) REG(c, REG_RDI)
#define ARG1(c) REG(c, REG_RSI)
#define ARG2(c) REG(c, REG_RDX)
#define ARG3(c) REG(c, REG_R10)
#define ARG4(c) REG(c, REG_R8)
#define RESULT(c) REG(c, REG_RAX)
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define ARG0(c) ((c)->uc_mcontext.regs[0])
#define ARG1(c) ((c)->uc_mcontext.regs[1])
#define ARG2(c) ((c)->uc_mcontext.regs[2])
#define ARG3(c) ((c)->uc_mcontext.regs[3])
#define ARG4(c) ((c)->uc_mcontext.regs[4])
#define RESULT(c) ((c)->uc_mcontext.regs[0])
#else
#error "no registers known for this processor"
#endif

static const int trapped[] = {
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_rename, SYS_unlink, SYS_mkdir, SYS_rmdir,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_openat, SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_ftruncate, SYS_fsync, SYS_fdatasync,
    SYS_renameat2, SYS_unlinkat, SYS_mkdirat,
};

static char root[4096], room[4096];
static int trace = -1;
static long full_after = -1, sync_fails = -1, written, synced;
static volatile char locked;

static void lock(void) { while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE)) syscall(SYS_sched_yield); }
static void unlock(void) { __atomic_clear(&locked, __ATOMIC_RELEASE); }

static long call(long nr, long a, long b, long c, long d, long e) {
    long result = syscall(nr, a, b, c, d, e, OURS);
    return result < 0 ? -errno : result;
}

static int below_root(const char *path) {
    size_t length = strlen(root);
    return strncmp(path, root, length) == 0 && path[length] == '/';
}

static int path_of(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, 4095);
    if (length < 0) return 0;
    out[length] = 0;
    return below_root(out);
}

static int path_at(int dir, const char *path, char *out) {
    /* A path through a descriptor, as the journal gives its engines. */
    static const char held[] = "/proc/self/fd/";
    if (strncmp(path, held, sizeof held - 1) == 0) {
        char *rest;
        long fd = strtol(path + sizeof held - 1, &rest, 10);
        if (*rest == '/') return path_at((int)fd, rest + 1, out);
    }
    if (path[0] == '/') {
        snprintf(out, 4096, "%s", path);
    } else {
        char base[4096];
        if (dir == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
            ssize_t length = readlink(link, base, 4095);
            if (length < 0) return 0;
            base[length] = 0;
        }
        snprintf(out, 4096, "%.2000s/%.2000s", base, path);
    }
    return below_root(out);
}

static void put(const void *bytes, size_t length) {
    const char *from = bytes;
    while (length > 0) {
        long n = call(SYS_write, trace, (long)from, (long)length, 0, 0);
        if (n <= 0) abort();
        from += n;
        length -= (size_t)n;
    }
}

static void record(enum kind kind, const char *path, uint64_t a, uint64_t b, const void *data, uint32_t length) {
    if (trace < 0) return;
    uint32_t path_length = (uint32_t)strlen(path);
    char head[25];
    head[0] = (char)kind;
    memcpy(head + 1, &a, 8);
    memcpy(head + 9, &b, 8);
    memcpy(head + 17, &path_length, 4);
    memcpy(head + 21, &length, 4);
    put(head, sizeof head);
    put(path, path_length);
    if (length > 0) put(data, length);
}

/* How many of these bytes there is room for; 0 when the disk is full. */
static long room_for(long length) {
    if (full_after < 0) return length;
    if (room[0] && access(room, F_OK) == 0) {
        full_after = -1;
        return length;
    }
    long left = full_after - written;
    return left < length ? (left < 0 ? 0 : left) : length;
}

static long do_open(long nr, int dir, const char *name, long flags, long mode, long *args) {
    char path[4096];
    int ours = path_at(dir, name, path) && (flags & (O_CREAT | O_TRUNC));
    if (!ours) return call(nr, args[0], args[1], args[2], args[3], 0);
    (void)mode;
    lock();
    int existed = access(path, F_OK) == 0;
    long fd = (flags & O_CREAT) && !existed && room_for(1) == 0 ? -ENOSPC : call(nr, args[0], args[1], args[2], args[3], 0);
    if (fd >= 0 && !existed) record(CREATE, path, 0, 0, 0, 0);
    if (fd >= 0 && existed && (flags & O_TRUNC)) record(TRUNCATE, path, 0, 0, 0, 0);
    unlock();
    return fd;
}

static long do_write(int fd, const char *data, long length, long offset) {
    char path[4096];
    if (!path_of(fd, path)) {
        return offset < 0 ? call(SYS_write, fd, (long)data, length, 0, 0)
                          : call(SYS_pwrite64, fd, (long)data, length, offset, 0);
    }
    lock();
    long fits = room_for(length), n = -ENOSPC;
    if (fits > 0 || length == 0) {
        n = offset < 0 ? call(SYS_write, fd, (long)data, fits, 0, 0)
                       : call(SYS_pwrite64, fd, (long)data, fits, offset, 0);
    }
    if (n > 0) {
        uint64_t at = offset < 0 ? (uint64_t)(lseek(fd, 0, SEEK_CUR) - n) : (uint64_t)offset;
        record(WRITE, path, at, 0, data, (uint32_t)n);
        written += n;
    }
    unlock();
    return n;
}

static long do_writev(int fd, const struct iovec *parts, long count, long offset) {
    long sum = 0;
    for (long i = 0; i < count; i++) {
        if (parts[i].iov_len == 0) continue;
        long n = do_write(fd, parts[i].iov_base, (long)parts[i].iov_len, offset < 0 ? offset : offset + sum);
        if (n < 0) return sum > 0 ? sum : n;
        sum += n;
        if (n < (long)parts[i].iov_len) break;
    }
    return sum;
}

static long do_sync(long nr, int fd) {
    char path[4096] = "";
    if (!path_of(fd, path)) {
        if (strcmp(path, root) != 0) return call(nr, fd, 0, 0, 0, 0);
    }
    lock();
    synced += 1;
    long result = synced == sync_fails ? -EIO : call(nr, fd, 0, 0, 0, 0);
    record(result != 0 ? SYNC_FAILED : nr == SYS_fsync ? FSYNC : FDATASYNC, path, 0, 0, 0, 0);
    unlock();
    return result;
}

static long do_rename(long nr, int from_dir, const char *from, int to_dir, const char *to, long *args) {
    char old[4096], new[4096];
    int ours = path_at(from_dir, from, old);
    ours |= path_at(to_dir, to, new);
    if (!ours) return call(nr, args[0], args[1], args[2], args[3], args[4]);
    lock();
    long result = call(nr, args[0], args[1], args[2], args[3], args[4]);
    if (result == 0) record(RENAME, old, 0, 0, new, (uint32_t)strlen(new));
    unlock();
    return result;
}

static long do_name(enum kind kind, long nr, int dir, const char *name, long *args) {
    char path[4096];
    if (!path_at(dir, name, path)) return call(nr, args[0], args[1], args[2], args[3], 0);
    lock();
    long result = call(nr, args[0], args[1], args[2], args[3], 0);
    if (result == 0) record(kind, path, 0, 0, 0, 0);
    unlock();
    return result;
}

static long do_truncate(int fd, long length) {
    char path[4096];
    int ours = path_of(fd, path);
    if (ours) lock();
    long result = call(SYS_ftruncate, fd, length, 0, 0, 0);
    if (ours) {
        if (result == 0) record(TRUNCATE, path, (uint64_t)length, 0, 0, 0);
        unlock();
    }
    return result;
}

static void on_trap(int signal, siginfo_t *info, void *raw) {
    (void)signal;
    int saved = errno;
    ucontext_t *context = raw;
    long a[5] = {(long)ARG0(context), (long)ARG1(context), (long)ARG2(context), (long)ARG3(context), (long)ARG4(context)};
    long nr = info->si_syscall, result;
    switch (nr) {
#ifdef SYS_open
    case SYS_open: result = do_open(nr, AT_FDCWD, (char *)a[0], a[1], a[2], a); break;
    case SYS_creat: result = do_open(nr, AT_FDCWD, (char *)a[0], O_CREAT | O_TRUNC, a[1], a); break;
    case SYS_rename: result = do_rename(nr, AT_FDCWD, (char *)a[0], AT_FDCWD, (char *)a[1], a); break;
    case SYS_unlink: result = do_name(UNLINK, nr, AT_FDCWD, (char *)a[0], a); break;
    case SYS_mkdir: result = do_name(MKDIR, nr, AT_FDCWD, (char *)a[0], a); break;
    case SYS_rmdir: result = do_name(RMDIR, nr, AT_FDCWD, (char *)a[0], a); break;
#endif
#ifdef SYS_renameat
    case SYS_renameat:
#endif
    case SYS_renameat2: result = do_rename(nr, (int)a[0], (char *)a[1], (int)a[2], (char *)a[3], a); break;
    case SYS_openat: result = do_open(nr, (int)a[0], (char *)a[1], a[2], a[3], a); break;
    case SYS_write: result = do_write((int)a[0], (char *)a[1], a[2], -1); break;
    case SYS_pwrite64: result = do_write((int)a[0], (char *)a[1], a[2], a[3]); break;
    case SYS_writev: result = do_writev((int)a[0], (struct iovec *)a[1], a[2], -1); break;
    case SYS_pwritev: result = do_writev((int)a[0], (struct iovec *)a[1], a[2], a[3]); break;
    case SYS_ftruncate: result = do_truncate((int)a[0], a[1]); break;
    case SYS_fsync:
    case SYS_fdatasync: result = do_sync(nr, (int)a[0]); break;
    case SYS_unlinkat: result = do_name(a[2] & AT_REMOVEDIR ? RMDIR : UNLINK, nr, (int)a[0], (char *)a[1], a); break;
    case SYS_mkdirat: result = do_name(MKDIR, nr, (int)a[0], (char *)a[1], a); break;
    default: result = -ENOSYS;
    }
    RESULT(context) = result;
    errno = saved;
}

static void install_filter(void) {
    enum { COUNT = sizeof trapped / sizeof trapped[0] };
    struct sock_filter filter[COUNT + 9];
    int n = 0;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < COUNT; i++)
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)trapped[i], (uint8_t)(COUNT - i), 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5]));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)OURS, 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {(unsigned short)n, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("disk shim: seccomp");
        _exit(97);
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *value = getenv("HOOKGATE_DISK_ROOT");
    if (!value) return;
    snprintf(root, sizeof root, "%s", value);
    if ((value = getenv("HOOKGATE_DISK_ROOM"))) snprintf(room, sizeof room, "%s", value);
    if ((value = getenv("HOOKGATE_DISK_FULL_AFTER"))) full_after = atol(value);
    if ((value = getenv("HOOKGATE_DISK_SYNC_FAILS"))) sync_fails = atol(value);
    if ((value = getenv("HOOKGATE_DISK_TRACE"))) trace = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSYS, &action, 0);
    install_filter();
}
