#pragma once

#include <span>
#include <vector>

#include "solve/placement.h"

namespace tinyai {

// A problem of placement that makes sense, with edges both ways. `problem` outlives it.
struct PlacementNet {
  struct Neighbour {
    uint32_t op;
    uint64_t bytes;
  };
  struct Lists {
    std::vector<uint32_t> begin;
    std::vector<Neighbour> all;
    std::span<const Neighbour> operator[](uint32_t op) const {
      return std::span(all).subspan(begin[op], begin[op + 1] - begin[op]);
    }
  };

  const PlacementProblem& problem;
  uint32_t ops, places;
  Lists before, after;
  std::vector<uint32_t> order;  // topological
  std::vector<double> levels;   // [op * places + place]: least time from its start there to the end
  std::vector<double> ranks;    // upward ranks of HEFT: mean times, mean links

  double Seconds(uint32_t op, uint32_t place) const { return problem.seconds[op * places + place]; }
  double Travel(uint32_t from, uint32_t to, uint64_t bytes) const;
  uint64_t Bytes(uint32_t op) const { return problem.bytes.empty() ? 0 : problem.bytes[op]; }
};

// Errors as of SolvePlacement.
Result<PlacementNet> MakePlacementNet(const PlacementProblem& problem);

// Longest path with the best places along it; and the work: for any weights of places that add up
// to 1, the sum over ops of the least weighted time (the dual of sharing ops out between unrelated
// machines, Lenstra, Shmoys and Tardos 1990), with weights found by balancing.
double PlacementBound(const PlacementNet& net);

// Ops by falling rank, each where it ends first (Topcuoglu, Hariri and Wu 2002); `insert`: also in
// gaps, quadratic at worst. Infinite seconds where an op finds no place with room, bound not set.
PlacementResult RunHeft(const PlacementNet& net, bool insert);

// When ops start whose places are given: one after the other in an order that holds all edges, each
// as early as it can after those before it at its place.
class PlacementTimes {
 public:
  explicit PlacementTimes(const PlacementNet& net);  // outlives this object

  // The makespan; `from`: the first position of the order at which something has changed since the
  // last call. Above `most` it may end early and return infinity: then the next call begins no
  // later than this one.
  double Evaluate(std::span<const uint32_t> order, std::span<const uint32_t> place, size_t from,
                  double most);
  const std::vector<double>& start() const { return start_; }

 private:
  const PlacementNet& net_;
  std::vector<double> start_, end_;
  std::vector<double> free_;  // [position * places + place]: before that position
  std::vector<double> last_;  // [position]: latest end of all before
};

// Better and better answers from a first one; see SolvePlacement.
void ImprovePlacement(const PlacementNet& net, const SearchLimits& limits, PlacementResult& result);

// Whether the search came to its end within the limits: then `result` is optimal. Without a
// placement in `result` (`seconds` infinite) it looks for any.
bool SearchPlacement(const PlacementNet& net, const SearchLimits& limits, PlacementResult& result);

}  // namespace tinyai
