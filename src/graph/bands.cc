#include "graph/bands.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "fmt/format.h"
#include "graph/shapes.h"

namespace tinyai {
namespace {

// Rows [begin, end) of a map.
struct RowRange {
  int64_t begin = 0, end = 0;

  bool empty() const { return begin >= end; }
  void Add(const RowRange& other) {
    if (other.empty()) return;
    if (empty()) {
      *this = other;
      return;
    }
    begin = std::min(begin, other.begin);
    end = std::max(end, other.end);
  }
  bool operator==(const RowRange&) const = default;
};

int64_t HeightOf(const Graph& graph, ValueId id) {
  return static_cast<int64_t>(graph.value(id).shape[1]);
}
bool IsMap(const Graph& graph, ValueId id) { return graph.value(id).shape.size() == 3; }

int64_t Reach(const op::Window& window) {
  return int64_t{window.size[0] - 1} * window.dilation[0] + 1;
}
bool PadsLessThanAWindow(const op::Window& window) {
  return window.pad_begin[0] < Reach(window) && window.pad_end[0] < Reach(window);
}

// Times that the rows of a nearest resizing are repeated; 0 if it is none.
int64_t RowFactor(const Graph& graph, const Op& op) {
  const auto* const resize = std::get_if<op::Resize>(&op.kind);
  if (resize == nullptr || resize->mode != op::ResizeMode::kNearest) return 0;
  const int64_t in = HeightOf(graph, op.ins[0]), out = HeightOf(graph, *op.out);
  return out % in == 0 ? out / in : 0;
}

// Whether an operand is the same for every row of the result.
bool IsOfEveryRow(const Graph& graph, const Op& op, size_t operand) {
  return operand == 1 && graph.value(op.ins[1]).shape != graph.value(op.ins[0]).shape;
}

bool IsInput(const Op& op) { return std::holds_alternative<op::Input>(op.kind); }

bool IsLocalOp(const Graph& graph, const Op& op) {
  if (!op.out || !IsMap(graph, *op.out)) return false;
  for (size_t i = 0; i < op.ins.size(); ++i) {
    if (IsOfEveryRow(graph, op, i)) {
      const Shape& shape = graph.value(op.ins[i]).shape;
      if (shape.size() >= 2 && shape[shape.size() - 2] != 1) return false;
    } else if (!IsMap(graph, op.ins[i])) {
      return false;
    }
  }
  const OpKind& kind = op.kind;
  if (const auto* conv = std::get_if<op::Conv>(&kind)) return PadsLessThanAWindow(conv->window);
  if (const auto* pool = std::get_if<op::Pool>(&kind)) {
    return !pool->count_padding && PadsLessThanAWindow(pool->window);
  }
  if (const auto* concat = std::get_if<op::Concat>(&kind)) return concat->axis == 0;
  if (const auto* slice = std::get_if<op::Slice>(&kind)) return slice->axis == 0;
  if (const auto* softmax = std::get_if<op::Softmax>(&kind)) return softmax->axis == 0;
  if (std::holds_alternative<op::Resize>(kind)) return RowFactor(graph, op) != 0;
  if (std::holds_alternative<op::Add>(kind) || std::holds_alternative<op::Mul>(kind)) {
    // A vector of weights stands for the last axis alone, or it has rows too.
    return op.weights.empty() ||
           graph.weight(op.weights[0]).cols == graph.value(*op.out).shape.back();
  }
  return std::holds_alternative<op::ConvTranspose>(kind) ||
         std::holds_alternative<op::Activation>(kind) ||
         std::holds_alternative<op::BatchNorm>(kind) || std::holds_alternative<op::SiluMul>(kind);
}

// The rows of the first operand that rows of the result are made of, before they are cut off at the
// borders of the map.
RowRange RowsRead(const Graph& graph, const Op& op, const RowRange& out) {
  const auto through = [&](const op::Window& window) {
    const int64_t stride = window.stride[0], begin = out.begin * stride - window.pad_begin[0];
    return RowRange{begin, begin + (out.end - out.begin - 1) * stride + Reach(window)};
  };
  if (const auto* conv = std::get_if<op::Conv>(&op.kind)) return through(conv->window);
  if (const auto* pool = std::get_if<op::Pool>(&op.kind)) return through(pool->window);
  if (const auto* conv = std::get_if<op::ConvTranspose>(&op.kind)) {
    const int64_t stride = conv->window.stride[0], pad = conv->window.pad_begin[0];
    const int64_t first = out.begin + pad - (Reach(conv->window) - 1);
    const int64_t last = HeightOf(graph, op.ins[0]) - 1;
    const int64_t begin =
        std::min(std::max<int64_t>(0, (first + stride - 1) / stride), (out.begin + pad) / stride);
    return {std::min(begin, last), std::min((out.end - 1 + pad) / stride, last) + 1};
  }
  if (const int64_t factor = RowFactor(graph, op); factor != 0) {
    return {out.begin / factor, (out.end + factor - 1) / factor};
  }
  return out;
}
RowRange Clamp(RowRange rows, int64_t height) {
  return {std::clamp<int64_t>(rows.begin, 0, height - 1), std::clamp<int64_t>(rows.end, 1, height)};
}

// The same op for rows `out` of its result, from rows `in` of its operand.
OpKind KindForRows(const Graph& graph, const Op& op, const RowRange& in, const RowRange& out) {
  OpKind kind = op.kind;
  const auto cut = [&](op::Window& window) {
    const RowRange wanted = RowsRead(graph, op, out);
    window.pad_begin[0] = static_cast<uint32_t>(in.begin - wanted.begin);
    window.pad_end[0] = static_cast<uint32_t>(wanted.end - in.end);
  };
  if (auto* conv = std::get_if<op::Conv>(&kind)) cut(conv->window);
  if (auto* pool = std::get_if<op::Pool>(&kind)) cut(pool->window);
  if (auto* conv = std::get_if<op::ConvTranspose>(&kind)) {
    op::Window& window = conv->window;
    const int64_t stride = window.stride[0];
    const int64_t begin = out.begin - (in.begin * stride - int64_t{window.pad_begin[0]});
    const int64_t whole = (in.end - in.begin - 1) * stride + Reach(window);
    const int64_t end = whole - begin - (out.end - out.begin);
    window.pad_begin[0] = static_cast<uint32_t>(begin);
    window.pad_end[0] = static_cast<uint32_t>(std::max<int64_t>(0, end));
    conv->more[0] = static_cast<uint32_t>(std::max<int64_t>(0, -end));
  }
  if (auto* resize = std::get_if<op::Resize>(&kind)) {
    resize->size[0] = static_cast<uint64_t>(out.end - out.begin);
  }
  return kind;
}

// Copies a graph, with one stretch of its layers in bands.
class BandCutter {
 public:
  BandCutter(const BandedGraph& from, uint32_t first, uint32_t last, uint64_t bands)
      : from_(from), old_(from.graph), first_(first), last_(last), bands_(bands) {
    out_.graph = old_;
    out_.graph.ops.clear();
    out_.graph.values.clear();
    out_.graph.layers.clear();
    const Layer &begin = old_.layers[first], &end = old_.layers[last];
    first_op_ = begin.first_op;
    end_op_ = end.first_op + end.op_count;
  }

