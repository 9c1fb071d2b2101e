#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Random programs with schedules, as texts, with the graph of their ops by the words of the
// language's pages alone: nothing of the compiler is used to make them.
namespace tinyai {

struct RandomOp {
  std::vector<uint32_t> needs;    // ops before it: what it reads, conditions of its arms, orders
  std::vector<uint32_t> data;     // the same without the conditions of its arms
  std::vector<uint32_t> arms;     // these conditions, the outermost first
  std::optional<uint32_t> place;  // nothing: nobody says it, and every place can do it
};

struct RandomText {
  std::string values, schedule;
  std::vector<RandomOp> ops;
  bool branches = false;
};

struct RandomTextShape {
  uint32_t most_ops = 12;  // conditions and merged values are ops, too
  uint32_t places = 2;     // of kRandomPlaces
  bool branches = true;
  bool lines = false;  // the schedule lists ops in blocks, which fixes their order; else it says
                       // only where each is
  bool gaps = false;  // of these lines some are missing: the compiler puts those ops where it likes
  bool arms = false;  // without lines: what both arms define is placed too, else it is not
  bool frees = false;  // at its end the schedule frees some values; `needs` does not say so
  // Between its lines the schedule sends values away, moves, computes again, frees and keeps them
  // at any place, which can be impossible; `needs` does not say so.
  bool moves = false;
  uint32_t reach = ~uint32_t{0};  // ops read only the last so many values
};

// A device file for as many places.
std::string RandomPlaces(uint32_t places);
// The same with a memory for each, and links from each to each; `copies`: those of the GPU have a
// queue.
std::string RandomMemories(uint32_t places, bool copies = false);
RandomText MakeRandomText(const RandomTextShape& shape, uint64_t seed);

}  // namespace tinyai
