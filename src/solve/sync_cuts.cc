#include "solve/sync_cuts.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"

namespace tinyai {
namespace {

// A bit for each place: on which side it is.
std::vector<uint32_t> Groupings(uint32_t places) {
  std::vector<uint32_t> out;
  if (places > kMostPlacesSplit) return out;
  if (places > kMostPlacesGrouped) {
    for (uint32_t place = 0; place < places; ++place) out.push_back(uint32_t{1} << place);
    return out;
  }
  // The last place is always on side 0: opposite masks are the same grouping.
  for (uint32_t mask = 1; mask < uint32_t{1} << (places - 1); ++mask) out.push_back(mask);
  return out;
}

// The most crossings of a path that ends in an op, counted in several ways at once: each lane has
// its own groups, and counts from the first crossing that leaves its own side.
class CrossingLanes {
 public:
  CrossingLanes(const SyncNet& net, const std::vector<uint32_t>& groupings)
      : net_(net), any_(2 * groupings.size()), lanes_(RoundUp(any_ + 1, kTogether)) {
    const size_t pairs = size_t{net.places} * net.places;
    crosses_.assign(pairs * lanes_, 0);
    starts_.assign(pairs * lanes_, 0);
    for (uint32_t from = 0; from < net.places; ++from) {
      for (uint32_t to = 0; to < net.places; ++to) {
        if (from == to) continue;
        const size_t pair = Pair(from, to);
        for (size_t i = 0; i < groupings.size(); ++i) {
          const uint32_t side = groupings[i] >> from & 1;
          if (side == (groupings[i] >> to & 1)) continue;
          crosses_[pair + 2 * i] = crosses_[pair + 2 * i + 1] = 1;
          starts_[pair + 2 * i + side] = 1;
        }
        crosses_[pair + any_] = starts_[pair + any_] = 1;
      }
    }
  }

  // By lane: two for each grouping, which start on one and on the other side, and one for crossings
  // between any two places.
  std::vector<uint32_t> Most(const OpLists& predecessors, const std::vector<uint32_t>& order) {
    std::vector<int32_t> counts(lanes_ * net_.size()), most(lanes_);
    for (const uint32_t op : order) {
      int32_t* const own = &counts[lanes_ * op];
      for (const uint32_t p : predecessors.of(op)) {
        Extend(&counts[lanes_ * p], Pair(net_.place[p], net_.place[op]), own);
      }
      for (size_t i = 0; i < lanes_; ++i) most[i] = std::max(most[i], own[i]);
    }
    return {most.begin(), most.begin() + static_cast<ptrdiff_t>(any_ + 1)};
  }

 private:
  // Lanes that are counted by one instruction, of any processor: of signed numbers, for which it
  // has comparisons.
  static constexpr size_t kTogether = 4;

  size_t Pair(uint32_t from, uint32_t to) const {
    return (size_t{from} * net_.places + to) * lanes_;
  }
  void Extend(const int32_t* before, size_t pair, int32_t* own) const {
    const int32_t *const crosses = &crosses_[pair], *const starts = &starts_[pair];
    for (size_t first = 0; first < lanes_; first += kTogether) {
      for (size_t i = first; i < first + kTogether; ++i) {
        const int32_t counts = starts[i] | static_cast<int32_t>(before[i] != 0);
        const int32_t after = before[i] + (crosses[i] & counts);
        own[i] = own[i] > after ? own[i] : after;
      }
    }
  }