  Result<BandedGraph> Cut() {
    FindBorder();
    for (uint32_t i = 0; i < old_.layers.size(); ++i) {
      if (i == first_) TRY(AddBands());
      if (i >= first_ && i <= last_) continue;
      AddLayer(i);
    }
    for (ValueId& id : out_.graph.inputs) id = value_of_.at(Key(id));
    for (ValueId& id : out_.graph.outputs) id = value_of_.at(Key(id));
    out_.changes = from_.changes;
    out_.changes.push_back({GraphChange::Kind::kBands, first_, last_, bands_, Name()});
    return std::move(out_);
  }

 private:
  static uint32_t Key(ValueId id) { return static_cast<uint32_t>(Index(id)); }
  std::string Name() const {
    return fmt::format("{}..{}", old_.layers[first_].name, old_.layers[last_].name);
  }

  // What is made inside, and what of that is needed outside.
  void FindBorder() {
    for (uint32_t i = first_op_; i < end_op_; ++i) {
      if (!IsInput(old_.ops[i])) made_inside_[Key(*old_.ops[i].out)] = true;
    }
    const auto leave = [&](ValueId id) {
      const bool known = std::find(leaving_.begin(), leaving_.end(), id) != leaving_.end();
      if (made_inside_.count(Key(id)) != 0 && !known) leaving_.push_back(id);
    };
    for (uint32_t i = 0; i < old_.ops.size(); ++i) {
      if (i >= first_op_ && i < end_op_) continue;
      for (const ValueId in : old_.ops[i].ins) leave(in);
    }
    for (const ValueId id : old_.outputs) leave(id);
  }

