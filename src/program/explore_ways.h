#pragma once

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "program/find_way.h"

namespace tinyai {

// Looks for better ways to carry a program out than the usual one: other places for what the
// schedule leaves open; conditions that the coordinator computes; conditionals of which both arms
// are computed; and, as far as the costs allow it, ops that a second place does again. The best way
// so far is changed first. Small programs are searched to the end, others up to a number of ways
// that depends on the effort; none with kFast.
class WayExplorer {
 public:
  // `net` and `wishes`: before anything is planned. `task` and `text` outlive this object.
  WayExplorer(const PlanTask& task, const ProgramNet& net, const Wishes& wishes,
              const SourceText& text);

  // `best`: as FindWay left it; becomes the best that was found. `visit`: as for FindWay.
  void Run(const WayVisitor& visit, Way& best);

 private:
  enum class Arms : uint8_t { kUsual, kHost, kBoth };
  // What is decided beforehand.
  struct Choice {
    std::vector<PlaceId> places;                   // of free_
    std::vector<Arms> arms;                        // by branch
    std::set<std::pair<NetOpId, PlaceId>> agains;  // who does what once more
    auto operator<=>(const Choice&) const = default;
  };
  struct Found {
    Choice choice;
    PlanFigures figures;
    std::vector<PlaceId> place_of;  // by op of net_
  };

  void FindFree();
  void FindAgains();
  std::optional<NetOpId> HostedCondition(size_t branch) const;
  bool MayComputeBoth(size_t branch) const;
  std::vector<Choice> Neighbours(const Found& found) const;
  bool IsReadAt(const Found& found, NetOpId op, PlaceId place) const;
  Found Describe(const Choice& choice, const Way& way) const;
  Way Start(const Choice& choice) const;

  const PlanTask& task_;
  const ProgramNet net_;
  const Wishes wishes_;
  const SourceText& text_;
  std::vector<NetOpId> free_;                       // ops whose place is open
  std::vector<std::pair<NetOpId, PlaceId>> again_;  // what could be done once more, and where
  std::vector<std::vector<NetOpId>> readers_;       // by op
  size_t most_agains_ = 0;
};

}  // namespace tinyai
