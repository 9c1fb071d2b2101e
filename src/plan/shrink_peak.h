#pragma once

#include <vector>

#include "plan/compile_net.h"

namespace tinyai {

// A net in which values that lie about unused where memory is short are not kept: they are made
// again, or taken to another memory and back.
struct ShrunkNet {
  TaskNet net;  // the ops and values of the old one first, under the same ids
  NetDraft draft;
  std::vector<AddedOp> added;
  std::vector<Bounded> peaks;  // by memory, of all buffers; the bound: for any order and any change
                               // of this kind, on these places
  bool fits = false;           // every peak is within its budget
};

// Takes the moment when a memory is most overfull and a value that lives then but is not touched,
// and ends its life at its last use before: either its maker runs again right before the next use,
// if it has no effects and its operands can be there; or a link takes it away and back. Of all
// these the one that costs the least time for each byte; over and over, until the order fits or
// nothing is left to gain (the rematerialisation and swapping of Capuchin, Peng et al. 2020, with
// known lifetimes). What is wanted, carried, made once, a condition or at a given offset is left
// alone, as is what arms make. The net is one that CheckNet accepted, the draft one of its orders.
ShrunkNet ShrinkPeak(const TaskNet& net, const NetDraft& draft, const SearchLimits& limits);

}  // namespace tinyai
