#include "os/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

std::string Read(const File& file, uint64_t offset, uint64_t size) {
  std::string bytes(size, '\0');
  const Status status = file.ReadAt(offset, std::as_writable_bytes(std::span(bytes)));
  EXPECT_TRUE(status) << Describe(status.error());
  return bytes;
}

std::string_view KeyOfRead(const File& file, uint64_t offset, uint64_t size) {
  std::string bytes(size, '\0');
  const Status status = file.ReadAt(offset, std::as_writable_bytes(std::span(bytes)));
  return status ? "" : status.error().key;
}

void ExpectNotOpened(const std::string& path) {
  const auto start = std::chrono::steady_clock::now();
  const auto file = File::Open(path);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1)) << path;
  ASSERT_FALSE(file) << path;
  EXPECT_EQ(file.error().key, "OPEN");
  EXPECT_EQ(file.error().code, ErrorCode::kIo);
  EXPECT_EQ(file.error().file, path);
}

TEST(File, MayBeInMemoryOnly) {
  const std::string bytes = PatternBytes(10'000);
  const Result<std::unique_ptr<File>> file =
      File::InMemory("label", std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(file) << Describe(file.error());
  EXPECT_EQ((*file)->path(), "label");
  EXPECT_EQ((*file)->size(), bytes.size());
  EXPECT_EQ((*file)->disk_path(), "");
  std::string out(5000, '\0');
  ASSERT_TRUE((*file)->ReadAt(3333, std::as_writable_bytes(std::span(out))));
  EXPECT_EQ(out, bytes.substr(3333, 5000));
  EXPECT_TRUE((*file)->CheckUnchanged());
}

TEST(File, RefusesAtOnceWhatIsNotARegularFile) {
  const ScratchDirectory scratch;
  const std::string base = scratch.path().string();
  ASSERT_EQ(::mkfifo((base + "/fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("nowhere", (base + "/broken").c_str()), 0);
  ASSERT_EQ(::symlink("loop", (base + "/loop").c_str()), 0);
  for (const char* path : {"/", "/dev/zero", "/dev/random", "/dev/null", "/dev/tty", ""}) {
    ExpectNotOpened(path);
  }
  for (const char* name : {"", "/fifo", "/broken", "/loop", "/missing", "/missing/file"}) {
    ExpectNotOpened(base + name);
  }
  ExpectNotOpened(std::string("model\0.gguf", 11));
  ExpectNotOpened(std::string(5000, 'x'));
}

TEST(File, RefusesASocket) {
  const ScratchDirectory scratch;
  const int directory = ::open(scratch.path().c_str(), O_PATH | O_DIRECTORY);
  sockaddr_un address = {};  // its path has room for 108 bytes only
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, ("/proc/self/fd/" + std::to_string(directory) + "/socket").c_str());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ExpectNotOpened(scratch.path().string() + "/socket");
  ::close(socket);
  ::close(directory);
}

TEST(File, ReportsAFileItMayNotRead) {
  FaultyCalls calls;
  calls.on_open = [](int) { return -EACCES; };
  const auto file = File::Open("/proc/self/exe", calls);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().key, "OPEN");
  EXPECT_NE(file.error().message.find("permissions"), std::string::npos);
}

TEST(File, ReportsThatNoDescriptorIsLeft) {
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto file = File::Open("/proc/self/exe");
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().key, "OPEN");
  EXPECT_NE(file.error().message.find("ulimit -n"), std::string::npos);
}

TEST(File, ReadsAnyRange) {
  const ScratchDirectory scratch;
  const std::string bytes = PatternBytes(100'000);
  const auto file = *File::Open(scratch.Write("model", bytes));
  EXPECT_EQ(file->size(), bytes.size());
  for (const auto& [offset, size] :
       {std::pair{0, 100'000}, {1, 1}, {4095, 2}, {99'999, 1}, {100'000, 0}, {12'345, 54'321}}) {
    EXPECT_EQ(Read(*file, offset, size), bytes.substr(offset, size));
  }
}

TEST(File, RefusesARangePastItsEnd) {
  const ScratchDirectory scratch;
  const auto file = *File::Open(scratch.Write("model", PatternBytes(1000)));
  EXPECT_EQ(KeyOfRead(*file, 0, 1001), "IO_READ");
  EXPECT_EQ(KeyOfRead(*file, 1001, 0), "IO_READ");
  EXPECT_EQ(KeyOfRead(*file, ~uint64_t{0}, 2), "IO_READ");
}

TEST(File, SeesAPartAsAFileOfItsOwn) {
  const ScratchDirectory scratch;
  const std::string bytes = PatternBytes(20'000);
  const std::string path = scratch.Write("program", bytes);
  const auto part = *File::OpenPart(path, 8192, 5000, "(built in)");
  EXPECT_EQ(part->path(), "(built in)");
  EXPECT_EQ(part->disk_path(), path);
  EXPECT_EQ(part->size(), 5000u);
  EXPECT_EQ(Read(*part, 10, 4990), bytes.substr(8202, 4990));
  EXPECT_EQ(KeyOfRead(*part, 1, 5000), "IO_READ");
  for (const auto& [begin, size] : {std::pair<uint64_t, uint64_t>{8192, 20'000 - 8191},
                                    {1, 1},
                                    {24'576, 0},
                                    {4096, ~uint64_t{0}}}) {
    const auto outside = File::OpenPart(path, begin, size, "(built in)");
    ASSERT_FALSE(outside) << begin;
    EXPECT_EQ(outside.error().key, "OPEN");
  }
}

TEST(File, ReadsItsOwnProgram) {
  const auto program = *File::OpenPart("/proc/self/exe", 0, 4, "(program)");
  EXPECT_EQ(Read(*program, 0, 4),
            "\x7f"
            "ELF");
  EXPECT_TRUE(program->CheckUnchanged());
}

TEST(File, ContinuesShortAndInterruptedReads) {
  const ScratchDirectory scratch;
  const std::string bytes = PatternBytes(5000);
  FaultyCalls calls;
  const auto file = *File::Open(scratch.Write("model", bytes), calls);
  calls.on_read = [](uint64_t n, int64_t result) -> int64_t {
    if (n % 3 == 0) return -EINTR;
    if (n % 3 == 1) return -EAGAIN;
    return std::min<int64_t>(result, n % 2 == 0 ? 1 : 100);
  };
  EXPECT_EQ(Read(*file, 0, 5000), bytes);
}

TEST(File, RetriesAFailedReadOnce) {
  const ScratchDirectory scratch;
  const std::string bytes = PatternBytes(5000);
  FaultyCalls calls;
  const auto file = *File::Open(scratch.Write("model", bytes), calls);
  calls.on_read = [](uint64_t n, int64_t result) { return n == 0 ? -EIO : result; };
  EXPECT_EQ(Read(*file, 0, 5000), bytes);
  calls.on_read = [](uint64_t, int64_t) { return -EIO; };
  EXPECT_EQ(KeyOfRead(*file, 7, 100), "IO_READ");
  calls.on_read = [](uint64_t, int64_t) { return -EINTR; };
  EXPECT_EQ(KeyOfRead(*file, 7, 100), "IO_READ");
  calls.on_read = nullptr;
  EXPECT_EQ(Read(*file, 0, 5000), bytes);
}

TEST(File, NoticesThatItShrank) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("model", PatternBytes(10'000));
  const auto file = *File::Open(path);
  EXPECT_TRUE(file->CheckUnchanged());
  ASSERT_EQ(::truncate(path.c_str(), 5000), 0);
  EXPECT_EQ(KeyOfRead(*file, 4000, 2000), "MODEL_CHANGED");
  EXPECT_EQ(file->CheckUnchanged().error().key, "MODEL_CHANGED");
}

TEST(File, NoticesThatItWasRewrittenOrReplaced) {
  const ScratchDirectory scratch;
  const std::string bytes = PatternBytes(10'000);
  const std::string path = scratch.Write("model", bytes);
  const auto rewritten = *File::Open(path);
  const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_EQ(rewritten->CheckUnchanged().error().key, "MODEL_CHANGED");

  const auto replaced = *File::Open(path);
  EXPECT_TRUE(replaced->CheckUnchanged());
  ASSERT_EQ(::rename(scratch.Write("new", bytes).c_str(), path.c_str()), 0);
  EXPECT_EQ(replaced->CheckUnchanged().error().key, "MODEL_CHANGED");
  EXPECT_EQ(replaced->CheckUnchanged().error().code, ErrorCode::kIo);
}

TEST(File, GivesCachedPagesBack) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("model", PatternBytes(1 << 20));
  const int fd = ::open(path.c_str(), O_RDONLY);
  ASSERT_EQ(::fsync(fd), 0);
  const auto file = *File::Open(path);
  Read(*file, 0, 1 << 20);
  Read(*file, 5000, 100'000);
  void* const map = ::mmap(nullptr, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
  std::vector<unsigned char> cached(256);
  ASSERT_EQ(::mincore(map, 1 << 20, cached.data()), 0);
  EXPECT_EQ(std::count(cached.begin(), cached.end(), 0), 256);
  ::munmap(map, 1 << 20);
  ::close(fd);
}

}  // namespace
}  // namespace tinyai
