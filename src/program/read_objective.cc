#include "program/read_objective.h"

#include <algorithm>

#include "fmt/format.h"
#include "lang/nearest_name.h"
#include "lang/print_schedule.h"

namespace tinyai {
namespace {

using Term = NetObjective::Term;

struct Named {
  std::string_view name;
  Term term;
};
constexpr Named kTerms[] = {{"syncs", Term::kSyncs},
                            {"fences", Term::kFences},
                            {"bytes", Term::kMovedBytes},
                            {"makespan", Term::kMakespan}};

std::optional<Term> ReadTerm(const Expr& written, const Devices& devices, Diagnostics& out) {
  if (written.kind == Expr::Kind::kCall && written.operands[0].text == "peak" &&
      written.operands.size() == 2) {
    const std::string memory = PrintExpr(written.operands[1]);
    for (const Devices::Memory& one : devices.memories) {
      if (one.name == memory || one.name + ".mem" == memory) return Term::kPeak;
    }
    out.Error("I7", written.operands[1].where, fmt::format("no memory '{}'", memory))
        .Help(fmt::format("peak({})", devices.memories[0].name));
    return std::nullopt;
  }
  if (written.kind == Expr::Kind::kName) {
    for (const Named& one : kTerms) {
      if (one.name == written.text) return one.term;
    }
  }
  out.Error("I7", written.where, fmt::format("'{}' is no term of an objective", PrintExpr(written)))
      .Help("terms are syncs, fences, bytes, makespan and peak(MEMORY)");
  return std::nullopt;
}

}  // namespace

std::optional<NetObjective> ReadObjective(const Expr& written, const Devices& devices,
                                          Diagnostics& out) {
  const bool list = written.kind == Expr::Kind::kCall && written.operands[0].text == "lex";
  NetObjective objective;
  for (size_t i = list ? 1 : 0; i < (list ? written.operands.size() : 1); ++i) {
    const std::optional<Term> term = ReadTerm(list ? written.operands[i] : written, devices, out);
    if (!term) return std::nullopt;
    objective.terms.push_back(*term);
  }
  // What is equal by these is decided as usual.
  for (const Term term : NetObjective::ForPrograms().terms) {
    if (std::find(objective.terms.begin(), objective.terms.end(), term) == objective.terms.end()) {
      objective.terms.push_back(term);
    }
  }
  return objective;
}

}  // namespace tinyai
