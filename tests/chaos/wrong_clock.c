/* Preloaded into a worker, so that a test can set its wall clock while it runs. libfaketime 0.9.10 cannot:
 * either sleeps fail with EINVAL, or the monotonic clock jumps too, which no real clock does.
 * The file named by WRONG_CLOCK holds how many nanoseconds the clock is ahead, as int64_t. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND_NS = 1000000000;
/* Deadlines later than this are times of the epoch: no machine has been up for thirty years. */
static const int64_t EPOCH_TIMES_S = 1000000000;
static volatile const int64_t *ahead_ns;
static int (*real_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("WRONG_CLOCK");
  int file = path ? open(path, O_RDONLY) : -1;
  void *shared = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead_ns, PROT_READ, MAP_SHARED, file, 0);
  if (shared != MAP_FAILED) ahead_ns = shared;
  if (file >= 0) close(file);
  real_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  if (!real_timedwait) real_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
}

static void shift(struct timespec *at, int64_t by_ns) {
  int64_t ns = at->tv_sec * SECOND_NS + at->tv_nsec + by_ns;
  at->tv_sec = ns / SECOND_NS;
  at->tv_nsec = ns % SECOND_NS;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  int failed = syscall(SYS_clock_gettime, clock, at);
  if (!failed && ahead_ns && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(at, *ahead_ns);
  return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

/* A deadline was computed with the wrong clock, and the kernel waits by the right one. */
int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  struct timespec right = *until;
  if (ahead_ns && right.tv_sec > EPOCH_TIMES_S) shift(&right, -*ahead_ns);
  return real_timedwait(condition, mutex, &right);
}
