/* Preloaded into a program that must not reach out. From before main() on, the kernel ends it (SIGSYS) with the first
   system call, of whichever library or thread, that could: connect() of any socket, sending to an address, sockets of
   the internet other than TCP's (a name server is asked through UDP), TCP's sending before connecting, io_uring (which
   does all of that without system calls). Accepting connections and answering on them stays possible. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the filter knows the system calls of x86-64 and 64-bit Arm"
#endif

/* The low half of an argument; both processors are little-endian. */
#define ARGUMENT(number) (offsetof(struct seccomp_data, args) + 8 * (number))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define SKIP_UNLESS(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (count))
#define SKIP_IF(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (count), 0)
#define SKIP_UNLESS_BITS(bits, count) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 0, (count))
#define AND(bits) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (bits))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define NUMBER LOAD(offsetof(struct seccomp_data, nr))

__attribute__((constructor)) static void ForbidOutgoing(void) {
  struct sock_filter filter[] = {
      LOAD(offsetof(struct seccomp_data, arch)),
      SKIP_IF(ARCHITECTURE, 1),
      KILL,
      NUMBER,
      SKIP_UNLESS(__NR_connect, 1),
      KILL,
      SKIP_UNLESS(__NR_io_uring_setup, 1),
      KILL,
      /* sendto(fd, bytes, size, flags, address, size) */
      SKIP_UNLESS(__NR_sendto, 7),
      LOAD(ARGUMENT(4)),
      SKIP_IF(0, 1),
      KILL,
      LOAD(ARGUMENT(3)),
      SKIP_UNLESS_BITS(MSG_FASTOPEN, 1),
      KILL,
      ALLOW,
      /* sendmsg(fd, message, flags), whose message may hold an address: of TCP's sockets it means nothing else. */
      SKIP_UNLESS(__NR_sendmsg, 4),
      LOAD(ARGUMENT(2)),
      SKIP_UNLESS_BITS(MSG_FASTOPEN, 1),
      KILL,
      ALLOW,
      /* socket(domain, type, protocol) */
      SKIP_UNLESS(__NR_socket, 8),
      LOAD(ARGUMENT(0)),
      SKIP_IF(AF_INET, 2),
      SKIP_IF(AF_INET6, 1),
      ALLOW,
      LOAD(ARGUMENT(1)),
      AND(15), /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
      SKIP_IF(SOCK_STREAM, 1),
      KILL,
      ALLOW,
  };
  struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    fprintf(stderr, "cannot forbid outgoing connections: %s\n", strerror(errno));
    abort();
  }
}
