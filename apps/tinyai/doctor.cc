#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/escape.h"
#include "base/units.h"
#include "command.h"
#include "doctor_costs.h"
#include "engine/measure_compute.h"
#include "fmt/format.h"
#include "json.h"
#include "kernel/isa.h"
#include "os/cache_directory.h"
#include "os/cpu_mask.h"
#include "os/incompressible.h"
#include "os/machine.h"
#include "os/measure.h"
#include "os/measure_scratch.h"
#include "os/process_stats.h"
#include "os/rates_cache.h"
#include "os/signals.h"
#include "os/unique_fd.h"
#include "session_flags.h"
#include "stop_watcher.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostMemoryBlock = 256 * kMiB;
constexpr uint64_t kScratchBytes = 128 * kMiB;
constexpr uint64_t kRequestBytes = 4096;
constexpr uint32_t kRequests = 64;
constexpr std::chrono::milliseconds kMeasureTime(500);

Status Stopped() { return Fail(ErrorCode::kCancelled, "CANCELLED", "stopped by a signal"); }

tl::unexpected<Error> CannotWrite(const std::string& path) {
  return FailAt(ErrorCode::kIo, "IO_WRITE", std::strerror(errno), path);
}

// Fills the file with what is measured with.
Status WriteScratch(const UniqueFd& fd, const std::string& path) {
  std::vector<std::byte> block(kMiB);
  uint64_t state = 1;
  for (uint64_t done = 0; done < kScratchBytes; done += kMiB) {
    FillIncompressible(block, state);
    if (::write(fd.get(), block.data(), kMiB) != static_cast<ssize_t>(kMiB)) {
      return CannotWrite(path);
    }
    if (StopSignal() != 0) return Stopped();
  }
  return ::fsync(fd.get()) == 0 ? Status() : CannotWrite(path);
}

// A file of random bytes in `directory`, gone from there already.
Result<std::unique_ptr<File>> OpenScratchFile(std::string_view directory) {
  std::string path = fmt::format("{}/tinyai-doctor-XXXXXX", directory);
  const UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (fd.get() < 0) return CannotWrite(path);
  const Status written = WriteScratch(fd, path);
  Result<std::unique_ptr<File>> file = File::Open(path);
  ::unlink(path.c_str());
  TRY(written);
  return file;
}

// A file to measure the disk with, and what it is: a temporary one, or where none can be written
// the program itself.
struct DiskFile {
  std::unique_ptr<File> file;
  std::string name;
};

Result<DiskFile> OpenDiskFile() {
  const char* const chosen = std::getenv("TMPDIR");
  for (const char* const directory : {chosen == nullptr ? "" : chosen, "/var/tmp", "/tmp"}) {
    if (*directory == '\0') continue;
    Result<std::unique_ptr<File>> file = OpenScratchFile(directory);
    if (StopSignal() != 0) return tl::unexpected<Error>(Stopped().error());
    if (file) return DiskFile{std::move(*file), fmt::format("temporary file in {}", directory)};
  }
  TRY_ASSIGN(std::unique_ptr<File> file, File::Open("/proc/self/exe"));
  return DiskFile{std::move(file), "this program's file"};
}

// What was measured, and on what.
struct Findings {
  MachineFacts facts;
  Machine machine;
  std::vector<std::string> isas;
  std::string isa;
  std::string disk_file;
  std::vector<DiskRate> disks;
  std::optional<ScratchRate> scratch;  // nothing where none can be written
  Rates rates, alone;                  // of all threads; what one of them reaches
  uint64_t program_bytes = 0;          // resident before anything was done
  std::string cache;                   // where the rates were left; empty: nowhere
};

std::string PerSecond(double bytes) { return FormatByteSize(static_cast<uint64_t>(bytes)) + "/s"; }

std::string Limit(uint64_t bytes) {
  return bytes == 0 || bytes == ~uint64_t{0} ? "none" : FormatByteSize(bytes);
}

std::string Line(std::string_view name, std::string_view text) {
  return fmt::format("{:14} {}\n", name, text);
}