  ValueId AddValue(Value value) {
    out_.graph.values.push_back(std::move(value));
    return ValueId(out_.graph.values.size() - 1);
  }
  void CopyOp(Op op) {
    for (ValueId& in : op.ins) in = value_of_.at(Key(in));
    if (op.out) {
      const ValueId made = AddValue(old_.value(*op.out));
      value_of_[Key(*op.out)] = made;
      op.out = made;
    }
    out_.graph.ops.push_back(std::move(op));
  }
  void AddLayer(uint32_t index) {
    const Layer& layer = old_.layers[index];
    for (uint32_t i = layer.first_op; i < layer.first_op + layer.op_count; ++i) {
      CopyOp(old_.ops[i]);
    }
    out_.graph.EndLayer(layer.name, layer.role, value_of_.at(Key(layer.output)));
    AddMembers(from_.groups[index], out_.groups.emplace_back());
  }
  void AddMembers(const LayerGroup& from, LayerGroup& to) {
    for (const LayerGroup::Member& member : from.members) {
      LayerGroup::Member moved{member.layer, std::nullopt};
      if (member.output) {
        const auto found = value_of_.find(Key(*member.output));
        if (found != value_of_.end()) moved.output = found->second;
      }
      to.members.push_back(moved);
    }
  }

  Status AddBands() {
    for (uint32_t i = first_op_; i < end_op_; ++i) {
      if (IsInput(old_.ops[i])) CopyOp(old_.ops[i]);
    }
    for (uint64_t band = 0; band < bands_; ++band) TRY(AddBand(band));
    const Layer& last = old_.layers[last_];
    const auto output = value_of_.find(Key(last.output));
    if (output == value_of_.end()) {
      return Fail(ErrorCode::kBadFile, "GRAPH_SHAPE", "nobody reads what is cut into bands");
    }
    out_.graph.EndLayer(Name(), last.role, output->second);
    LayerGroup& group = out_.groups.emplace_back();
    for (uint32_t i = first_; i <= last_; ++i) AddMembers(from_.groups[i], group);
    return {};
  }

  RowRange Own(ValueId leaving, uint64_t band) const {
    const auto height = static_cast<uint64_t>(HeightOf(old_, leaving));
    return {static_cast<int64_t>(height * band / bands_),
            static_cast<int64_t>(height * (band + 1) / bands_)};
  }

  Status AddBand(uint64_t band) {
    needed_.clear();
    banded_.clear();
    for (const ValueId id : leaving_) {
      const RowRange own = Own(id, band);
      if (own.empty()) {
        return Fail(ErrorCode::kBadFile, "GRAPH_SHAPE", "there are fewer rows than bands");
      }
      needed_[Key(id)].Add(own);
    }
    for (uint32_t i = end_op_; i-- > first_op_;) FindNeeds(old_.ops[i]);
    for (uint32_t i = first_op_; i < end_op_; ++i) TRY(AddOp(old_.ops[i], band));
    for (const ValueId id : leaving_) TRY(Paste(id, band));
    return {};
  }
  void FindNeeds(const Op& op) {
    RowRange& rows = needed_[Key(*op.out)];
    if (rows.empty() || IsInput(op)) return;
    if (const int64_t factor = RowFactor(old_, op); factor != 0) {
      rows = {rows.begin / factor * factor, (rows.end + factor - 1) / factor * factor};
    }
    const RowRange made = rows;  // a copy: the map grows
    for (size_t i = 0; i < op.ins.size(); ++i) {
      if (IsOfEveryRow(old_, op, i)) continue;
      needed_[Key(op.ins[i])].Add(Clamp(RowsRead(old_, op, made), HeightOf(old_, op.ins[i])));
    }
  }