  const SyncNet& net_;
  const size_t any_;                       // the lane of any two places, the last one
  const size_t lanes_;                     // with those that round their number up
  std::vector<int32_t> crosses_, starts_;  // by pair of places and lane
};

// The largest sum of worth[i] y[i], y >= 0, where `rows` hold sums of some y that are at most 1:
// the simplex method with Bland's rule, from y = 0. What rounding does to y is undone at the end,
// so the result is never too large by more than the rounding of one sum.
double LargestPacking(const std::vector<uint32_t>& worth,
                      const std::vector<std::vector<bool>>& rows) {
  constexpr double kSmall = 1e-9;
  const size_t columns = worth.size(), all = columns + rows.size();
  std::vector<std::vector<double>> table(rows.size() + 1, std::vector<double>(all + 1, 0));
  std::vector<size_t> basis(rows.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < columns; ++c) table[r][c] = rows[r][c] ? 1 : 0;
    table[r][basis[r] = columns + r] = table[r][all] = 1;
  }
  std::vector<double>& gain = table.back();
  for (size_t c = 0; c < columns; ++c) gain[c] = worth[c];
  while (true) {
    size_t enters = 0;
    while (enters < all && gain[enters] <= kSmall) ++enters;
    if (enters == all) break;
    size_t leaves = rows.size();
    for (size_t r = 0; r < rows.size(); ++r) {
      if (table[r][enters] <= kSmall) continue;
      const double limit = table[r][all] / table[r][enters];
      const double least = leaves == rows.size() ? 0 : table[leaves][all] / table[leaves][enters];
      const bool first = leaves == rows.size() || limit < least - kSmall ||
                         (limit < least + kSmall && basis[r] < basis[leaves]);
      if (first) leaves = r;
    }
    if (leaves == rows.size()) break;  // each y is in a row, so there is always one
    const double pivot = table[leaves][enters];
    for (double& cell : table[leaves]) cell /= pivot;
    for (std::vector<double>& row : table) {
      if (&row == &table[leaves] || row[enters] == 0) continue;
      const double factor = row[enters];
      for (size_t c = 0; c <= all; ++c) row[c] -= factor * table[leaves][c];
    }
    basis[leaves] = enters;
  }
  std::vector<double> y(columns, 0);
  for (size_t r = 0; r < rows.size(); ++r) {
    if (basis[r] < columns) y[basis[r]] = std::max(0.0, table[r][all]);
  }
  double most = 1, sum = 0;
  for (const std::vector<bool>& row : rows) {
    double taken = 0;
    for (size_t c = 0; c < columns; ++c) taken += row[c] ? y[c] : 0;
    most = std::max(most, taken);
  }
  for (size_t c = 0; c < columns; ++c) sum += y[c] * worth[c];
  return sum / most;
}

uint32_t PlacesThatWait(const SyncNet& net) {
  std::vector<bool> waits(net.places);
  for (const SyncNet::Edge& edge : net.edges) {
    if (net.Crosses(edge)) waits[net.place[edge.to]] = true;
  }
  return static_cast<uint32_t>(std::count(waits.begin(), waits.end(), true));
}

}  // namespace

SyncCuts BoundByCuts(const SyncNet& net, const OpLists& predecessors,
                     const std::vector<uint32_t>& order) {
  const std::vector<uint32_t> groupings = Groupings(net.places);
  const std::vector<uint32_t> most = CrossingLanes(net, groupings).Most(predecessors, order);
  SyncCuts out{most.back(), most.back()};
  if (groupings.empty()) {
    out.least_syncs = std::max(out.least_syncs, PlacesThatWait(net));
    return out;
  }
  std::vector<uint32_t> across;
  for (size_t i = 0; i < groupings.size(); ++i) {
    const uint32_t a = most[2 * i], b = most[2 * i + 1];
    across.push_back(a == b && a > 0 ? a + 1 : std::max(a, b));
  }
  std::vector<std::vector<bool>> rows;
  for (uint32_t a = 0; a < net.places; ++a) {
    for (uint32_t b = 0; b < a; ++b) {
      rows.emplace_back();
      for (const uint32_t mask : groupings) {
        rows.back().push_back((mask >> a & 1) != (mask >> b & 1));
      }
    }
  }
  // A whole number of syncs; what is as near to one as rounding may bring it is that number.
  constexpr double kRounding = 1e-6;
  const double syncs = LargestPacking(across, rows);
  out.least_syncs = std::max(out.least_syncs, static_cast<uint32_t>(std::ceil(syncs - kRounding)));
  return out;
}

}  // namespace tinyai
