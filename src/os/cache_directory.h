#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/unique_fd.h"

namespace tinyai {

// The directory for small files that may be lost at any time: $XDG_CACHE_HOME/tinyai, else
// ~/.cache/tinyai. Used only if it belongs to this user and nobody else may write there; the same
// holds for each file. Nothing is followed through a symbolic link. A file is replaced as a whole,
// so that of two writers the last one wins and no reader sees a part.
class CacheDirectory {
 public:
  static constexpr size_t kMostBytes = 1 << 20;

  // Makes the directory if need be. Error NO_CACHE (I/O) says why there is none; the caller goes
  // on without.
  static Result<CacheDirectory> Open();
  static Result<CacheDirectory> OpenAt(const std::string& path);

  const std::string& path() const { return path_; }
  // `name` has no slash. Nothing if the file is missing, too large or not to be trusted.
  std::optional<std::string> Read(const std::string& name) const;
  // Error IO_WRITE; the old file is untouched then.
  Status Write(const std::string& name, std::string_view bytes) const;

 private:
  std::string path_;
  UniqueFd directory_;
};

}  // namespace tinyai
