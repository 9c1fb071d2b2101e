// What a power cut leaves of a file that is written atomically. The calls that write it are
// recorded; then the machine is cut off after each of them, and everything that was not made safe
// by then is lost or kept, each write to a sector and each change of a name for itself, in every
// combination where they are few. At the path there must be the old file or the whole new one.

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include <sys/stat.h>

#include "gtest/gtest.h"
#include "os/atomic_file.h"
#include "os/testing.h"

namespace tinyai {
namespace {

constexpr uint64_t kSector = 512;  // what a disk writes whole or not at all
constexpr int kFolder = -1;

// A call that changed something, or made it safe. Files have numbers.
struct Event {
  enum class Kind { kWrite, kSync, kName, kRename, kRemove } kind;
  int file = kFolder;   // kSync of kFolder: names
  uint64_t offset = 0;  // kWrite, of one sector at most
  std::string data, to, from;
};

// Real calls that are written down.
class RecordingCalls : public WriteCalls {
 public:
  int OpenUnnamed(const char* folder, int mode) override {
    if (!has_unnamed) return -EOPNOTSUPP;
    return Opened(WriteCalls::OpenUnnamed(folder, mode));
  }
  int OpenNew(const char* path, int mode) override {
    const int fd = Opened(WriteCalls::OpenNew(path, mode));
    if (fd >= 0) events.push_back({Event::Kind::kName, file_of_[fd], 0, {}, path, {}});
    return fd;
  }
  int64_t Pwrite(int fd, const void* data, uint64_t size, uint64_t offset) override {
    const int64_t done = WriteCalls::Pwrite(fd, data, size, offset);
    const auto* const bytes = static_cast<const char*>(data);
    for (uint64_t at = offset; done > 0 && at < offset + static_cast<uint64_t>(done);) {
      const uint64_t end =
          std::min((at / kSector + 1) * kSector, offset + static_cast<uint64_t>(done));
      events.push_back({Event::Kind::kWrite,
                        file_of_[fd],
                        at,
                        std::string(bytes + (at - offset), end - at),
                        {},
                        {}});
      at = end;
    }
    return done;
  }
  int Fsync(int fd) override {
    struct stat status = {};
    ::fstat(fd, &status);
    const int file = S_ISDIR(status.st_mode) ? kFolder : file_of_[fd];
    events.push_back({Event::Kind::kSync, file, 0, {}, {}, {}});
    return WriteCalls::Fsync(fd);
  }
  int Link(int fd, const char* path) override {
    const int done = WriteCalls::Link(fd, path);
    if (done == 0) events.push_back({Event::Kind::kName, file_of_[fd], 0, {}, path, {}});
    return done;
  }
  int Rename(const char* from, const char* to) override {
    events.push_back({Event::Kind::kRename, kFolder, 0, {}, to, from});
    return WriteCalls::Rename(from, to);
  }
  int Unlink(const char* path) override {
    events.push_back({Event::Kind::kRemove, kFolder, 0, {}, path, {}});
    return WriteCalls::Unlink(path);
  }

  bool has_unnamed = true;
  std::vector<Event> events;

 private:
  int Opened(int fd) {
    if (fd >= 0) file_of_[fd] = files_++;
    return fd;
  }
  std::map<int, int> file_of_;
  int files_ = 1;  // 0 is the old one
};

// What is on the disk.
struct Disk {
  std::map<std::string, int> names;
  std::map<int, std::string> files;  // bytes that were never written are zeros

