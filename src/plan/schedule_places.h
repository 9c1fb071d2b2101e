#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"
#include "lang/diagnostics.h"
#include "lang/schedule.h"
#include "plan/model_names.h"

namespace tinyai {

// Where a schedule for a model puts ops, and where the places are that it speaks of.
class SchedulePlaces {
 public:
  static constexpr std::string_view kCpu = "CPU", kDisk = "DISK", kRows = "DISK.rows";

  // Both outlive this object; mistakes go to `out`.
  SchedulePlaces(const Graph& graph, Diagnostics& out) : graph_(graph), out_(out) {}

  // Error I7.
  bool Known(const tinyai::Place& place, Span where);
  // Ops on a place; `listed` in a block of it. Error A1.
  bool Put(const std::vector<OpId>& ops, const std::string& place, Span where, bool listed);
  // The same for a place that may be unable to do them: errors I1, I9.
  void Place(const ModelNames::Named& named, const Ref& ref, const std::string& place, Span where,
             bool listed);
  // On CPU, if nothing was said of it.
  void List(OpId op, Span where) {
    placed_.try_emplace(Index(op), PlacedAt{std::string(kCpu), where, true});
  }

  bool Has(OpId op) const { return placed_.contains(Index(op)); }
  std::optional<Span> ListedAt(OpId op) const;

 private:
  struct PlacedAt {
    std::string place;
    Span where;
    bool listed;
  };
  const Graph& graph_;
  Diagnostics& out_;
  std::unordered_map<size_t, PlacedAt> placed_;  // by op
};

}  // namespace tinyai
