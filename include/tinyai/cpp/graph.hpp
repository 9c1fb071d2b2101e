#pragma once

#include <tinyai/builder.h>
#include <tinyai/cpp/graph_options.hpp>
#include <tinyai/cpp/model.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tinyai {
inline namespace v0 {

// Makes a .tmai file of a layer graph from nothing, op by op. The first mistake is kept: what is
// made after it is nothing, and Save tells it. One thread at a time uses a graph.
//
// Values are of one sample, outermost axis first: {channels, height, width}, {length, width},
// {width}. An op's weights are matrices of rows and columns; docs/api/cpp.md has the shapes of all.
class Graph {
 public:
  // Numbers of what the graph has; of another graph they are wrong.
  struct Value {
    int id = -1;
  };
  struct Weight {
    int id = -1;
  };
  // Fills `out` with bytes of a weight, from `offset` of it on; false ends the saving.
  using WeightSource = std::function<bool(std::uint64_t offset, std::span<std::byte> out)>;

  explicit Graph(const std::string& name = "") : builder_(tinyaiCreateModelBuilder(name.c_str())) {
    if (!builder_) error_ = detail::LastError();
  }

  // An input of the model, of 1 to 4 axes. Errors, here and below: ARG_VALUE, GRAPH_OP,
  // GRAPH_SHAPE.
  Value Input(const std::string& name, std::span<const std::size_t> shape) {
    return Take<Value>(tinyaiBuilderAddInput(builder_.get(), name.c_str(), shape.data(),
                                             static_cast<int>(shape.size())));
  }
  Value Input(const std::string& name, std::initializer_list<std::size_t> shape) {
    return Input(name, std::span(shape.begin(), shape.size()));
  }

  // A matrix of `rows` rows of `cols` numbers, or a vector (one row). `data` is read by Save. Error
  // ARG_VALUE besides if it has another size.
  Weight AddWeight(const std::string& name, std::size_t rows, std::size_t cols,
                   std::span<const float> data) {
    return AddWeight(name, "F32", rows, cols, std::as_bytes(data));
  }
  Weight AddVector(const std::string& name, std::span<const float> data) {
    return AddWeight(name, 1, data.size(), data);
  }
  // The same in a format such as "F16" or "Q8_0", with the bytes as the file has them: of Q8_0, 34
  // for each 32 numbers. Only the size of F32 is checked.
  Weight AddWeight(const std::string& name, const std::string& format, std::size_t rows,
                   std::size_t cols, std::span<const std::byte> data) {
    if (format == "F32" && (rows == 0 || data.size() / sizeof(float) / rows != cols ||
                            data.size() != rows * cols * sizeof(float))) {
      Fail("ARG_VALUE", name + ": " + std::to_string(data.size() / sizeof(float)) +
                            " numbers are given for " + std::to_string(rows) + " x " +
                            std::to_string(cols));
    }
    if (error_) return {};
    return Take<Weight>(tinyaiBuilderAddWeight(builder_.get(), name.c_str(), format.c_str(), rows,
                                               cols, data.data()));
  }
  // For weights that do not fit in memory: Save asks for them piece by piece.
  Weight AddWeight(const std::string& name, const std::string& format, std::size_t rows,
                   std::size_t cols, WeightSource source) {
    if (error_) return {};
    sources_.push_back(std::make_unique<WeightSource>(std::move(source)));
    return Take<Weight>(tinyaiBuilderAddStreamedWeight(builder_.get(), name.c_str(), format.c_str(),
                                                       rows, cols, Ask, sources_.back().get()));
  }

  // An op of any kind with its attributes as text, such as "size=3,3 stride=2,2". The functions
  // below are this with the attributes of their kind.
  Value Op(const std::string& name, const std::string& kind, const std::string& attributes,
           std::initializer_list<Value> operands, std::initializer_list<Weight> weights = {}) {
    if (error_) return {};
    std::vector<int> ins, own;
    for (const Value& value : operands) ins.push_back(value.id);
    for (const Weight& weight : weights) own.push_back(weight.id);
    return Take<Value>(tinyaiBuilderAddOp(
        builder_.get(), name.c_str(), kind.c_str(), attributes.c_str(), ins.data(),
        static_cast<int>(ins.size()), own.data(), static_cast<int>(own.size())));
  }

  // [.., cols] -> [.., rows]: a row of `matrix` for each number of the result. `bias`: [rows].
  Value Dense(const std::string& name, Value in, Weight matrix, std::optional<Weight> bias = {}) {
    return WithBias(name, "dense", "", in, matrix, bias);
  }
  // [C, H, W] or [C, L] -> [rows, ..]. `kernel`: a row for each channel of the result, of
  // C / groups x height x width numbers. `bias`: [rows].
  Value Conv(const std::string& name, Value in, Weight kernel, const ConvOptions& options,
             std::optional<Weight> bias = {}) {
    return WithBias(name, "conv", options.Text(), in, kernel, bias);
  }
  // Its transpose, with the kernel as above.
  Value ConvTranspose(const std::string& name, Value in, Weight kernel,
                      const ConvTransposeOptions& options, std::optional<Weight> bias = {}) {
    return WithBias(name, "conv_transpose", options.Text(), in, kernel, bias);
  }
  Value MaxPool(const std::string& name, Value in, const PoolOptions& options) {
    return Op(name, "pool", "kind=max " + options.Text(), {in});
  }
  Value AveragePool(const std::string& name, Value in, const PoolOptions& options) {
    return Op(name, "pool", "kind=average " + options.Text(), {in});
  }
  // [C, ..] -> [C, 1, ..].
  Value GlobalMaxPool(const std::string& name, Value in) {
    return Op(name, "global_pool", "kind=max", {in});
  }
  Value GlobalAveragePool(const std::string& name, Value in) {
    return Op(name, "global_pool", "kind=average", {in});
  }

  // By the first axis, of C: four vectors of C.
  Value BatchNorm(const std::string& name, Value in, Weight scale, Weight shift, Weight mean,
                  Weight variance, double epsilon = 1e-5) {
    return Op(name, "batch_norm", detail::Attribute("epsilon", epsilon), {in},
              {scale, shift, mean, variance});
  }
  // Of the last axis, with vectors of its size.
  Value LayerNorm(const std::string& name, Value in, Weight scale, std::optional<Weight> shift = {},
                  double epsilon = 1e-5) {
    return WithBias(name, "layer_norm", detail::Attribute("epsilon", epsilon), in, scale, shift);
  }
  // Of every `group` numbers of the last axis, with a vector of that size.
  Value RmsNorm(const std::string& name, Value in, Weight scale, std::size_t group,
                double epsilon = 1e-5) {
    return Op(name, "rms_norm",
              detail::Attribute("epsilon", epsilon) + detail::Attribute("group", group), {in},
              {scale});
  }
  // Of each of `groups` groups of the first axis, of C: vectors of C.
  Value GroupNorm(const std::string& name, Value in, std::size_t groups, Weight scale, Weight shift,
                  double epsilon = 1e-5) {
    return Op(name, "group_norm",
              detail::Attribute("groups", groups) + detail::Attribute("epsilon", epsilon), {in},
              {scale, shift});
  }

  // `alpha`: of kLeakyRelu the slope below 0, of kClip the upper bound.
  Value Activate(const std::string& name, Value in, Function function, double alpha = 0) {
    return Op(name, "activation",
              detail::Attribute("function", NameOf(function)) + detail::Attribute("alpha", alpha),
              {in});
  }
  // silu(gate) * in, of one shape.
  Value SiluMul(const std::string& name, Value gate, Value in) {
    return Op(name, "silu_mul", "", {gate, in});
  }
  // The second may have axes of size 1 where the first has more, and lack outermost axes.
  Value Add(const std::string& name, Value a, Value b) { return Op(name, "add", "", {a, b}); }
  Value Add(const std::string& name, Value a, Weight b) { return Op(name, "add", "", {a}, {b}); }
  Value Mul(const std::string& name, Value a, Value b) { return Op(name, "mul", "", {a, b}); }
  Value Mul(const std::string& name, Value a, Weight b) { return Op(name, "mul", "", {a}, {b}); }

  Value Concat(const std::string& name, std::initializer_list<Value> parts, std::size_t axis) {
    return Op(name, "concat", detail::Attribute("axis", axis), parts);
  }
  // [begin, end) of an axis; a split is one of these for each part.
  Value Slice(const std::string& name, Value in, std::size_t axis, std::size_t begin,
              std::size_t end) {
    return Op(name, "slice",
              detail::Attribute("axis", axis) + detail::Attribute("begin", begin) +
                  detail::Attribute("end", end),
              {in});
  }
  Value Reshape(const std::string& name, Value in, const std::vector<std::size_t>& shape) {
    return Op(name, "reshape", detail::Attribute("shape", shape), {in});
  }
  // Axis i of the result is axis order[i] of the operand.
  Value Transpose(const std::string& name, Value in, const std::vector<std::size_t>& order) {
    return Op(name, "transpose", detail::Attribute("order", order), {in});
  }
  // By axis.
  Value Pad(const std::string& name, Value in, const std::vector<std::size_t>& before,
            const std::vector<std::size_t>& after, PadMode mode = PadMode::kConstant,
            double value = 0) {
    return Op(name, "pad",
              detail::Attribute("before", before) + detail::Attribute("after", after) +
                  detail::Attribute("mode", NameOf(mode)) + detail::Attribute("value", value),
              {in});
  }
  // To `size`: all axes but the first.
  Value Resize(const std::string& name, Value in, const std::vector<std::size_t>& size,
               ResizeMode mode = ResizeMode::kNearest, bool align_corners = false) {
    return Op(name, "resize",
              detail::Attribute("size", size) + detail::Attribute("mode", NameOf(mode)) +
                  detail::Attribute("align_corners", std::size_t{align_corners}),
              {in});
  }
  Value Softmax(const std::string& name, Value in, std::size_t axis) {
    return Op(name, "softmax", detail::Attribute("axis", axis), {in});
  }
  // Of neighbouring axes; they stay with size 1 where `keep`.
  Value Reduce(const std::string& name, Value in, Reduction kind,
               const std::vector<std::size_t>& axes, bool keep = false) {
    return Op(name, "reduce",
              detail::Attribute("kind", NameOf(kind)) + detail::Attribute("axes", axes) +
                  detail::Attribute("keep", std::size_t{keep}),
              {in});
  }
  // ids as numbers, [T] -> [T, cols]: the rows of `table`.
  Value Lookup(const std::string& name, Value ids, Weight table) {
    return Op(name, "lookup", "", {ids}, {table});
  }
  // q [T, heads * d], k [S, kv_heads * d], v [S, kv_heads * e] -> [T, heads * e].
  Value Attention(const std::string& name, Value q, Value k, Value v,
                  const AttentionOptions& options) {
    return Op(name, "attention", options.Text(), {q, k, v});
  }
  // `gates`: the input's part of every gate, [T, 4 H] or, of a GRU, [T, 3 H], which a Dense makes.
  // `matrix`: a row of H for each gate and unit; `bias`: their vector. Gates as PyTorch has them.
  // -> [T, H]; with `state`, of an LSTM [T, 2, H].
  Value Recurrent(const std::string& name, Value gates, Weight matrix,
                  const RecurrentOptions& options, std::optional<Weight> bias = {}) {
    return WithBias(name, "recurrent", options.Text(), gates, matrix, bias);
  }

  // Makes a layer of all ops since the last one; its result is what the last of them makes. Returns
  // its number, -1 after a mistake.
  int EndLayer(const std::string& name, Role role = Role::kOther) {
    if (error_) return -1;
    return Take<Value>(tinyaiBuilderEndLayer(builder_.get(), name.c_str(),
                                             static_cast<TinyAILayerRole>(role)))
        .id;
  }

  // The first mistake, if there is one.
  const std::optional<Error>& error() const { return error_; }

  // Writes the file; what was at `path` stays until the new one is whole. Errors: the first
  // mistake, GRAPH_OP, CANCELLED (a source returned false), those of writing.
  Status Save(const std::string& path) const {
    if (error_) return *error_;
    return detail::StatusOf(tinyaiSaveBuiltModel(builder_.get(), path.c_str()));
  }

 private:
  struct Free {
    void operator()(TinyAIModelBuilder* builder) const { tinyaiFreeModelBuilder(builder); }
  };

  template <typename Id>
  Id Take(int id) {
    if (id < 0 && !error_) error_ = detail::LastError();
    return error_ ? Id{} : Id{id};
  }
  void Fail(const char* key, std::string message) {
    if (!error_) error_ = Error{TINYAI_ERROR_USAGE, key, std::move(message)};
  }
  Value WithBias(const std::string& name, const char* kind, const std::string& attributes, Value in,
                 Weight weight, std::optional<Weight> bias) {
    return bias ? Op(name, kind, attributes, {in}, {weight, *bias})
                : Op(name, kind, attributes, {in}, {weight});
  }
  static bool Ask(void* source, std::uint64_t offset, void* out, std::size_t size) {
    return (*static_cast<WeightSource*>(source))(offset, {static_cast<std::byte*>(out), size});
  }

  std::unique_ptr<TinyAIModelBuilder, Free> builder_;
  std::deque<std::unique_ptr<WeightSource>> sources_;  // the builder asks them when it saves
  std::optional<Error> error_;
};

}  // namespace v0
}  // namespace tinyai
