#include "os/cgroup.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "base/checked.h"
#include "os/text_file.h"

namespace tinyai {
namespace {

// Version 1 writes the largest multiple of a page for "no limit".
constexpr uint64_t kNoLimitFrom = uint64_t{1} << 62;
constexpr int kMostLevels = 100;

struct Hierarchy {
  std::string mount_point, mount_root;
  std::string group;  // of this process, as /proc/self/cgroup names it
};

bool HasWord(std::string_view list, std::string_view word) {
  const auto words = Split(list, ',');
  return std::ranges::find(words, word) != words.end();
}

// mountinfo writes blanks and backslashes of paths as \ooo.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The group in the hierarchy of `controller`; an empty controller means version 2.
std::optional<std::string> OwnGroup(std::string_view self_cgroup, std::string_view controller) {
  for (const std::string_view line : Split(self_cgroup, '\n')) {  // number:controllers:group
    const size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const bool match = controller.empty() ? controllers.empty() && line.starts_with("0:")
                                          : HasWord(controllers, controller);
    if (match) return std::string(line.substr(second + 1));
  }
  return std::nullopt;
}

std::optional<Hierarchy> FindHierarchy(const std::string& root, std::string_view controller) {
  const auto mounts = ReadTextFile(root + "/proc/self/mountinfo");
  const auto self = ReadTextFile(root + "/proc/self/cgroup");
  if (!mounts || !self) return std::nullopt;
  const std::optional<std::string> group = OwnGroup(*self, controller);
  if (!group) return std::nullopt;
  for (const std::string_view line : Split(*mounts, '\n')) {
    // id parent device root mount-point options [tags] - type source options-of-the-file-system
    const size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    const auto before = Split(line.substr(0, dash), ' ');
    const auto after = Split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    const bool match = controller.empty() ? after[0] == "cgroup2"
                                          : after[0] == "cgroup" && HasWord(after[2], controller);
    if (match) return Hierarchy{root + Unescape(before[4]), Unescape(before[3]), *group};
  }
  return std::nullopt;
}

// The directory of the process's group below the mount point. In a container the group may be
// named as the host sees it, while only a part of the tree is mounted; then that part is taken.
std::string GroupDirectory(const Hierarchy& hierarchy) {
  std::string_view below = hierarchy.group;
  if (hierarchy.mount_root != "/") {
    if (!below.starts_with(hierarchy.mount_root)) return hierarchy.mount_point;
    below.remove_prefix(hierarchy.mount_root.size());
  }
  if (below.find("..") != std::string_view::npos || below == "/") below = "";
  return hierarchy.mount_point + std::string(below);
}

// Calls `visit` for the group's directory and each above it up to the mount point.
void ForEachLevel(const Hierarchy& hierarchy,
                  const std::function<void(const std::string&)>& visit) {
  std::string directory = GroupDirectory(hierarchy);
  for (int level = 0; level < kMostLevels; ++level) {
    visit(directory);
    if (directory.size() <= hierarchy.mount_point.size()) return;
    directory.resize(directory.rfind('/'));
  }
}

// Nothing for a missing file, "max", or version 1's way to write it.
std::optional<uint64_t> Limit(const std::string& path) {
  const auto text = ReadTextFile(path);
  const auto number = text ? LeadingNumber(*text) : std::nullopt;
  return number && *number < kNoLimitFrom ? number : std::nullopt;
}

void Lower(uint64_t& least, std::optional<uint64_t> value) {
  if (value && (least == 0 || *value < least)) least = std::max<uint64_t>(*value, 1);
}

struct Usage {
  uint64_t used = 0, cached = 0;
};

Usage ReadUsage(const std::string& directory, int version) {
  const char* const file = version == 1 ? "/memory.usage_in_bytes" : "/memory.current";
  Usage usage;
  usage.used = Limit(directory + file).value_or(0);
  const std::string stat = ReadTextFile(directory + "/memory.stat").value_or("");
  for (const char* key : {"inactive_file ", "active_file "}) {
    const std::string name = version == 1 ? std::string("total_") + key : key;
    usage.cached += NumberAfter(stat, name).value_or(0);
  }
  usage.cached = std::min(usage.cached, usage.used);
  return usage;
}

void AddMemoryLimits(const Hierarchy& hierarchy, int version, Cgroup& out) {
  out.version = version;
  out.path = GroupDirectory(hierarchy);
  const Usage own = ReadUsage(out.path, version);
  out.memory_used_bytes = own.used;
  out.memory_cached_bytes = own.cached;
  ForEachLevel(hierarchy, [&](const std::string& directory) {
    uint64_t limit = 0;
    if (version == 1) {
      Lower(limit, Limit(directory + "/memory.limit_in_bytes"));
      // Levels above the mount point of a container.
      const auto above = NumberAfter(ReadTextFile(directory + "/memory.stat").value_or(""),
                                     "hierarchical_memory_limit ");
      if (above && *above < kNoLimitFrom) Lower(limit, above);
    } else {
      Lower(limit, Limit(directory + "/memory.max"));
      Lower(limit, Limit(directory + "/memory.high"));  // beyond it a process crawls
    }
    if (limit == 0) return;
    Lower(out.memory_limit_bytes, limit);
    const Usage usage = ReadUsage(directory, version);
    const uint64_t kept = usage.used - usage.cached;
    Lower(out.memory_room_bytes, limit > kept ? limit - kept : 0);
  });
}

void AddCpuLimit(const std::string& directory, int version, Cgroup& out) {
  std::optional<uint64_t> quota, period;
  if (version == 1) {  // -1: none
    quota = Limit(directory + "/cpu.cfs_quota_us");
    period = Limit(directory + "/cpu.cfs_period_us");
  } else {  // "max 100000"
    const std::string text = ReadTextFile(directory + "/cpu.max").value_or("");
    const auto words = Split(text, ' ');
    if (words.size() == 2) {
      quota = LeadingNumber(words[0]);
      period = LeadingNumber(words[1]);
    }
  }
  if (!quota || !period || *quota == 0 || *period == 0) return;
  const double cpus = static_cast<double>(*quota) / static_cast<double>(*period);
  if (out.cpus == 0 || cpus < out.cpus) out.cpus = cpus;
}

}  // namespace

Cgroup ReadCgroup(const std::string& root) {
  Cgroup cgroup;
  const std::optional<Hierarchy> unified = FindHierarchy(root, "");
  const std::optional<Hierarchy> memory = FindHierarchy(root, "memory");
  const std::optional<Hierarchy> cpu = FindHierarchy(root, "cpu");
  // Where both versions are mounted, each controller belongs to one of them; version 2 then has no
  // files of the other's.
  if (unified) AddMemoryLimits(*unified, 2, cgroup);
  if (memory) AddMemoryLimits(*memory, 1, cgroup);
  const auto add_cpu = [&](int version) {
    return [&cgroup, version](const std::string& path) { AddCpuLimit(path, version, cgroup); };
  };
  if (unified) ForEachLevel(*unified, add_cpu(2));
  if (cpu) ForEachLevel(*cpu, add_cpu(1));
  return cgroup;
}

}  // namespace tinyai
