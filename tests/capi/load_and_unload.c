/* Loads the library, opens a model, reads its weights on the library's threads and unloads it again, a
 * hundred times; no thread stays and memory stops growing. Needs MODEL and LIBRARY as arguments. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tinyai/tinyai.h>

static void Check(int good, const char *what) {
    if (good) return;
    fprintf(stderr, "failed: %s\n", what);
    exit(1);
}

static int Threads(void) {
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    Check(folder != NULL, "/proc/self/task");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static long Resident(void) {
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kilobytes = -1;
    Check(file != NULL, "/proc/self/status");
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "VmRSS:", 6) == 0) kilobytes = atol(line + 6);
    fclose(file);
    return kilobytes * 1024;
}

static void UseOnce(const char *library, const char *path) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    Check(handle != NULL, "dlopen");
    TinyAIMappedModel *(*open_model)(const char *, const TinyAIMmapConfig *);
    void (*close_model)(TinyAIMappedModel *);
    bool (*prefetch)(TinyAIMappedModel *, int);
    void *(*weights)(TinyAIMappedModel *, int);
    *(void **)&open_model = dlsym(handle, "tinyaiOpenMappedModel");
    *(void **)&close_model = dlsym(handle, "tinyaiCloseMappedModel");
    *(void **)&prefetch = dlsym(handle, "tinyaiPrefetchLayerWeights");
    *(void **)&weights = dlsym(handle, "tinyaiGetLayerWeights");
    Check(open_model && close_model && prefetch && weights, "dlsym");
    TinyAIMappedModel *model = open_model(path, NULL);
    Check(model != NULL, "tinyaiOpenMappedModel");
    Check(prefetch(model, 1), "tinyaiPrefetchLayerWeights");
    Check(weights(model, 0) != NULL && weights(model, 1) != NULL, "tinyaiGetLayerWeights");
    close_model(model);
    Check(dlclose(handle) == 0, "dlclose");
}

int main(int argc, char **argv) {
    enum { kTimes = 100, kWarm = 10, kMostGrowth = 1 << 20 };
    Check(argc == 3, "usage: load_and_unload LIBRARY MODEL");
    const int threads = Threads();
    long warm = 0;
    for (int i = 0; i < kTimes; i++) {
        UseOnce(argv[1], argv[2]);
        Check(Threads() == threads, "a thread stayed");
        if (i + 1 == kWarm) warm = Resident();
    }
    const long growth = Resident() - warm;
    printf("%d times; memory grew by %ld bytes after the first %d\n", kTimes, growth, kWarm);
    Check(growth <= kMostGrowth, "memory grows");
    return 0;
}
