#include "os/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::set<std::string> Names(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

// Makes one call return an error, or ends the process at it.
class FailingCalls : public WriteCalls {
 public:
  int OpenUnnamed(const char* folder, int mode) override {
    if (!has_unnamed) return -EOPNOTSUPP;
    return Do("open", [&] { return WriteCalls::OpenUnnamed(folder, mode); });
  }
  int OpenNew(const char* path, int mode) override {
    return Do("create", [&] { return WriteCalls::OpenNew(path, mode); });
  }
  int64_t Pwrite(int fd, const void* data, uint64_t size, uint64_t offset) override {
    const uint64_t most = short_writes ? std::min<uint64_t>(size, 100) : size;
    if (interrupt && ++calls_ % 2 == 0) return -EINTR;
    return Do("write", [&] { return WriteCalls::Pwrite(fd, data, most, offset); });
  }
  int Fsync(int fd) override {
    struct stat status = {};
    ::fstat(fd, &status);
    const std::string name = S_ISDIR(status.st_mode) ? "sync folder" : "sync";
    return Do(name, [&] { return WriteCalls::Fsync(fd); });
  }
  int Link(int fd, const char* path) override {
    return Do("link", [&] { return WriteCalls::Link(fd, path); });
  }
  int Rename(const char* from, const char* to) override {
    return Do("rename", [&] { return WriteCalls::Rename(from, to); });
  }
  int Unlink(const char* path) override {
    return Do("unlink", [&] { return WriteCalls::Unlink(path); });
  }

  bool has_unnamed = true, short_writes = false, interrupt = false;
  int fail_at = -1, error = EIO;  // the call that fails
  bool dies = false;              // there
  std::vector<std::string> done;

 private:
  template <typename Call>
  auto Do(const std::string& name, Call call) -> decltype(call()) {
    if (static_cast<int>(done.size()) == fail_at) {
      if (dies) ::_exit(9);
      done.push_back(name + " fails");
      return -error;
    }
    done.push_back(name);
    return call();
  }
  int calls_ = 0;
};

Status WriteIt(const std::string& path, const std::string& text, bool replace, WriteCalls& calls) {
  TRY_ASSIGN(const std::unique_ptr<AtomicFile> file,
             AtomicFile::Create(path, {.replace = replace}, calls));
  const auto bytes = std::as_bytes(std::span(text));
  TRY(file->WriteAt(bytes.size() / 2, bytes.subspan(bytes.size() / 2)));
  TRY(file->WriteAt(0, bytes.first(bytes.size() / 2)));
  return file->Commit();
}

TEST(AtomicFile, TakesItsNameWhenItIsWhole) {
  const ScratchDirectory folder;
  const std::string path = (folder.path() / "a.tmai").string();
  FailingCalls calls;
  ASSERT_TRUE(WriteIt(path, PatternBytes(1000), false, calls));
  EXPECT_EQ(Content(path), PatternBytes(1000));
  const std::vector<std::string> order = {"open", "write", "write", "sync", "link", "sync folder"};
  EXPECT_EQ(calls.done, order);
  EXPECT_EQ(Names(folder.path()), std::set<std::string>{"a.tmai"});
}

TEST(AtomicFile, WithoutCommitNothingIsLeft) {
  const ScratchDirectory folder;
  for (const bool has_unnamed : {true, false}) {
    FailingCalls calls;
    calls.has_unnamed = has_unnamed;
    Result<std::unique_ptr<AtomicFile>> file =
        AtomicFile::Create((folder.path() / "a").string(), {}, calls);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->WriteAt(0, std::as_bytes(std::span(std::string_view("text")))));
    file->reset();
    EXPECT_EQ(Names(folder.path()), std::set<std::string>{});
  }
}

TEST(AtomicFile, WhatIsThereIsOnlyReplacedOnRequest) {
  const ScratchDirectory folder;
  const std::string path = folder.Write("a", "old");
  const Status refused = WriteIt(path, "new", false, WriteCalls::Real());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().key, "OUTPUT_EXISTS");
  EXPECT_EQ(Content(path), "old");
  for (const bool has_unnamed : {true, false}) {
    FailingCalls calls;
    calls.has_unnamed = has_unnamed;
    ASSERT_TRUE(WriteIt(path, fmt::format("new {}", has_unnamed), true, calls));
    EXPECT_EQ(Content(path), fmt::format("new {}", has_unnamed));
    EXPECT_EQ(Names(folder.path()), std::set<std::string>{"a"});
  }
}

