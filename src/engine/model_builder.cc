#include "engine/model_builder.h"

#include <charconv>
#include <optional>

#include "engine/graph_contents.h"
#include "fmt/format.h"
#include "graph/graph_records.h"
#include "os/atomic_file.h"

namespace tinyai {
namespace {

using Attribute = GraphRecords::Attribute;

template <typename Number>
std::optional<Number> WholeNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Attribute> ParseValue(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.find(',') == std::string_view::npos) {
    if (const auto integer = WholeNumber<int64_t>(text)) return *integer;
    if (const auto number = WholeNumber<double>(text)) return *number;
    return std::string(text);
  }
  std::vector<int64_t> list;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::optional<int64_t> item = WholeNumber<int64_t>(text.substr(0, comma));
    if (!item) return std::nullopt;
    list.push_back(*item);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

}  // namespace

Result<std::vector<std::pair<std::string, Attribute>>> ParseAttributes(std::string_view text) {
  std::vector<std::pair<std::string, Attribute>> out;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (text.empty()) return out;
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    const size_t equals = word.find('=');
    std::optional<Attribute> value;
    if (equals != std::string_view::npos && equals > 0) value = ParseValue(word.substr(equals + 1));
    if (!value) {
      return Fail(
          ErrorCode::kUsage, "ARG_VALUE",
          fmt::format("'{}' is no attribute; write name=value, and values without spaces", word));
    }
    out.emplace_back(word.substr(0, equals), std::move(*value));
  }
}

Result<ValueId> ModelBuilder::AddInput(std::string name, Shape shape) {
  return builder_.Input(std::move(name), std::move(shape));
}

Result<WeightId> ModelBuilder::AddWeight(std::string name, DType type, uint64_t rows, uint64_t cols,
                                         WeightSource source) {
  TRY_ASSIGN(const WeightId id, builder_.Weight(std::move(name), type, rows, cols));
  sources_.push_back(std::move(source));
  return id;
}

Result<ValueId> ModelBuilder::AddOp(std::string name, std::string kind, std::string_view attributes,
                                    std::vector<ValueId> ins, std::vector<WeightId> weights) {
  GraphRecords::Op record{.name = name, .kind = std::move(kind)};
  TRY_ASSIGN(record.attributes, ParseAttributes(attributes));
  TRY_ASSIGN(OpKind op, OpKindFromRecord(record));
  return builder_.Add(std::move(name), std::move(op), std::move(ins), std::move(weights));
}

Status ModelBuilder::Save(const std::string& path) const {
  LayerBuilder copy = builder_;
  TRY_ASSIGN(const Graph graph, copy.Finish());
  std::vector<uint32_t> order;
  TmaiContents contents = ContentsOf(graph, name_, order);
  TRY_ASSIGN(const uint64_t bytes, LayOutTmai(contents));
  TRY_ASSIGN(const std::unique_ptr<AtomicFile> out,
             AtomicFile::Create(path, {.replace = true, .bytes = bytes}));
  const TensorSource source = [&](size_t index, uint64_t offset, std::span<std::byte> to) {
    return sources_[order[index]](offset, to);
  };
  TRY(WriteTmai(contents, source, *out));
  return out->Commit();
}

}  // namespace tinyai
