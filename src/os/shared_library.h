#pragma once

#include <string>

#include "base/result.h"

namespace tinyai {

// A part of the program that is loaded only when it is needed, so that runs without it do not pay
// its memory; or a library that the user names. It stays loaded to the end of the process:
// functions it gave stay valid.
class SharedLibrary {
 public:
  // `name` has no slash; it is looked for where the program says that its parts lie (its run path),
  // then where the system looks. Error LIBRARY_MISSING (unsupported) with the loader's reason.
  static Result<SharedLibrary> Open(const std::string& name);
  // The file at `path`, and no other one. Loading it runs what it wants to be run then.
  static Result<SharedLibrary> OpenFile(const std::string& path);

  // The function or variable `symbol`. Error LIBRARY_MISSING if the library does not have it.
  Result<void*> Find(const std::string& symbol) const;

 private:
  SharedLibrary(std::string name, void* handle) : name_(std::move(name)), handle_(handle) {}

  std::string name_;
  void* handle_;
};

}  // namespace tinyai
