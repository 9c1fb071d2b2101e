#include "solve/placement_net.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"

namespace tinyai {
namespace {

using Edge = PlacementProblem::Edge;

tl::unexpected<Error> Bad(std::string what) {
  return Fail(ErrorCode::kBadFile, "BAD_PROBLEM", std::move(what));
}

bool IsCost(double seconds) { return seconds >= 0; }  // not a NaN either

Status CheckNumbers(const PlacementProblem& problem) {
  const size_t places = problem.places;
  if (places == 0) return Bad("there are no places");
  if (problem.seconds.size() % places != 0 || problem.links.size() != places * places ||
      std::max({problem.seconds.size(), problem.links.size(), problem.edges.size()}) >=
          UINT32_MAX) {
    return Bad("times are wanted for each op and place, links for each two places");
  }
  const uint32_t ops = problem.ops();
  if ((!problem.bytes.empty() && problem.bytes.size() != ops) ||
      (!problem.budgets.empty() && problem.budgets.size() != places)) {
    return Bad("bytes are wanted for each op, budgets for each place");
  }
  for (const PlacementProblem::Link& link : problem.links) {
    if (!IsCost(link.latency_seconds) || !IsCost(link.seconds_per_byte)) {
      return Bad("a link's time is negative or no number");
    }
  }
  for (uint32_t op = 0; op < ops; ++op) {
    bool possible = false;
    for (size_t place = 0; place < places; ++place) {
      const double seconds = problem.seconds[op * places + place];
      if (!IsCost(seconds)) return Bad(fmt::format("op {}: its time is negative or no number", op));
      possible = possible || std::isfinite(seconds);
    }
    if (!possible) return Bad(fmt::format("op {} can run at no place", op));
  }
  for (const Edge& edge : problem.edges) {
    if (std::max(edge.before, edge.after) < ops) continue;
    return Bad(fmt::format("there is no op {}", std::max(edge.before, edge.after)));
  }
  return {};
}

PlacementNet::Lists ListsOf(uint32_t ops, std::span<const Edge> edges, uint32_t Edge::*from,
                            uint32_t Edge::*to) {
  PlacementNet::Lists lists;
  lists.begin.assign(size_t{ops} + 1, 0);
  for (const Edge& edge : edges) ++lists.begin[edge.*from + 1];
  for (uint32_t op = 0; op < ops; ++op) lists.begin[op + 1] += lists.begin[op];
  std::vector<uint32_t> next(lists.begin.begin(), lists.begin.end() - 1);
  lists.all.resize(edges.size());
  for (const Edge& edge : edges) lists.all[next[edge.*from]++] = {edge.*to, edge.bytes};
  return lists;
}

Status FindOrder(PlacementNet& net) {
  std::vector<uint32_t> missing(net.ops);
  for (uint32_t op = 0; op < net.ops; ++op) {
    missing[op] = static_cast<uint32_t>(net.before[op].size());
    if (missing[op] == 0) net.order.push_back(op);
  }
  for (size_t i = 0; i < net.order.size(); ++i) {
    for (const PlacementNet::Neighbour& next : net.after[net.order[i]]) {
      if (--missing[next.op] == 0) net.order.push_back(next.op);
    }
  }
  if (net.order.size() == net.ops) return {};
  uint32_t op = 0;
  while (missing[op] == 0) ++op;
  return Bad(fmt::format("op {} comes after itself, or after one that does: a cycle", op));
}

void FindLevels(PlacementNet& net) {
  net.levels.assign(net.problem.seconds.begin(), net.problem.seconds.end());
  for (auto op = net.order.rbegin(); op != net.order.rend(); ++op) {
    for (uint32_t here = 0; here < net.places; ++here) {
      double behind = 0;
      for (const PlacementNet::Neighbour& next : net.after[*op]) {
        double best = PlacementProblem::kNever;
        for (uint32_t there = 0; there < net.places; ++there) {
          best = std::min(
              best, net.Travel(here, there, next.bytes) + net.levels[next.op * net.places + there]);
        }
        behind = std::max(behind, best);
      }
      net.levels[*op * net.places + here] += behind;
    }
  }
}

// Means over the places that can, and over the links that there are.
void FindRanks(PlacementNet& net) {
  double latency = 0, per_byte = 0, links = 0;
  for (uint32_t from = 0; from < net.places; ++from) {
    for (uint32_t to = 0; to < net.places; ++to) {
      const PlacementProblem::Link& link = net.problem.links[from * net.places + to];
      if (from == to || !std::isfinite(link.latency_seconds + link.seconds_per_byte)) continue;
      latency += link.latency_seconds;
      per_byte += link.seconds_per_byte;
      ++links;
    }
  }
  net.ranks.assign(net.ops, 0);
  for (auto op = net.order.rbegin(); op != net.order.rend(); ++op) {
    double sum = 0, possible = 0, behind = 0;
    for (uint32_t place = 0; place < net.places; ++place) {
      if (!std::isfinite(net.Seconds(*op, place))) continue;
      sum += net.Seconds(*op, place);
      ++possible;
    }
    for (const PlacementNet::Neighbour& next : net.after[*op]) {
      const double travel =
          links == 0 ? 0 : (latency + per_byte * static_cast<double>(next.bytes)) / links;
      behind = std::max(behind, travel + net.ranks[next.op]);
    }
    net.ranks[*op] = sum / possible + behind;
  }
}

// The work with these weights of places, and how it lies on them.
double WeightedWork(const PlacementNet& net, const std::vector<double>& weights,
                    std::vector<double>& load) {
  std::fill(load.begin(), load.end(), 0);
  double work = 0;
  for (uint32_t op = 0; op < net.ops; ++op) {
    uint32_t best = net.places;
    double least = PlacementProblem::kNever;
    for (uint32_t place = 0; place < net.places; ++place) {
      const double seconds = net.Seconds(op, place);
      if (!std::isfinite(seconds) || weights[place] * seconds >= least) continue;
      least = weights[place] * seconds;
      best = place;
    }
    if (best == net.places) continue;  // no finite product
    work += least;
    load[best] += net.Seconds(op, best);
  }
  return work;
}

double WorkBound(const PlacementNet& net) {
  const int rounds = net.ops > 20'000 ? 4 : 60;
  std::vector<double> weights(net.places, 1.0 / net.places), load(net.places);
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    best = std::max(best, WeightedWork(net, weights, load));
    // Where much lies, a second is worth more.
    const double most = *std::max_element(load.begin(), load.end());
    if (!(most > 0) || !std::isfinite(most)) break;
    double sum = 0;
    for (uint32_t place = 0; place < net.places; ++place) {
      weights[place] *= std::exp(load[place] / most / (1 + 0.2 * round));
      sum += weights[place];
    }
    for (double& weight : weights) weight /= sum;
  }
  return best * (1 - 1e-9);  // sums are rounded, and the weights may add up to a little more than 1
}

}  // namespace

