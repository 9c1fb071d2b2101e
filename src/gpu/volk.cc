// The one place where volk's functions are compiled: they load libvulkan.so.1 when first asked, so
// a machine without it runs everything else.
#define VOLK_IMPLEMENTATION
#include <volk.h>
