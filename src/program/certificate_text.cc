#include "base/units.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "program/complete_schedule.h"

namespace tinyai {

std::string CertificateText(const Certificate& certificate) {
  std::string out = fmt::format("syncs {}", certificate.syncs.value);
  if (certificate.syncs.value != 0) {
    out += fmt::format(" (lower bound {}", certificate.syncs.lower_bound);
    for (size_t i = 0; i < certificate.witness.size(); ++i) {
      out += fmt::format("{}{}", i == 0 ? ": " : "; ", fmt::join(certificate.witness[i], " -> "));
    }
    out += ")";
  }
  out += fmt::format(", fences {}, bytes {}", certificate.fences.value, certificate.moved_bytes);
  for (const Certificate::Peak& peak : certificate.peaks) {
    out += fmt::format(", peak {} {}", peak.memory, FormatByteSize(peak.bytes.value));
  }
  for (const Certificate::LoopFigures& loop : certificate.loops) {
    out += fmt::format(", loop {} {} sync{} {}", loop.name, loop.syncs, loop.syncs == 1 ? "" : "s",
                       loop.window == 1 ? std::string("an iteration")
                                        : fmt::format("for {} iterations", loop.window));
    if (loop.syncs == 0) continue;
    out += fmt::format(" (lower bound {:.3g}", loop.lower_bound * static_cast<double>(loop.window));
    if (!loop.witness.empty()) out += fmt::format(": {}", fmt::join(loop.witness, " -> "));
    out += ")";
  }
  if (certificate.counted) {
    const bool worst = certificate.counting == NetObjective::Counting::kWorst;
    out += fmt::format(", {} syncs {:.4g}, fences {:.4g}, bytes {:.6g}",
                       worst ? "at worst" : "expected", certificate.counted->syncs,
                       certificate.counted->fences, certificate.counted->moved_bytes);
  }
  if (certificate.optimal) out += ", optimal";
  return out;
}

}  // namespace tinyai