double PlacementNet::Travel(uint32_t from, uint32_t to, uint64_t travelling) const {
  if (from == to) return 0;
  const PlacementProblem::Link& link = problem.links[from * places + to];
  if (travelling == 0) return link.latency_seconds;
  return link.latency_seconds + link.seconds_per_byte * static_cast<double>(travelling);
}

Result<PlacementNet> MakePlacementNet(const PlacementProblem& problem) {
  TRY(CheckNumbers(problem));
  PlacementNet net{.problem = problem, .ops = problem.ops(), .places = problem.places};
  net.before = ListsOf(net.ops, problem.edges, &Edge::after, &Edge::before);
  net.after = ListsOf(net.ops, problem.edges, &Edge::before, &Edge::after);
  TRY(FindOrder(net));
  FindLevels(net);
  FindRanks(net);
  return net;
}

double PlacementBound(const PlacementNet& net) {
  double bound = WorkBound(net);
  for (uint32_t op = 0; op < net.ops; ++op) {
    const auto first = net.levels.begin() + static_cast<ptrdiff_t>(size_t{op} * net.places);
    bound = std::max(bound, *std::min_element(first, first + net.places));
  }
  return bound;
}

PlacementTimes::PlacementTimes(const PlacementNet& net)
    : net_(net),
      start_(net.ops),
      end_(net.ops),
      free_((size_t{net.ops} + 1) * net.places),
      last_(size_t{net.ops} + 1) {}

double PlacementTimes::Evaluate(std::span<const uint32_t> order, std::span<const uint32_t> place,
                                size_t from, double most) {
  const uint32_t places = net_.places;
  for (size_t i = from; i < order.size(); ++i) {
    const uint32_t op = order[i], here = place[op];
    const double* const free = &free_[i * places];
    double start = free[here];
    for (const PlacementNet::Neighbour& before : net_.before[op]) {
      start = std::max(start, end_[before.op] + net_.Travel(place[before.op], here, before.bytes));
    }
    start_[op] = start;
    end_[op] = start + net_.Seconds(op, here);
    std::copy(free, free + places, &free_[(i + 1) * places]);
    free_[(i + 1) * places + here] = end_[op];
    last_[i + 1] = std::max(last_[i], end_[op]);
    if (start + net_.levels[op * places + here] > most) return PlacementProblem::kNever;
  }
  return last_[order.size()];
}

}  // namespace tinyai