  void Apply(const Event& event) {
    using Kind = Event::Kind;
    if (event.kind == Kind::kWrite) {
      std::string& file = files[event.file];
      file.resize(std::max<size_t>(file.size(), event.offset + event.data.size()));
      file.replace(event.offset, event.data.size(), event.data);
    } else if (event.kind == Kind::kName) {
      names[event.to] = event.file;
    } else if (event.kind == Kind::kRemove) {
      names.erase(event.to);
    } else if (event.kind == Kind::kRename) {
      const auto found = names.find(event.from);
      if (found == names.end()) return;  // the name it had was lost
      names[event.to] = found->second;
      names.erase(event.from);
    }
  }
  std::optional<std::string> Content(const std::string& path) const {
    const auto name = names.find(path);
    if (name == names.end()) return std::nullopt;
    const auto file = files.find(name->second);
    return file == files.end() ? std::string() : file->second;
  }
};

// Cuts the power after the first `count` events; `keeps(i)` says of what was not safe then, number
// i of it, whether the disk has it.
template <typename Keeps>
Disk Cut(Disk disk, const std::vector<Event>& events, size_t count, Keeps&& keeps) {
  const auto synced = [&](size_t at) {
    const int subject = events[at].kind == Event::Kind::kWrite ? events[at].file : kFolder;
    return std::any_of(events.begin() + static_cast<ptrdiff_t>(at),
                       events.begin() + static_cast<ptrdiff_t>(count), [&](const Event& later) {
                         return later.kind == Event::Kind::kSync && later.file == subject;
                       });
  };
  size_t unsafe = 0;
  for (size_t at = 0; at < count; ++at) {
    if (events[at].kind == Event::Kind::kSync) continue;
    if (synced(at) || keeps(unsafe++)) disk.Apply(events[at]);
  }
  return disk;
}

size_t Unsafe(const std::vector<Event>& events, size_t count) {
  size_t unsafe = 0;
  Cut({}, events, count, [&](size_t) { return ++unsafe, false; });
  return unsafe;
}

// What may be found at a path, over all cuts.
struct Found {
  std::set<std::optional<std::string>> contents;
  uint64_t disks = 0;
};
Found CutEverywhere(const Disk& before, const std::vector<Event>& events, const std::string& path) {
  constexpr size_t kAllOf = 12;  // 2^12 combinations, of more than these a sample
  constexpr uint64_t kSamples = 4096;
  std::mt19937_64 random(1);
  Found found;
  for (size_t count = 0; count <= events.size(); ++count) {
    const size_t unsafe = Unsafe(events, count);
    const bool all = unsafe <= kAllOf;
    const uint64_t disks = all ? uint64_t{1} << unsafe : kSamples;
    for (uint64_t i = 0; i < disks; ++i) {
      const auto keeps = [&](size_t number) {
        return all ? (i >> number & 1) != 0 : random() % 2 == 0;
      };
      found.contents.insert(Cut(before, events, count, keeps).Content(path));
      ++found.disks;
    }
  }
  return found;
}

// Writes `text` in pieces of `piece` bytes, the last piece first, as a header is written last.
std::vector<Event> Record(const std::string& path, const std::string& text, size_t piece,
                          bool has_unnamed) {
  RecordingCalls calls;
  calls.has_unnamed = has_unnamed;
  const auto file = AtomicFile::Create(path, {.replace = true}, calls);
  EXPECT_TRUE(file);
  const auto bytes = std::as_bytes(std::span(text));
  for (size_t at = text.size(); at > 0;) {
    const size_t size = std::min(piece, at);
    at -= size;
    EXPECT_TRUE((*file)->WriteAt(at, bytes.subspan(at, size)));
  }
  EXPECT_TRUE((*file)->Commit());
  return calls.events;
}

class PowerCut : public testing::TestWithParam<std::tuple<bool, bool, size_t>> {};

TEST_P(PowerCut, LeavesTheOldFileOrTheWholeNewOne) {
  const auto [replaces, has_unnamed, sectors] = GetParam();
  const ScratchDirectory folder;
  const std::string path = (folder.path() / "a").string();
  const std::string text = PatternBytes(sectors * kSector - 100);
  Disk before;
  if (replaces) {
    before.files[0] = "old";
    before.names[folder.Write("a", "old")] = 0;
  }
  const std::vector<Event> events = Record(path, text, 2 * kSector, has_unnamed);
  const Found found = CutEverywhere(before, events, path);
  const std::optional<std::string> old =
      replaces ? std::optional<std::string>("old") : std::nullopt;
  EXPECT_EQ(found.contents, (std::set<std::optional<std::string>>{old, text}));
  EXPECT_GT(found.disks, uint64_t{1} << sectors) << "every combination of what may be lost";
  // When Commit has returned, the new file is there whatever is lost.
  const Disk last = Cut(before, events, events.size(), [](size_t) { return false; });
  EXPECT_EQ(last.Content(path), text);
}

INSTANTIATE_TEST_SUITE_P(All, PowerCut,
                         testing::Combine(testing::Bool(), testing::Bool(),
                                          testing::Values(size_t{3}, size_t{8})));

TEST(PowerCutSimulator, AFileThatWasNotMadeSafeBeforeItGotItsNameMayBeTorn) {
  const ScratchDirectory folder;
  const std::string path = (folder.path() / "a").string(), text = PatternBytes(3 * kSector);
  std::vector<Event> events = Record(path, text, kSector, true);
  ASSERT_EQ(CutEverywhere({}, events, path).contents.size(), 2u);
  std::erase_if(events, [](const Event& event) {
    return event.kind == Event::Kind::kSync && event.file != kFolder;
  });
  // Nothing, or any of its three sectors.
  EXPECT_EQ(CutEverywhere({}, events, path).contents.size(), 1 + (1u << 3));
}

TEST(PowerCutSimulator, ANameThatWasNotMadeSafeMayBeLost) {
  const ScratchDirectory folder;
  const std::string path = (folder.path() / "a").string();
  std::vector<Event> events = Record(path, PatternBytes(100), kSector, true);
  ASSERT_EQ(events.back().kind, Event::Kind::kSync);
  events.pop_back();
  const Disk last = Cut({}, events, events.size(), [](size_t) { return false; });
  EXPECT_EQ(last.Content(path), std::nullopt);
}

}  // namespace
}  // namespace tinyai
