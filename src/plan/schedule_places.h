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
#include "plan/request.h"

namespace tinyai {

// Where a schedule for a model puts ops, and where the places are that it speaks of.
class SchedulePlaces {
 public:
  static constexpr std::string_view kCpu = "CPU", kDisk = "DISK", kRows = "DISK.rows";

  // All outlive this object; mistakes go to `out`. `device`: may be null.
  SchedulePlaces(const Graph& graph, const RequestDevice* device, Diagnostics& out)
      : graph_(graph), device_(device), out_(out) {}

  // Error I7.
  bool Known(const tinyai::Place& place, Span where);
  // Ops on a place; `listed` in a block of it. Error A1.
  bool Put(const std::vector<OpId>& ops, const std::string& place, Span where, bool listed);
  // The same for a place that may be unable to do them: errors I1, I9. True if that is said.
  bool Place(const ModelNames::Named& named, const Ref& ref, const std::string& place, Span where,
             bool listed);
  bool IsDevice(const std::string& place) const {
    return device_ != nullptr && place == device_->name;
  }
  // By OpId, with those that need the same keys and values; empty if there are none. Error I9 where
  // one of these is elsewhere.
  std::vector<bool> OnDevice();
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
  bool IsCpuAlone(OpId op) const;
  std::string PlaceNames() const;

  const Graph& graph_;
  const RequestDevice* const device_;
  Diagnostics& out_;
  std::unordered_map<size_t, PlacedAt> placed_;  // by op
};

}  // namespace tinyai
