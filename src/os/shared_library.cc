#include "os/shared_library.h"

#include <dlfcn.h>

namespace tinyai {
namespace {

// The loader's last reason, which names the library.
tl::unexpected<Error> Missing(const std::string& name) {
  const char* reason = dlerror();
  return Fail(ErrorCode::kUnsupported, "LIBRARY_MISSING",
              reason != nullptr ? std::string(reason) : name + ": not found");
}

}  // namespace

Result<SharedLibrary> SharedLibrary::Open(const std::string& name) {
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return Missing(name);
  return SharedLibrary(name, handle);
}

Result<SharedLibrary> SharedLibrary::OpenFile(const std::string& path) {
  return Open(path.find('/') == std::string::npos ? "./" + path : path);
}

Result<void*> SharedLibrary::Find(const std::string& symbol) const {
  dlerror();  // forgets an older failure
  void* address = dlsym(handle_, symbol.c_str());
  if (address == nullptr) return Missing(name_);
  return address;
}

}  // namespace tinyai