std::string Describe(const Findings& findings) {
  const MachineFacts& facts = findings.facts;
  const Cgroup& cgroup = facts.cgroup;
  std::string out =
      Line("cpu", fmt::format("{}, {} cores, {} CPUs", facts.cpu_model, facts.cores, facts.cpus));
  out += Line("instructions",
              fmt::format("{} used, of {}", findings.isa, fmt::join(findings.isas, ", ")));
  out += Line("memory", fmt::format("{}, {} free", FormatByteSize(findings.machine.memory_bytes),
                                    FormatByteSize(findings.machine.available_bytes)));
  out += Line("cgroup",
              cgroup.version == 0
                  ? "no memory controller"
                  : fmt::format("v{} {}: memory limit {}, CPU limit {}", cgroup.version,
                                cgroup.path, Limit(cgroup.memory_limit_bytes),
                                cgroup.cpus == 0 ? "none" : fmt::format("{:.3g}", cgroup.cpus)));
  out += Line("limits", fmt::format("locked memory {}, address space {}, overcommit mode {}",
                                    Limit(facts.memlock_limit_bytes),
                                    Limit(facts.address_space_limit_bytes), facts.overcommit_mode));
  out += Line("huge pages",
              facts.transparent_huge_pages.empty() ? "none" : facts.transparent_huge_pages);
  out += Line("io_uring", facts.io_uring ? "works" : "not allowed here");
  out += Line("kernel", facts.kernel);
  out += Line("this program",
              fmt::format("{} resident at start", FormatByteSize(findings.program_bytes)));
  out += '\n';
  out += Line("memory reads", PerSecond(findings.rates.memory_bytes_per_second));
  out += Line("products", fmt::format("{}, and {:.1f} us each",
                                      PerSecond(findings.rates.product_bytes_per_second),
                                      findings.rates.meeting_seconds * 1e6));
  out += Line("compute",
              fmt::format("{:.3g} multiply-adds/s", findings.rates.compute_macs_per_second));
  if (findings.machine.threads > 1) {
    out += Line("one thread", fmt::format("memory reads {}, products {}, {:.3g} multiply-adds/s",
                                          PerSecond(findings.alone.memory_bytes_per_second),
                                          PerSecond(findings.alone.product_bytes_per_second),
                                          findings.alone.compute_macs_per_second));
  }
  for (const DiskRate& rate : findings.disks) {
    out += Line(fmt::format("disk, {}", Name(rate.path)),
                fmt::format("{} ({})", PerSecond(rate.bytes_per_second),
                            EscapeControl(findings.disk_file)));
  }
  out += Line("disk request", fmt::format("{:.0f} us", findings.rates.request_seconds * 1e6));
  if (findings.scratch) {
    out += Line("scratch file", fmt::format("{} written, {} read",
                                            PerSecond(findings.scratch->write_bytes_per_second),
                                            PerSecond(findings.scratch->read_bytes_per_second)));
  }
  return out;
}

Json ToJson(const Findings& findings) {
  const MachineFacts& facts = findings.facts;
  Json out;
  out["cpu"] = facts.cpu_model;
  out["cores"] = facts.cores;
  out["cpus"] = facts.cpus;
  out["isa"] = findings.isa;
  out["isas"] = findings.isas;
  out["memory_bytes"] = findings.machine.memory_bytes;
  out["available_bytes"] = findings.machine.available_bytes;
  out["cgroup"] = {{"version", facts.cgroup.version},
                   {"path", facts.cgroup.path},
                   {"memory_limit_bytes", facts.cgroup.memory_limit_bytes},
                   {"memory_used_bytes", facts.cgroup.memory_used_bytes},
                   {"cpus", facts.cgroup.cpus}};
  out["huge_pages"] = facts.transparent_huge_pages;
  out["io_uring"] = facts.io_uring;
  out["kernel"] = facts.kernel;
  out["memlock_limit_bytes"] = facts.memlock_limit_bytes;
  out["address_space_limit_bytes"] = facts.address_space_limit_bytes;
  out["overcommit_mode"] = facts.overcommit_mode;
  out["program_bytes"] = findings.program_bytes;
  out["memory_bytes_per_second"] = findings.rates.memory_bytes_per_second;
  out["product_bytes_per_second"] = findings.rates.product_bytes_per_second;
  out["meeting_seconds"] = findings.rates.meeting_seconds;
  out["compute_macs_per_second"] = findings.rates.compute_macs_per_second;
  out["one_thread"] = {{"memory_bytes_per_second", findings.alone.memory_bytes_per_second},
                       {"product_bytes_per_second", findings.alone.product_bytes_per_second},
                       {"meeting_seconds", findings.alone.meeting_seconds},
                       {"compute_macs_per_second", findings.alone.compute_macs_per_second}};
  out["request_seconds"] = findings.rates.request_seconds;
  out["disk_file"] = findings.disk_file;
  Json& disks = out["disk_bytes_per_second"] = Json::object();
  for (const DiskRate& rate : findings.disks)
    disks[std::string(Name(rate.path))] = rate.bytes_per_second;
  if (findings.scratch) {
    out["spill_bytes_per_second"] = findings.scratch->write_bytes_per_second;
    out["fetch_bytes_per_second"] = findings.scratch->read_bytes_per_second;
  }
  out["cache"] = findings.cache.empty() ? Json() : Json(findings.cache);
  return out;
}

// `tinyai doctor`: what this machine has, and how fast it is.
class DoctorCommand : public Command {
 public:
  void AddFlags(Flags& flags) override {
    model_.AddTo(flags);
    flags.Text("--cost", "FILE",
               "instead measure what the ops of programs, fences and syncs take, and write a cost "
               "file for compile",
               &costs_.cost);
    flags.Text("--device", "FILE", "with --cost, the machine; else CPU and GPU", &costs_.device);
    flags.Text("--gpu", "NAME",
               "with --cost, the GPU: a UUID, a number, a part of its name; none: threads",
               &costs_.gpu);
  }

