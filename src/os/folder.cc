#include "os/folder.h"

#include <filesystem>
#include <system_error>

namespace tinyai {
namespace {

namespace fs = std::filesystem;

bool IsInside(const fs::path& path, const fs::path& folder) { return path.parent_path() == folder; }

}  // namespace

bool IsFolder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

FolderEntry LookInFolder(const std::string& folder, const std::string& name) {
  std::error_code error;
  const fs::path entry = fs::path(folder) / name;
  const fs::file_status own = fs::symlink_status(entry, error);
  if (error || own.type() == fs::file_type::not_found) return FolderEntry::kMissing;
  if (own.type() != fs::file_type::symlink) return FolderEntry::kFile;
  const fs::path target = fs::canonical(entry, error);
  if (error) return FolderEntry::kMissing;  // a link to nothing, or a loop
  const fs::path home = fs::canonical(folder, error);
  if (error) return FolderEntry::kMissing;
  const bool in_cache = home.parent_path().filename() == "snapshots" &&
                        IsInside(target, home.parent_path().parent_path() / "blobs");
  return IsInside(target, home) || in_cache ? FolderEntry::kFile : FolderEntry::kOutside;
}

}  // namespace tinyai
