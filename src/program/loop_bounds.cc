#include "program/loop_bounds.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "fmt/format.h"
#include "fmt/ranges.h"

namespace tinyai {
namespace {

// What one iteration needs of itself and of the one before.
struct Body {
  struct Edge {
    size_t from = 0, to = 0;
    int64_t crossings = 0, distance = 0;
  };
  std::vector<std::string> names;
  std::vector<Edge> edges;
};

struct Ratio {
  int64_t crossings = 0, distance = 1;
};

class CycleFinder {
 public:
  explicit CycleFinder(const Body& body) : body_(body) {}

  // The most crossings for each iteration, with a circle that has them. Each circle that is better
  // than the best so far becomes that, until there is none.
  Ratio Most(std::vector<size_t>& circle) const {
    Ratio best;
    for (std::vector<size_t> better = Better(best); !better.empty(); better = Better(best)) {
      Ratio sum{0, 0};
      for (const size_t edge : better) {
        sum.crossings += body_.edges[edge].crossings;
        sum.distance += body_.edges[edge].distance;
      }
      best = sum;
      circle = std::move(better);
    }
    return best;
  }

 private:
  // A circle, as edges, with a greater ratio; empty if there is none (Bellman and Ford).
  std::vector<size_t> Better(const Ratio& than) const {
    const size_t nodes = body_.names.size();
    std::vector<int64_t> longest(nodes, 0);
    std::vector<std::optional<size_t>> came(nodes);
    std::optional<size_t> changed;
    for (size_t round = 0; round <= nodes; ++round) {
      changed.reset();
      for (size_t i = 0; i < body_.edges.size(); ++i) {
        const Body::Edge& edge = body_.edges[i];
        const int64_t weight = edge.crossings * than.distance - edge.distance * than.crossings;
        if (longest[edge.from] + weight <= longest[edge.to]) continue;
        longest[edge.to] = longest[edge.from] + weight;
        came[edge.to] = i;
        changed = edge.to;
      }
      if (!changed) return {};
    }
    size_t at = *changed;
    for (size_t i = 0; i < nodes; ++i) at = body_.edges[*came[at]].from;
    std::vector<size_t> circle;
    for (const size_t begin = at; circle.empty() || at != begin;) {
      circle.push_back(*came[at]);
      at = body_.edges[circle.back()].from;
    }
    std::reverse(circle.begin(), circle.end());
    return circle;
  }

  const Body& body_;
};

// "t'" for "t[3]'"; nothing if the name is not of that iteration.
std::optional<std::string> WithoutIteration(const std::string& name, int64_t iteration) {
  const std::string ending = fmt::format("[{}]", iteration);
  const size_t at = name.rfind(ending);
  if (at == std::string::npos) return std::nullopt;
  return name.substr(0, at) + name.substr(at + ending.size());
}

Body BodyOf(const CompiledProgram& compiled, const UnrolledLoop& loop) {
  Body body;
  std::map<std::string, size_t> nodes;
  std::vector<std::optional<size_t>> first(compiled.net.ops.size()), second(first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    const std::string& name = compiled.net.ops[i].name;
    const auto in_second = WithoutIteration(name, loop.begin + 2);
    const auto in_first = WithoutIteration(name, loop.begin + 1);
    if (!in_second && !in_first) continue;
    const auto [node, added] = nodes.try_emplace(in_second ? *in_second : *in_first, nodes.size());
    if (added) body.names.push_back(node->first);
    (in_second ? second : first)[i] = node->second;
  }
  for (const NetNeed& need : Needs(compiled.net)) {
    const auto to = second[Index(need.later)];
    const auto same = second[Index(need.earlier)], before = first[Index(need.earlier)];
    if (!to || (!same && !before) || need.kind != NetNeed::Kind::kData) continue;
    const bool crosses = compiled.details.place_of[Index(need.earlier)] !=
                         compiled.details.place_of[Index(need.later)];
    body.edges.push_back({same ? *same : *before, *to, crosses ? 1 : 0, same ? 0 : 1});
  }
  return body;
}

}  // namespace

std::vector<Certificate::LoopBound> BoundLoops(const CompiledProgram& compiled) {
  constexpr size_t kMostWork = 4'000'000;  // a fraction of a second
  std::vector<Certificate::LoopBound> out;
  for (const UnrolledLoop& loop : compiled.program.unrolled) {
    if (loop.end - loop.begin < 3) continue;
    const Body body = BodyOf(compiled, loop);
    if (body.names.size() * body.edges.size() > kMostWork) continue;
    std::vector<size_t> circle;
    const Ratio most = CycleFinder(body).Most(circle);
    if (most.crossings == 0) continue;
    Certificate::LoopBound& bound = out.emplace_back();
    bound.name = loop.name;
    bound.syncs = static_cast<double>(most.crossings) / static_cast<double>(most.distance);
    for (const size_t edge : circle) {
      const std::string& name = body.names[body.edges[edge].from];
      bound.witness.push_back(name.substr(0, name.find('@')));
    }
    bound.witness.push_back(bound.witness.front());
  }
  return out;
}

}  // namespace tinyai