TEST(AtomicFile, TheInputIsNeverTheTarget) {
  const ScratchDirectory folder;
  const std::string path = folder.Write("in", "model");
  std::filesystem::create_hard_link(path, folder.path() / "hard");
  std::filesystem::create_symlink("in", folder.path() / "soft");
  const Result<std::unique_ptr<File>> input = File::Open(path);
  ASSERT_TRUE(input);
  const std::vector<const File*> inputs = {input->get()};
  for (const std::string name : {"in", "hard", "soft"}) {
    const auto file =
        AtomicFile::Create((folder.path() / name).string(), {.replace = true, .inputs = inputs});
    ASSERT_FALSE(file) << name;
    EXPECT_EQ(file.error().key, "OUTPUT_IS_INPUT");
  }
  EXPECT_EQ(Content(path), "model");
}

TEST(AtomicFile, TargetsThatCannotBe) {
  const ScratchDirectory folder;
  ASSERT_EQ(::mkfifo((folder.path() / "fifo").c_str(), 0600), 0);
  for (const std::filesystem::path& path : {folder.path(), folder.path() / "fifo"}) {
    const auto file = AtomicFile::Create(path.string(), {.replace = true});
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().key, "OUTPUT_TARGET");
  }
  const auto nowhere = AtomicFile::Create((folder.path() / "no/where").string(), {});
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().key, "IO_WRITE");
  const auto large =
      AtomicFile::Create((folder.path() / "large").string(), {.bytes = uint64_t{1} << 62});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().key, "IO_WRITE");
  EXPECT_NE(large.error().message.find("free"), std::string::npos);
}

TEST(AtomicFile, ShortAndInterruptedWritesAreContinued) {
  const ScratchDirectory folder;
  FailingCalls calls;
  calls.short_writes = calls.interrupt = true;
  const std::string path = (folder.path() / "a").string();
  ASSERT_TRUE(WriteIt(path, PatternBytes(1234), false, calls));
  EXPECT_EQ(Content(path), PatternBytes(1234));
}

// Of every call but those that only clean up.
TEST(AtomicFile, EveryCallThatFailsIsAnErrorAndLeavesWhatWasThere) {
  for (const bool has_unnamed : {true, false}) {
    for (const int error : {EIO, ENOSPC, EDQUOT, EFBIG, EROFS}) {
      for (int k = 0;; ++k) {
        const ScratchDirectory folder;
        const std::string path = folder.Write("a", "old");
        FailingCalls calls;
        calls.has_unnamed = has_unnamed;
        calls.error = error;
        calls.fail_at = k;
        const Status written = WriteIt(path, "new", true, calls);
        if (k >= static_cast<int>(calls.done.size())) break;
        const std::string& failed = calls.done[static_cast<size_t>(k)];
        EXPECT_FALSE(written) << failed;
        // Once it has the name, it is whole, whether or not the name is known to be safe.
        EXPECT_EQ(Content(path), failed == "sync folder fails" ? "new" : "old") << failed;
        EXPECT_EQ(Names(folder.path()), std::set<std::string>{"a"}) << failed;
      }
    }
  }
}

// As kill -9 would: the path is old or new, and the next start leaves nothing else.
TEST(AtomicFile, AProcessThatDiesAtAnyCallLeavesOldOrNew) {
  for (const bool has_unnamed : {true, false}) {
    bool finished = false;
    for (int k = 0; !finished; ++k) {
      const ScratchDirectory folder;
      const std::string path = folder.Write("a", "old");
      const pid_t child = ::fork();
      if (child == 0) {
        FailingCalls calls;
        calls.has_unnamed = has_unnamed;
        calls.fail_at = k;
        calls.dies = true;
        ::_exit(WriteIt(path, "new", true, calls) ? 0 : 1);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      finished = WEXITSTATUS(status) == 0;
      ASSERT_TRUE(finished || WEXITSTATUS(status) == 9) << k;
      EXPECT_TRUE(Content(path) == "old" || Content(path) == "new") << k;
      ASSERT_TRUE(WriteIt(path, "newer", true, WriteCalls::Real()));
      EXPECT_EQ(Content(path), "newer");
      EXPECT_EQ(Names(folder.path()), std::set<std::string>{"a"}) << k;
    }
  }
}

}  // namespace
}  // namespace tinyai
