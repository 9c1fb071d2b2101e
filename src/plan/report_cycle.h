#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "lang/diagnostics.h"
#include "plan/model_wishes.h"

namespace tinyai {

// Where in a text the wishes about order come from.
struct OrderOrigins {
  std::vector<Span> groups;  // by group
  struct Order {
    std::string why;      // "CPU block order"
    bool closed = false;  // by what a closed block lists
  };
  std::vector<Order> orders;  // by order
};

// Whether the wishes and data flow go round in a circle; if so this is reported: I3, or I16 where
// only closed blocks are to blame.
bool ReportCycle(const Graph& graph, const ModelWishes& wishes, const OrderOrigins& origins,
                 Diagnostics& out);

}  // namespace tinyai
