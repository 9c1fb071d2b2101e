#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "plan/task_net.h"

namespace tinyai {

// What is to be least of a plan.
struct NetObjective {
  enum class Term : uint8_t { kSyncs, kFences, kMovedBytes, kRecomputed, kMakespan, kPeak };
  struct Weighted {
    Term term = Term::kSyncs;
    double weight = 1;
    std::optional<MemoryId> memory = {};  // kPeak: of this one; none: of all, added up
  };
  // One term, or several weighed against each other.
  struct Sum {
    std::vector<Weighted> parts;

    Sum(Term term) : parts{{term}} {}  // NOLINT(google-explicit-constructor)
    explicit Sum(std::vector<Weighted> all) : parts(std::move(all)) {}
  };
  // What an arm of an `if` counts: as if it were always carried out; as on the path where it is
  // most; by how often it is carried out.
  enum class Counting : uint8_t { kStatic, kWorst, kExpected };

  std::vector<Sum> terms;  // the first one first; later ones decide between what is equal so far
  Counting counting = Counting::kStatic;
  // By region: how often its arm is taken where what is around it is carried out. What is missing
  // is taken every second time.
  std::vector<double> often = {};

  // scheduling.md 2.3: for programs, and for passes of a model, where overlap is the point.
  static NetObjective ForPrograms();
  static NetObjective ForModels();
};

// A plan in the terms of objectives.
struct PlanFigures {
  double syncs = 0, fences = 0;
  double moved_bytes = 0;
  double recomputed = 0;           // ops that do again what another one does
  double makespan = 0;             // seconds, as simulated
  std::vector<double> peaks = {};  // by memory

  double Worth(const NetObjective::Sum& sum) const;
  friend bool operator==(const PlanFigures&, const PlanFigures&) = default;
};

// Differences by rounding do not count.
bool IsBetter(const PlanFigures& a, const PlanFigures& b, const NetObjective& objective);

struct PlannedNet;
// `planned` is a plan of the net. Conditions that several arms share count as one, others as
// independent of each other; the times of nets with more than 8 of them are those of kStatic.
PlanFigures FiguresOf(const TaskNet& net, const PlannedNet& planned, const NetObjective& objective);

}  // namespace tinyai
