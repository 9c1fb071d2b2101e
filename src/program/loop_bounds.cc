#include "program/loop_bounds.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "program/program_net.h"

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

Body BodyOf(const CompiledProgram& compiled) {
  Body body;
  for (const NetOp& op : compiled.net.ops) body.names.push_back(op.name);
  for (const NetNeed& need : Needs(compiled.net)) {
    if (need.kind != NetNeed::Kind::kData) continue;
    const bool crosses = compiled.details.place_of[Index(need.earlier)] !=
                         compiled.details.place_of[Index(need.later)];
    body.edges.push_back(
        {Index(need.earlier), Index(need.later), crosses ? 1 : 0, int64_t{need.distance}});
  }
  return body;
}

}  // namespace

Certificate::LoopFigures BoundLoop(const CompiledProgram& compiled) {
  Certificate::LoopFigures out;
  const ProgramLoop& loop = compiled.program.loops[compiled.body->loop];
  out.name = LoopName(compiled.program, loop);
  out.syncs = compiled.plan.syncs();
  out.fences = compiled.plan.fences.size();
  out.window = compiled.body->window;
  out.iterations = loop.trips;
  constexpr size_t kMostWork = 4'000'000;  // a fraction of a second
  const Body body = BodyOf(compiled);
  if (body.names.size() * body.edges.size() > kMostWork) return out;
  std::vector<size_t> circle;
  const Ratio most = CycleFinder(body).Most(circle);
  if (most.crossings == 0) return out;
  // From the op that comes first in the program.
  const auto from = [&](size_t a, size_t b) { return body.edges[a].from < body.edges[b].from; };
  std::rotate(circle.begin(), std::min_element(circle.begin(), circle.end(), from), circle.end());
  out.lower_bound = static_cast<double>(most.crossings) / static_cast<double>(most.distance);
  for (const size_t edge : circle) {
    const std::string& name = body.names[body.edges[edge].from];
    std::string plain = name.substr(0, name.find('@'));
    if (out.witness.empty() || out.witness.back() != plain) out.witness.push_back(std::move(plain));
  }
  if (out.witness.back() != out.witness.front()) out.witness.push_back(out.witness.front());
  return out;
}

}  // namespace tinyai
