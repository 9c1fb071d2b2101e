#include "os/folder.h"

#include <filesystem>

#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

namespace fs = std::filesystem;

TEST(Folder, LinksCountAsFarAsTheyStayInside) {
  const ScratchDirectory scratch;
  const fs::path folder = scratch.path() / "model";
  fs::create_directory(folder);
  scratch.Write("model/file", "1");
  scratch.Write("outside", "2");
  fs::create_symlink("file", folder / "link");
  fs::create_symlink("../outside", folder / "leaves");
  fs::create_symlink("/etc/passwd", folder / "absolute");
  fs::create_symlink("loop", folder / "loop");
  fs::create_symlink("nothing", folder / "dangling");
  EXPECT_TRUE(IsFolder(folder.string()));
  EXPECT_FALSE(IsFolder((folder / "file").string()));
  EXPECT_FALSE(IsFolder((folder / "nothing").string()));
  const auto look = [&](const std::string& name) { return LookInFolder(folder.string(), name); };
  EXPECT_EQ(look("file"), FolderEntry::kFile);
  EXPECT_EQ(look("link"), FolderEntry::kFile);
  EXPECT_EQ(look("leaves"), FolderEntry::kOutside);
  EXPECT_EQ(look("absolute"), FolderEntry::kOutside);
  EXPECT_EQ(look("loop"), FolderEntry::kMissing);
  EXPECT_EQ(look("dangling"), FolderEntry::kMissing);
  EXPECT_EQ(look("nothing"), FolderEntry::kMissing);
}

TEST(Folder, TheCacheOfHuggingFaceIsOnePlace) {
  const ScratchDirectory scratch;
  const fs::path snapshot = scratch.path() / "models--a--b/snapshots/0123";
  fs::create_directories(snapshot);
  fs::create_directories(scratch.path() / "models--a--b/blobs");
  scratch.Write("models--a--b/blobs/abcd", "weights");
  scratch.Write("models--a--b/other", "no weights");
  fs::create_symlink("../../blobs/abcd", snapshot / "model.safetensors");
  fs::create_symlink("../../other", snapshot / "config.json");
  EXPECT_EQ(LookInFolder(snapshot.string(), "model.safetensors"), FolderEntry::kFile);
  EXPECT_EQ(LookInFolder(snapshot.string(), "config.json"), FolderEntry::kOutside);
}

}  // namespace
}  // namespace tinyai
