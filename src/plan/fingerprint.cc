#include "plan/fingerprint.h"

#include <bit>
#include <variant>

#include "fmt/format.h"
#include "graph/attributes.h"

namespace tinyai {
namespace {

void AddKind(Fingerprint& out, const OpKind& kind) {
  out.Add(uint64_t{kind.index()});
  const auto add = [&out](std::string_view, const auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (requires { field.begin(); }) {
      out.Add(uint64_t{field.size()});
      for (const auto item : field) out.Add(uint64_t{item});
    } else if constexpr (std::is_floating_point_v<Field>) {
      out.Add(double{field});
    } else {
      out.Add(static_cast<uint64_t>(field));
    }
  };
  std::visit([&](const auto& it) { VisitAttributes(it, add); }, kind);
}

void AddOp(Fingerprint& out, const Op& op) {
  out.Add(op.name);
  AddKind(out, op.kind);
  out.Add(uint64_t{op.ins.size()});
  for (const ValueId id : op.ins) out.Add(uint64_t{Index(id)});
  out.Add(uint64_t{op.weights.size()});
  for (const WeightId id : op.weights) out.Add(uint64_t{Index(id)});
  out.Add(op.out ? uint64_t{Index(*op.out)} + 1 : 0);
}

void AddAttention(Fingerprint& out, const AttentionShape& shape) {
  out.Add(shape.layers).Add(shape.heads).Add(shape.kv_heads).Add(shape.head_dim);
  out.Add(shape.value_head_dim).Add(shape.window).Add(double{shape.scale});
}

}  // namespace

void Fingerprint::AddByte(uint8_t byte) { state_ = (state_ ^ byte) * 0x100000001b3; }

Fingerprint& Fingerprint::Add(uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) AddByte(static_cast<uint8_t>(number >> shift));
  return *this;
}

Fingerprint& Fingerprint::Add(double number) { return Add(std::bit_cast<uint64_t>(number)); }

Fingerprint& Fingerprint::Add(std::string_view text) {
  Add(uint64_t{text.size()});
  for (const char c : text) AddByte(static_cast<uint8_t>(c));
  return *this;
}

uint64_t ModelFingerprint(const Graph& graph) {
  Fingerprint out;
  out.Add(graph.architecture).Add(graph.name).Add(graph.vocabulary).Add(graph.width);
  AddAttention(out, graph.attention);
  out.Add(graph.rope.dims).Add(uint64_t{graph.rope.adjacent}).Add(graph.rope.base);
  for (const Weight& weight : graph.weights) {
    out.Add(weight.name).Add(static_cast<uint64_t>(weight.type)).Add(weight.rows).Add(weight.cols);
    out.Add(uint64_t{weight.part}).Add(weight.offset).Add(weight.bytes);
  }
  for (const Value& value : graph.values) {
    out.Add(value.name).Add(static_cast<uint64_t>(value.rows)).Add(value.width);
    out.Add(static_cast<uint64_t>(value.element)).Add(value.row_bytes);
  }
  for (const Op& op : graph.ops) AddOp(out, op);
  for (const ValueId id : graph.outputs) out.Add(uint64_t{Index(id)});
  return out.value();
}

std::string FingerprintText(uint64_t fingerprint) { return fmt::format("{:016x}", fingerprint); }

}  // namespace tinyai
