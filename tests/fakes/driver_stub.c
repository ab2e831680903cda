/* An NVIDIA driver as far as spinn-edge asks it: which GPU is here. It runs nothing. */
#include <stdlib.h>
#include <string.h>

static int number(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}

int cuInit(unsigned flags) {
    (void)flags;
    return number("STUB_CUINIT", 0);
}

int cuDeviceGetCount(int *count) {
    *count = number("STUB_DEVICES", 1);
    return 0;
}

int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return 0;
}

int cuDeviceGetName(char *name, int size, int device) {
    (void)device;
    strncpy(name, "Stub GPU", size);
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    int sm = number("STUB_SM", 86);
    *value = attribute == 75 ? sm / 10 : attribute == 76 ? sm % 10 : 0;
    return 0;
}

int cuDriverGetVersion(int *version) {
    *version = 13000;
    return 0;
}
