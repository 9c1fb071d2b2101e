#include "program/report_waits.h"

#include "fmt/format.h"

namespace tinyai {
namespace {

using Kind = WishedLine::Kind;

class WaitReport {
 public:
  WaitReport(const Wishes& wishes, const Devices& devices,
             const std::map<std::string, Span, std::less<>>& written,
             const std::vector<EarlyWait>& early, Diagnostics& out)
      : wishes_(wishes), devices_(devices), written_(written), early_(early), out_(out) {}

  void Report(const EarlyWait& wait) const {
    const Span fence = written_.at(wait.fence);
    const auto recorded = wishes_.fences.find(wait.fence);
    const std::string blocks =
        recorded == wishes_.fences.end() ? "" : Blocks(wait, recorded->second);
    const Position at = out_.source().At(fence.begin);
    if (!blocks.empty()) {
      const std::string& other = devices_.places[Index(recorded->second.place)].name;
      out_.Error("I4", wait.where,
                 fmt::format("deadlock: {} waits for {}, recorded after {} waits for {}, recorded "
                             "after that wait",
                             devices_.places[Index(wait.place)].name, wait.fence, other, blocks))
          .NoteAt(fence, fmt::format("fence '{}'", wait.fence))
          .Help("record one of the fences before the wait");
      return;
    }
    const Position here = out_.source().At(wait.where.begin);
    out_.Error("I3", wait.where,
               fmt::format("sync({}) at {}:{} is issued before fence '{}' ({}:{})", wait.fence,
                           here.line, here.column, wait.fence, at.line, at.column))
        .NoteAt(fence, "the fence")
        .Help("swap the blocks");
  }

  void WarnOfFences() const {
    for (const auto& [name, fence] : wishes_.fences) {
      if (fence.waited_for) continue;
      out_.Warning("W1", fence.where, fmt::format("nobody waits for fence '{}'", name))
          .Help(fmt::format("delete it, or write sync({}) where it should be waited for", name));
    }
  }

 private:
  // The fence behind `wait` for which the place of its own fence waits before recording that.
  std::string Blocks(const EarlyWait& wait, const Wishes::Fence& fence) const {
    for (const WishedLine& line : wishes_.lines) {
      if (line.place != fence.place || line.kind != Kind::kSync) continue;
      if (line.where.begin > fence.where.begin) continue;
      for (const std::string& name : *line.fences) {
        const Wishes::Fence& other = wishes_.fences.at(name);
        if (other.place == wait.place && other.where.begin > wait.where.begin) return name;
      }
    }
    for (const EarlyWait& other : early_) {
      const bool before = other.place == fence.place && other.where.begin < fence.where.begin;
      const auto found = wishes_.fences.find(other.fence);
      if (before && found != wishes_.fences.end() && found->second.place == wait.place &&
          found->second.where.begin > wait.where.begin) {
        return other.fence;
      }
    }
    return {};
  }

  const Wishes& wishes_;
  const Devices& devices_;
  const std::map<std::string, Span, std::less<>>& written_;
  const std::vector<EarlyWait>& early_;
  Diagnostics& out_;
};

}  // namespace

void ReportWaits(const Wishes& wishes, const Devices& devices,
                 const std::map<std::string, Span, std::less<>>& written,
                 const std::vector<EarlyWait>& early, Diagnostics& out) {
  const WaitReport report(wishes, devices, written, early, out);
  for (const EarlyWait& wait : early) report.Report(wait);
  if (!out.has_errors()) report.WarnOfFences();
}

}  // namespace tinyai
