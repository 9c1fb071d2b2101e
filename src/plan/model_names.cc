#include "plan/model_names.h"

#include <algorithm>
#include <charconv>

#include "fmt/format.h"
#include "lang/nearest_name.h"
#include "lang/number.h"

namespace tinyai {
namespace {

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string UpTo(const Ref& ref, size_t parts) {
  Ref begin;
  begin.parts.assign(ref.parts.begin(), ref.parts.begin() + static_cast<ptrdiff_t>(parts));
  return DottedName(begin);
}

std::optional<ModelNames::Rows> RowsOf(const std::vector<Expr>& slice) {
  if (slice.size() != 2) return std::nullopt;
  uint64_t bounds[2] = {};
  for (size_t i = 0; i < 2; ++i) {
    const std::optional<uint64_t> bound =
        slice[i].kind == Expr::Kind::kNumber ? WholeNumber(slice[i].text) : std::nullopt;
    if (!bound) return std::nullopt;
    bounds[i] = *bound;
  }
  if (bounds[0] >= bounds[1]) return std::nullopt;
  return ModelNames::Rows{bounds[0], bounds[1]};
}

template <typename Id>
void SortUnique(std::vector<Id>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

constexpr std::string_view kCache = "cache";

}  // namespace

ModelNames::ModelNames(const Graph& graph) : graph_(graph), nodes_(1) {
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    nodes_[Insert(graph.ops[i].name)].ops.push_back(OpId(i));
  }
  for (size_t i = 0; i < graph.weights.size(); ++i) {
    nodes_[Insert(graph.weights[i].name)].weights.push_back(WeightId(i));
  }
  for (uint64_t layer = 0; layer < graph.attention.layers; ++layer) {
    Insert(fmt::format("{}.{}", kCache, layer));
  }
}

uint32_t ModelNames::Insert(std::string_view name) {
  uint32_t at = 0;
  for (;;) {
    const size_t dot = name.find('.');
    const auto next = static_cast<uint32_t>(nodes_.size());
    const auto [child, added] =
        nodes_[at].children.try_emplace(std::string(name.substr(0, dot)), next);
    at = child->second;
    if (added) nodes_.emplace_back();
    if (dot == std::string_view::npos) return at;
    name.remove_prefix(dot + 1);
  }
}

bool ModelNames::Has(std::string_view name) const {
  std::vector<uint32_t> at = {0};
  for (const Ref::Part& part : RefFromDotted(name).parts) {
    if (!Walk(part, at)) return false;
  }
  return true;
}

bool ModelNames::Walk(const Ref::Part& part, std::vector<uint32_t>& at) const {
  std::vector<uint32_t> next;
  const std::optional<uint64_t> first = Number(part.text), last = Number(*part.last);
  for (const uint32_t node : at) {
    const auto& children = nodes_[node].children;
    if (part.last->empty()) {
      const auto child = children.find(part.text);
      if (child == children.end()) return false;
      next.push_back(child->second);
      continue;
    }
    if (!first || !last || *last < *first) return false;
    uint64_t found = 0;
    for (const auto& [name, child] : children) {
      const std::optional<uint64_t> number = Number(name);
      if (!number || *number < *first || *number > *last) continue;
      next.push_back(child);
      ++found;
    }
    if (found != *last - *first + 1) return false;
  }
  at = std::move(next);
  return true;
}

void ModelNames::Collect(uint32_t node, bool with_ops, Named& out) const {
  std::vector<uint32_t> left = {node};
  while (!left.empty()) {
    const Node& one = nodes_[left.back()];
    left.pop_back();
    if (with_ops) out.ops.insert(out.ops.end(), one.ops.begin(), one.ops.end());
    out.weights.insert(out.weights.end(), one.weights.begin(), one.weights.end());
    for (const auto& [name, child] : one.children) left.push_back(child);
  }
}

std::optional<ModelNames::Named> ModelNames::Resolve(const Ref& ref, Diagnostics& out,
                                                     bool with_rows) const {
  std::vector<uint32_t> at = {0};
  for (size_t part = 0; part < ref.parts.size(); ++part) {
    if (Walk(ref.parts[part], at)) continue;
    ReportUnknown(ref, part, at, out);
    return std::nullopt;
  }
  if (!ref.qualifier->empty() || (!ref.slice->empty() && !with_rows)) {
    out.Error("I7", ref.where, fmt::format("'{}' is known as a whole only", DottedName(ref)))
        .Help(ref.qualifier->empty() ? "leave out the rows: only pin and evict take some"
                                     : "leave out what follows the name");
    return std::nullopt;
  }
  Named named{.cache = ref.parts[0].text == kCache};
  if (!ref.slice->empty()) {
    named.rows = RowsOf(ref.slice);
    if (!named.rows) {
      out.Error("I7", ref.where, fmt::format("'{}' is followed by no rows", DottedName(ref)))
          .Help("write them as [0..512]: the first one, and the one after the last");
      return std::nullopt;
    }
  }
  for (const uint32_t node : at) {
    const Node& exact = nodes_[node];
    named.ops.insert(named.ops.end(), exact.ops.begin(), exact.ops.end());
    Collect(node, exact.ops.empty(), named);
  }
  for (const OpId op : named.ops) {
    const std::vector<WeightId>& own = graph_.ops[Index(op)].weights;
    named.weights.insert(named.weights.end(), own.begin(), own.end());
  }
  SortUnique(named.ops);
  SortUnique(named.weights);
  return named;
}

std::vector<std::string_view> ModelNames::EndingWith(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const Op& op : graph_.ops) {
    const std::string_view full = op.name;
    if (full.size() > name.size() && full.ends_with(name) &&
        full[full.size() - name.size() - 1] == '.') {
      out.push_back(full);
    }
  }
  return out;
}

