"""The filter on system calls: those of ordinary programs are let through, all others answer "not implemented".

The kernel's surface is what a namespace sandbox leaves open, so what apps do not need is closed: new namespaces,
mounts, tracing, keys, BPF, io_uring, kernel modules, and every kind of socket but Unix, IP and netlink's (virtual
machine sockets reach the host from any network namespace). The list follows that of Docker's default profile.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import tempfile

from agentgym.errors import MissingDependencyError

INSTALL = "Install them with `pip install 'agentgym-cua[desktop]'` and `sudo apt-get install libseccomp2` (Debian)."
NAMESPACES = 0x7E020080  # CLONE_NEWUSER, NEWPID, NEWNET, NEWIPC, NEWUTS, NEWNS, NEWCGROUP and NEWTIME
SOCKET_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
PERSONALITIES = (0x0, 0xFFFFFFFF)  # Linux itself, and the question which one it is
REFUSED = """
unshare setns mount umount2 pivot_root chroot ptrace process_vm_readv process_vm_writev keyctl add_key request_key bpf
perf_event_open userfaultfd
""".split()  # noqa: SIM905 (a quarter of the length)

ALLOWED = """
accept accept4 access alarm arch_prctl bind brk cachestat capget capset chdir chmod chown clock_getres clock_gettime
clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr
fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv futex_wake futimesat
get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername
getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
getsockopt gettid gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl
ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lgetxattr link linkat
listen listxattr llistxattr lremovexattr lseek lsetxattr lstat madvise membarrier memfd_create mincore mkdir mkdirat
mknod mknodat mlock mlock2 mlockall mmap mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink
mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open
openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64
preadv preadv2 pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg
remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
semtimedop sendfile sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid
setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid
setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 socketpair splice stat statfs statx symlink
symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat utime
utimensat utimes vfork vmsplice wait4 waitid write writev
""".split()  # noqa: SIM905 (a quarter of the length)


@functools.cache
def program() -> bytes:
    """Return the filter as the kernel reads it.

    Raises:
        MissingDependencyError: libseccomp or its Python binding is not installed.
    """
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingDependencyError(f"A desktop needs pyseccomp and libseccomp: {error}. {INSTALL}") from error
    refused = pyseccomp.ERRNO(errno.EPERM)
    rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.ENOSYS))
    for name in ALLOWED:
        try:
            number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
        except ValueError:
            continue  # an older libseccomp, or another processor, does not know it
        if number >= 0:
            rules.add_rule(pyseccomp.ALLOW, name)
    # clone3 keeps its flags where no filter can read them: not implemented, so that the C library takes clone.
    rules.add_rule(pyseccomp.ALLOW, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, NAMESPACES, 0))
    for family in SOCKET_FAMILIES:
        rules.add_rule(pyseccomp.ALLOW, "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    for personality in PERSONALITIES:
        rules.add_rule(pyseccomp.ALLOW, "personality", pyseccomp.Arg(0, pyseccomp.EQ, personality))
    # Its own limits alone: another's, such as those of process 1, would be a way to end it.
    rules.add_rule(pyseccomp.ALLOW, "prlimit64", pyseccomp.Arg(0, pyseccomp.EQ, 0))
    for name in REFUSED:
        rules.add_rule(refused, name)  # programs that try them expect to be refused
    with tempfile.TemporaryFile() as exported:
        rules.export_bpf(exported)
        exported.seek(0, os.SEEK_SET)
        return exported.read()


def profile() -> bytes:
    """Return the same filter as container engines read it (the OCI runtime specification's ``linux.seccomp``)."""
    rules: list[dict[str, object]] = [
        {"names": ALLOWED, "action": "SCMP_ACT_ALLOW"},
        {"names": REFUSED, "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
    ]
    for name, at, values in (
        ("socket", 0, SOCKET_FAMILIES),
        ("personality", 0, PERSONALITIES),
        ("prlimit64", 0, (0,)),
    ):
        for value in values:
            argument = {"index": at, "value": value, "op": "SCMP_CMP_EQ"}
            rules.append({"names": [name], "action": "SCMP_ACT_ALLOW", "args": [argument]})
    argument = {"index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    rules.append({"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [argument]})
    made = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno.ENOSYS, "syscalls": rules}
    return json.dumps(made).encode()
