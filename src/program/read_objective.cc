#include "program/read_objective.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fmt/format.h"
#include "lang/number.h"
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
                            {"recomputed", Term::kRecomputed},
                            {"makespan", Term::kMakespan}};

// Reads an objective, reporting the first thing in it that is none.
class Reader {
 public:
  Reader(const Devices& devices, Diagnostics& out) : devices_(devices), out_(out) {}

  // TERM | NUMBER * TERM | SUM + SUM
  bool Sum(const Expr& written, std::vector<NetObjective::Weighted>& parts) {
    if (written.kind == Expr::Kind::kBinary && written.text == "+") {
      return Sum(written.operands[0], parts) && Sum(written.operands[1], parts);
    }
    const bool weighed = written.kind == Expr::Kind::kBinary && written.text == "*" &&
                         written.operands[0].kind == Expr::Kind::kNumber;
    const double weight = weighed ? NumberValue(written.operands[0].text) : 1;
    if (!std::isfinite(weight)) {
      out_.Error("I15", written.where, "this weight is no finite number");
      return false;
    }
    std::optional<NetObjective::Weighted> part = Read(weighed ? written.operands[1] : written);
    if (!part) return false;
    part->weight = weight;
    parts.push_back(*part);
    return true;
  }

 private:
  std::optional<NetObjective::Weighted> Read(const Expr& written) {
    if (written.kind == Expr::Kind::kCall && written.operands[0].text == "peak" &&
        written.operands.size() == 2) {
      const std::string memory = PrintExpr(written.operands[1]);
      for (size_t i = 0; i < devices_.memories.size(); ++i) {
        const std::string& name = devices_.memories[i].name;
        if (name == memory || name + ".mem" == memory) return {{Term::kPeak, 1, MemoryId(i)}};
      }
      out_.Error("I7", written.operands[1].where, fmt::format("no memory '{}'", memory))
          .Help(fmt::format("peak({})", devices_.memories[0].name));
      return std::nullopt;
    }
    if (written.kind == Expr::Kind::kName) {
      for (const Named& one : kTerms) {
        if (one.name == written.text) return {{one.term}};
      }
    }
    out_.Error("I7", written.where,
               fmt::format("'{}' is no term of an objective", PrintExpr(written)))
        .Help(
            "terms are syncs, fences, bytes, recomputed, makespan and peak(MEMORY); weigh them as "
            "in "
            "3 * syncs + bytes");
    return std::nullopt;
  }

  const Devices& devices_;
  Diagnostics& out_;
};

bool IsJust(const NetObjective::Sum& sum, Term term) {
  return sum.parts.size() == 1 && sum.parts[0].term == term && !sum.parts[0].memory;
}

}  // namespace

std::optional<NetObjective> ReadObjective(const Expr& written, const Devices& devices,
                                          Diagnostics& out) {
  const bool list = written.kind == Expr::Kind::kCall && written.operands[0].text == "lex";
  if (list && written.operands.size() == 1) {
    out.Error("I7", written.where, "an objective has at least one term")
        .Help("objective lex(syncs, fences, bytes, makespan);");
    return std::nullopt;
  }
  Reader reader(devices, out);
  NetObjective objective;
  for (size_t i = list ? 1 : 0; i < (list ? written.operands.size() : 1); ++i) {
    std::vector<NetObjective::Weighted> parts;
    if (!reader.Sum(list ? written.operands[i] : written, parts)) return std::nullopt;
    objective.terms.emplace_back(std::move(parts));
  }
  CompleteObjective(objective);
  return objective;
}

void CompleteObjective(NetObjective& objective) {
  for (const Term term : {Term::kSyncs, Term::kFences, Term::kMovedBytes, Term::kMakespan,
                          Term::kPeak, Term::kRecomputed}) {
    if (std::none_of(objective.terms.begin(), objective.terms.end(),
                     [&](const NetObjective::Sum& sum) { return IsJust(sum, term); })) {
      objective.terms.emplace_back(term);
    }
  }
}

}  // namespace tinyai
