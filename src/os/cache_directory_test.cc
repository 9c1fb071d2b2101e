#include "os/cache_directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

class CacheDirectoryTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (scratch_.path() / name).string(); }
  static size_t FilesIn(const std::string& path) {
    const std::filesystem::directory_iterator files(path);
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }
  ScratchDirectory scratch_;
};

TEST_F(CacheDirectoryTest, KeepsAFileAsAWhole) {
  const auto cache = *CacheDirectory::OpenAt(Path("tinyai"));
  EXPECT_EQ(cache.Read("rates"), std::nullopt);
  ASSERT_TRUE(cache.Write("rates", "first"));
  ASSERT_TRUE(cache.Write("rates", "second, longer"));
  EXPECT_EQ(cache.Read("rates"), "second, longer");
  EXPECT_EQ(FilesIn(cache.path()), 1u);
  struct stat status = {};
  ASSERT_EQ(::stat(cache.path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_EQ((*CacheDirectory::OpenAt(cache.path())).Read("rates"), "second, longer");
}

TEST_F(CacheDirectoryTest, IsNotUsedIfOthersMayWriteThere) {
  for (const mode_t mode : {0777, 0770, 01777}) {
    const std::string path = Path("open");
    ::mkdir(path.c_str(), 0700);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto cache = CacheDirectory::OpenAt(path);
    ASSERT_FALSE(cache);
    EXPECT_EQ(cache.error().key, "NO_CACHE");
  }
}

TEST_F(CacheDirectoryTest, IsNotUsedIfItIsAnotherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  const std::string path = Path("foreign");
  ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  ASSERT_EQ(::chown(path.c_str(), 12345, 12345), 0);
  EXPECT_FALSE(CacheDirectory::OpenAt(path));
}

TEST_F(CacheDirectoryTest, FollowsNoSymbolicLinks) {
  ASSERT_EQ(::mkdir(Path("real").c_str(), 0700), 0);
  ASSERT_EQ(::symlink("real", Path("link").c_str()), 0);
  EXPECT_FALSE(CacheDirectory::OpenAt(Path("link")));

  const auto cache = *CacheDirectory::OpenAt(Path("real"));
  const std::string secret = scratch_.Write("secret", "private");
  ASSERT_EQ(::symlink(secret.c_str(), Path("real/rates").c_str()), 0);
  EXPECT_EQ(cache.Read("rates"), std::nullopt);
  ASSERT_TRUE(cache.Write("rates", "new"));  // replaces the link, not its target
  EXPECT_EQ(cache.Read("rates"), "new");
  EXPECT_EQ(std::filesystem::file_size(secret), 7u);
}

TEST_F(CacheDirectoryTest, IgnoresFilesThatAreNotToBeTrusted) {
  const auto cache = *CacheDirectory::OpenAt(Path("tinyai"));
  ASSERT_TRUE(cache.Write("rates", "x"));
  ASSERT_EQ(::chmod((cache.path() + "/rates").c_str(), 0666), 0);
  EXPECT_EQ(cache.Read("rates"), std::nullopt);
  ASSERT_EQ(::mkfifo((cache.path() + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(cache.Read("fifo"), std::nullopt);
  ASSERT_EQ(::mkdir((cache.path() + "/directory").c_str(), 0700), 0);
  EXPECT_EQ(cache.Read("directory"), std::nullopt);
  ASSERT_TRUE(cache.Write("large", std::string(CacheDirectory::kMostBytes + 1, 'x')));
  EXPECT_EQ(cache.Read("large"), std::nullopt);
}

TEST_F(CacheDirectoryTest, LeavesNothingBehindWhenWritingFails) {
  const auto cache = *CacheDirectory::OpenAt(Path("tinyai"));
  ASSERT_EQ(::mkdir((cache.path() + "/rates").c_str(), 0700), 0);
  const Status status = cache.Write("rates", "x");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().key, "IO_WRITE");
  EXPECT_EQ(FilesIn(cache.path()), 1u);
  EXPECT_FALSE(CacheDirectory::OpenAt(Path("missing/tinyai")));
  EXPECT_FALSE(CacheDirectory::OpenAt("/proc/tinyai"));
}

// D8 of the catalogue of faults.
TEST_F(CacheDirectoryTest, OfTwoProcessesThatWriteOneFileTheLastWholeOneWins) {
  const auto cache = *CacheDirectory::OpenAt(Path("tinyai"));
  const std::string contents[] = {std::string(100'000, 'a'), std::string(50'000, 'b')};
  ASSERT_TRUE(cache.Write("rates", contents[0]));
  int writers = 0;
  for (const std::string& content : contents) {
    const pid_t writer = ::fork();
    if (writer == 0) {
      bool written = true;
      for (int i = 0; i < 200; ++i) written = cache.Write("rates", content) && written;
      ::_exit(written ? 0 : 1);
    }
    ASSERT_GT(writer, 0);
    ++writers;
  }
  while (writers > 0) {
    const std::optional<std::string> now = cache.Read("rates");
    EXPECT_TRUE(now == contents[0] || now == contents[1]);
    int status = 0;
    if (::waitpid(-1, &status, WNOHANG) <= 0) continue;
    EXPECT_EQ(status, 0);
    --writers;
  }
  EXPECT_EQ(FilesIn(cache.path()), 1u);
}

TEST_F(CacheDirectoryTest, IsFoundThroughTheEnvironment) {
  const auto with = [](const char* xdg, const char* home) {
    xdg != nullptr ? ::setenv("XDG_CACHE_HOME", xdg, 1) : ::unsetenv("XDG_CACHE_HOME");
    home != nullptr ? ::setenv("HOME", home, 1) : ::unsetenv("HOME");
    const auto cache = CacheDirectory::Open();
    return cache ? cache->path() : std::string(cache.error().key);
  };
  const std::string before = ::getenv("HOME") != nullptr ? ::getenv("HOME") : "/";
  const std::string base = scratch_.path().string();
  EXPECT_EQ(with(base.c_str(), "/nowhere"), base + "/tinyai");
  EXPECT_EQ(with("relative", base.c_str()), base + "/.cache/tinyai");
  EXPECT_EQ(with(nullptr, nullptr), "NO_CACHE");
  EXPECT_EQ(with("", "relative"), "NO_CACHE");
  EXPECT_EQ(with(nullptr, "/proc"), "NO_CACHE");
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("HOME", before.c_str(), 1);
}

}  // namespace
}  // namespace tinyai
