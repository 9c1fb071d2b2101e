#include <cstdint>
#include <cstdlib>

// A Vulkan driver that crashes as soon as the loader greets it: for tests.
extern "C" [[gnu::visibility("default")]] int32_t vk_icdNegotiateLoaderICDInterfaceVersion(
    uint32_t* version) {
  *version = 5;
  std::abort();
}