  Result<int> Run(Console& console) override {
    TRY_ASSIGN(const std::unique_ptr<StopWatcher> watcher, StopWatcher::Start());
    if (costs_.cost || costs_.device || costs_.gpu) {
      TRY(WriteCostFile(costs_, console));
      return 0;
    }
    Findings findings;
    findings.program_bytes = ReadProcessStats().resident_bytes;
    findings.facts = ProbeMachineFacts();
    findings.machine = ProbeMachine();
    findings.isas = SupportedIsas();
    findings.isa = ActiveIsa();
    findings.rates.measured = true;
    Budget budget("doctor", Budget::kUnlimited);
    TRY(MeasureProcessor(findings, budget, console));
    TRY(MeasureDisk(findings, budget, console));
    MeasureScratch(findings, budget, console);
    Keep(findings, console);
    TRY(console.Answer(console.json ? Dump(ToJson(findings)) : Describe(findings)));
    if (!findings.cache.empty() && !console.json) {
      console.Note(fmt::format("plan and run use these rates from now on ({})", findings.cache));
    }
    return 0;
  }

 private:
  static Status MeasureProcessor(Findings& findings, Budget& budget, Console& console) {
    const uint32_t threads = findings.machine.threads;
    const uint64_t block = std::min(kMostMemoryBlock, findings.machine.available_bytes / 8);
    TRY(MeasureThreads(threads, std::max(block, kMiB), budget, console, findings.rates));
    findings.alone = findings.rates;
    if (threads == 1) return {};
    return MeasureThreads(1, std::max(block, kMiB), budget, console, findings.alone);
  }
  static Status MeasureThreads(uint32_t threads, uint64_t block, Budget& budget, Console& console,
                               Rates& rates) {
    console.Progress(threads == 1 ? "memory, one thread" : "memory");
    TRY_ASSIGN(rates.memory_bytes_per_second,
               MeasureMemoryRate(budget, threads, block, kMeasureTime));
    if (StopSignal() != 0) return Stopped();
    console.Progress(threads == 1 ? "compute, one thread" : "compute");
    TRY_ASSIGN(const std::vector<uint32_t> cpus, ChooseCpus({}, threads));
    TRY_ASSIGN(const ProductRate products, MeasureProductRate(budget, cpus, block, kMeasureTime));
    rates.product_bytes_per_second = products.bytes_per_second;
    rates.meeting_seconds = products.meeting_seconds;
    if (StopSignal() != 0) return Stopped();
    TRY_ASSIGN(rates.compute_macs_per_second, MeasureComputeRate(budget, cpus, kMeasureTime));
    return StopSignal() != 0 ? Stopped() : Status();
  }

  Status MeasureDisk(Findings& findings, Budget& budget, Console& console) const {
    console.Progress("disk");
    DiskFile disk;
    if (model_.path) {
      TRY_ASSIGN(disk.file, File::Open(*model_.path));
      disk.name = *model_.path;
    } else {
      TRY_ASSIGN(disk, OpenDiskFile());
    }
    findings.disk_file = disk.name;
    double best = 0;
    IoPath best_path = IoPath::kBuffered;
    for (const IoPath path : {IoPath::kUring, IoPath::kDirect, IoPath::kBuffered}) {
      if (StopSignal() != 0) return Stopped();
      TRY_ASSIGN(const DiskRate rate,
                 MeasureDiskRate(budget, *disk.file, {.path = path, .duration = kMeasureTime}));
      if (rate.path != path) continue;  // not possible here
      findings.disks.push_back(rate);
      if (rate.bytes_per_second <= best) continue;
      best = rate.bytes_per_second;
      best_path = path;
    }
    findings.rates.disk_bytes_per_second = best;
    TRY_ASSIGN(findings.rates.request_seconds,
               MeasureRequestSeconds(budget, *disk.file, best_path, kRequestBytes, kRequests));
    return {};
  }

  // What activations are written to and read from that memory does not hold.
  static void MeasureScratch(Findings& findings, Budget& budget, Console& console) {
    Result<ScratchRate> rate = MeasureScratchRate(budget);
    if (!rate) return console.Note(rate.error().message);
    findings.rates.spill_bytes_per_second = rate->write_bytes_per_second;
    findings.rates.fetch_bytes_per_second = rate->read_bytes_per_second;
    findings.scratch = *std::move(rate);
  }

  static void Keep(Findings& findings, Console& console) {
    const Result<CacheDirectory> cache = CacheDirectory::Open();
    const Status saved = cache
                             ? SaveRates(*cache, findings.machine.name,
                                         {findings.machine.threads, findings.rates, findings.alone})
                             : Status(tl::unexpected<Error>(cache.error()));
    if (saved) {
      findings.cache = cache->path();
    } else {
      console.Note(fmt::format("the rates are not kept: {}", saved.error().message));
    }
  }

  ModelFlags model_;
  CostFileFlags costs_;
};

}  // namespace

std::unique_ptr<Command> MakeDoctorCommand() { return std::make_unique<DoctorCommand>(); }

}  // namespace tinyai
