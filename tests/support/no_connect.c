/* Preloaded into a program that must not open connections: the first connect() to anything ends it. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int connect(int fd, const struct sockaddr* address, socklen_t size) {
  static const char kMessage[] = "connect() was called\n";
  ssize_t written = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  (void)fd, (void)address, (void)size, (void)written;
  abort();
}