  std::string BandName(std::string_view name, uint64_t band) const {
    return fmt::format("{}.{}", name, band);
  }
  // Rows of a value, from the band of it that there is, or from outside.
  Result<ValueId> Rows(ValueId id, const RowRange& rows, uint64_t band) {
    const bool inside = made_inside_.count(Key(id)) != 0;
    const ValueId whole = inside ? banded_.at(Key(id)) : value_of_.at(Key(id));
    const RowRange there = inside ? needed_.at(Key(id)) : RowRange{0, HeightOf(old_, id)};
    if (there == rows) return whole;
    return Append(BandName(old_.value(id).name + ".rows", band),
                  op::Slice{1, static_cast<uint64_t>(rows.begin - there.begin),
                            static_cast<uint64_t>(rows.end - there.begin)},
                  {whole}, {});
  }
  Result<ValueId> Append(std::string name, OpKind kind, std::vector<ValueId> ins,
                         std::vector<WeightId> weights) {
    return AppendOp(out_.graph, std::move(name), std::move(kind), std::move(ins),
                    std::move(weights));
  }
  Status AddOp(const Op& op, uint64_t band) {
    const RowRange rows = needed_[Key(*op.out)];
    if (rows.empty() || IsInput(op)) return {};
    std::vector<ValueId> ins;
    RowRange first;
    for (size_t i = 0; i < op.ins.size(); ++i) {
      if (IsOfEveryRow(old_, op, i)) {
        const bool inside = made_inside_.count(Key(op.ins[i])) != 0;
        if (inside) return Fail(ErrorCode::kBadFile, "GRAPH_SHAPE", "a map has no rows");
        ins.push_back(value_of_.at(Key(op.ins[i])));
        continue;
      }
      const RowRange wanted = Clamp(RowsRead(old_, op, rows), HeightOf(old_, op.ins[i]));
      if (i == 0) first = wanted;
      TRY_ASSIGN(ins.emplace_back(), Rows(op.ins[i], wanted, band));
    }
    TRY_ASSIGN(banded_[Key(*op.out)],
               Append(BandName(op.name, band), KindForRows(old_, op, first, rows), std::move(ins),
                      op.weights));
    return {};
  }
  Status Paste(ValueId id, uint64_t band) {
    const RowRange own = Own(id, band);
    TRY_ASSIGN(const ValueId part, Rows(id, own, band));
    std::vector<ValueId> ins;
    if (const auto so_far = value_of_.find(Key(id)); so_far != value_of_.end()) {
      ins.push_back(so_far->second);
    }
    ins.push_back(part);
    const Value& value = old_.value(id);
    const bool last = band + 1 == bands_;
    TRY_ASSIGN(
        const ValueId pasted,
        Append(last ? value.name : BandName(value.name + ".to", band),
               op::Paste{1, static_cast<uint64_t>(own.begin), value.shape}, std::move(ins), {}));
    out_.graph.values[Index(pasted)].row_bytes = value.row_bytes;
    value_of_[Key(id)] = pasted;
    return {};
  }

  const BandedGraph& from_;
  const Graph& old_;
  const uint32_t first_, last_;
  const uint64_t bands_;
  uint32_t first_op_ = 0, end_op_ = 0;
  std::unordered_map<uint32_t, bool> made_inside_;
  std::vector<ValueId> leaving_;
  std::unordered_map<uint32_t, ValueId> value_of_;  // by old value: whole, or what is pasted so far
  std::unordered_map<uint32_t, RowRange> needed_;   // by old value, in this band
  std::unordered_map<uint32_t, ValueId> banded_;    // by old value, in this band
  BandedGraph out_;
};

}  // namespace

BandedGraph WithoutBands(Graph graph) {
  BandedGraph out;
  for (uint32_t i = 0; i < graph.layers.size(); ++i) {
    out.groups.push_back({{{i, graph.layers[i].output}}});
  }
  out.graph = std::move(graph);
  return out;
}

bool IsLocal(const Graph& graph, const Layer& layer) {
  for (uint32_t i = layer.first_op; i < layer.first_op + layer.op_count; ++i) {
    if (!IsInput(graph.ops[i]) && !IsLocalOp(graph, graph.ops[i])) return false;
  }
  return true;
}

Result<BandedGraph> CutIntoBands(const BandedGraph& from, uint32_t first, uint32_t last,
                                 uint64_t bands) {
  return BandCutter(from, first, last, bands).Cut();
}

double Multiplications(const Graph& graph) {
  double sum = 0;
  for (const Op& op : graph.ops) {
    if (!IsProduct(op.kind)) continue;
    const double cols = static_cast<double>(graph.weight(op.weights[0]).cols);
    sum += cols * static_cast<double>(graph.value(*op.out).width);
  }
  return sum;
}

}  // namespace tinyai
