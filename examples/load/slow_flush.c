/* A disk that flushes slowly: loaded into a process before its C library (LD_PRELOAD), it has fsync and fdatasync take
   FLUSH_MILLISECONDS longer. `make bench FLUSH=2.4` uses it, because the rates of changes depend on the disk. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

typedef int flush(int file);

static int slowly(const char *name, int file) {
    const char *text = getenv("FLUSH_MILLISECONDS");
    double seconds = text ? atof(text) / 1000 : 0;
    struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
    flush *real = (flush *)dlsym(RTLD_NEXT, name);
    return real(file);
}

int fsync(int file) { return slowly("fsync", file); }

int fdatasync(int file) { return slowly("fdatasync", file); }