void ModelNames::ReportUnknown(const Ref& ref, size_t part, const std::vector<uint32_t>& at,
                               Diagnostics& out) const {
  const std::string name = DottedName(ref);
  if (ref.parts[part].text.ends_with('\'')) {
    out.Error("A4", ref.where,
              fmt::format("'{}': every value of a model has one definition, no second", name))
        .Help("leave out the '");
    return;
  }
  if (const std::vector<std::string_view> ends = EndingWith(name); !ends.empty()) {
    if (ends.size() > 1) {
      out.Error("A4", ref.where,
                fmt::format("'{}' could be any of {}: '{}' to '{}'", name, ends.size(),
                            ends.front(), ends.back()))
          .Help(fmt::format("write the whole name, or blk.0..{}.{} for all",
                            std::max<uint64_t>(graph_.attention.layers, 1) - 1, name));
      return;
    }
    out.Error("I7", ref.where, fmt::format("no value '{}' in this model", name))
        .Help(fmt::format("did you mean '{}'?", ends.front()));
    return;
  }
  Diagnostic& error = out.Error("I7", ref.where, fmt::format("no value '{}' in this model", name));
  uint64_t least = ~uint64_t{0}, most = 0;
  for (const auto& [child, node] : nodes_[at.front()].children) {
    const std::optional<uint64_t> number = Number(child);
    if (!number) continue;
    least = std::min(least, *number);
    most = std::max(most, *number);
  }
  if (least <= most && Number(ref.parts[part].text)) {
    const std::string before = UpTo(ref, part);
    error.Help(fmt::format("it has {}.{} to {}.{}", before, least, before, most));
    return;
  }
  std::vector<std::string_view> known = {kCache};
  for (const Op& op : graph_.ops) known.push_back(op.name);
  for (const Weight& weight : graph_.weights) known.push_back(weight.name);
  if (const std::string near = NearestName(name, known); !near.empty()) {
    error.Help(fmt::format("did you mean '{}'?", near));
  } else {
    error.Help(
        fmt::format("its ops are '{}' to '{}'", graph_.ops.front().name, graph_.ops.back().name));
  }
}

}  // namespace tinyai
