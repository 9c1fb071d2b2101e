#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "solve/order_budget.h"
#include "solve/order_net.h"

namespace tinyai {

// What is known of the ways down from the start of a net: sets of ops that leave no more bytes than
// there were.
struct WayDown {
  std::vector<uint32_t> run;  // one that takes no more room than there is; empty: none was found
  int64_t need = 0;           // then no way down takes less room than this
};

// Of a net that would be a tree (see TreeOrder) without one tensor that lives from the start and
// has several readers: branches of series-parallel nets that read one tensor. Nothing if it is
// another. If none is found and `need` is no more than `room`, `most_tries` or the budget was not
// enough.
//
// What goes down while the tensor lives is found as in a tree. What goes down because it ends has
// run all readers and comes through the least cut behind them, since bytes are submodular. Until
// its end the tensor counts throughout: what runs before is a tree again, up to the least cut of
// its own, and so is what runs after it. Read backwards, the best order of the former shows which
// of its ends do not fit beside the tensor: one of them has to be put off. That of the latter shows
// behind which level it does not get: something from there has to run before the end of the tensor
// after all. So these are tried, one after the other, where the least that they need does not
// forbid it.
std::optional<WayDown> FindWayDown(const OrderNet& net, int64_t room, uint64_t most_tries,
                                   OrderBudget& budget);

}  // namespace tinyai
