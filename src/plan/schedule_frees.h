#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "lang/diagnostics.h"
#include "lang/schedule.h"
#include "plan/model_names.h"

namespace tinyai {

// What a schedule for a model says of values that end. Mistakes are reported.
class ScheduleFrees {
 public:
  // `graph` and `out` outlive this object.
  ScheduleFrees(const Graph& graph, Diagnostics& out) : graph_(graph), out_(out) {}

  // What reads the values, and what makes them: all of it comes before what the text lists next.
  // Empty, and reported, where no value ends: I9.
  std::vector<OpId> End(const ModelNames::Named& named, const Ref& ref, Span where);
  // That nothing of it is listed afterwards: I3.
  bool Check(const std::vector<OpId>& ops, Span where) const;

 private:
  struct Freed {
    Span where;
    std::string name;
  };
  const Graph& graph_;
  Diagnostics& out_;
  std::map<size_t, Freed> freed_;  // by op: what ends that it reads or makes
};

}  // namespace tinyai
