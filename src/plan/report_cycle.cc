#include "plan/report_cycle.h"

#include "fmt/format.h"
#include "plan/order_wishes.h"

namespace tinyai {
namespace {

// What follows by data from one op to another, the middle of a long way left out.
std::string DataText(const std::vector<std::string_view>& names) {
  if (names.size() <= 4) return fmt::format("{} (data)", fmt::join(names, " -> "));
  return fmt::format("{} -> {} -> .. -> {} (data)", names[0], names[1], names.back());
}

}  // namespace

bool ReportCycle(const Graph& graph, const ModelWishes& wishes, const OrderOrigins& origins,
                 Diagnostics& out) {
  const std::vector<CycleStep> cycle = FindCycle(graph, wishes);
  if (cycle.empty()) return false;
  const auto name = [&](OpId op) -> const std::string& { return graph.ops[Index(op)].name; };
  std::vector<std::string> parts;
  std::vector<std::string_view> data;
  const CycleStep* blamed = nullptr;
  bool closed = true;
  for (size_t i = 0; i < cycle.size(); ++i) {
    const CycleStep& step = cycle[i];
    if (!step.order) {
      if (data.empty()) data.push_back(name(step.from));
      data.push_back(name(step.to));
      const bool ends = i + 1 == cycle.size() || cycle[i + 1].order;
      if (ends) parts.push_back(DataText(std::exchange(data, {})));
      continue;
    }
    const ModelWishes::Order& order = wishes.orders[*step.order];
    const OrderOrigins::Order& origin = origins.orders[*step.order];
    parts.push_back(fmt::format("{} before {} ({} {} < {})", name(step.from), name(step.to),
                                origin.why, out.At(origins.groups[order.first]),
                                out.At(origins.groups[order.then])));
    closed = closed && origin.closed;
    if (blamed == nullptr) blamed = &step;
  }
  const ModelWishes::Order& order = wishes.orders[*blamed->order];
  out.Error(closed ? "I16" : "I3", origins.groups[order.then],
            fmt::format("cycle: {}", fmt::join(parts, ", ")))
      .NoteAt(origins.groups[order.first], fmt::format("'{}' is to come first", name(blamed->from)))
      .Help(fmt::format("list '{}' after '{}'", name(blamed->from), name(blamed->to)));
  return true;
}

}  // namespace tinyai
