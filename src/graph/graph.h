#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/index.h"
#include "format/graph_records.h"
#include "graph/op_kinds.h"

namespace tinyai {

enum class ValueId : uint32_t {};
enum class OpId : uint32_t {};
enum class WeightId : uint32_t {};

// How many rows a value has when a chunk of n tokens, or a batch of n samples, goes through the
// graph.
enum class Rows : uint8_t {
  kTokens,  // n
  kLast,    // 1: the chunk's last token
};

// How the elements of a value are kept.
enum class Element : uint8_t {
  kFloat,      // float
  kQuantized,  // 8-bit rows of kernel/quantized_rows.h
};

// What the model computes: `rows` rows of `width` elements. SSA: written by one op.
struct Value {
  std::string name;
  Rows rows;
  uint64_t width;
  Element element;
  uint64_t row_bytes;  // of one row in memory; of a token, a multiple of 64
  Shape shape = {};    // of a row
};

// A weight tensor: `rows` rows of `cols` elements (a vector has one row), `bytes` from `offset` of
// file `part`.
struct Weight {
  std::string name;
  DType type;
  uint64_t rows;
  uint64_t cols;
  uint32_t part;
  uint64_t offset;
  uint64_t bytes;

  uint64_t row_bytes() const { return bytes / rows; }
};

struct Op {
  std::string name;  // "blk.3.ffn_down"
  OpKind kind;
  std::vector<ValueId> ins;
  std::vector<WeightId> weights;
  std::optional<ValueId> out;
  int32_t layer = -1;
  uint64_t scratch_bytes = 0;  // that each worker needs for it; a plan counts them
};

// The angles of rotary embedding (RoFormer, Su et al. 2021) and how they are stretched for contexts
// longer than in training: linear (Chen et al. 2023), YaRN (Peng et al. 2023), or per-frequency
// divisors from the file (Llama 3.1).
struct RopeSettings {
  enum class Scaling : uint8_t { kNone, kLinear, kYarn };
  uint64_t dims = 0;     // elements of a head that turn
  bool adjacent = true;  // pairs are (2i, 2i+1), else (i, i + dims/2)
  double base = 10000;
  Scaling scaling = Scaling::kNone;
  double factor = 1;
  uint64_t original_context = 0;                                                  // YaRN
  double extrapolation = 1, attention_factor = 1, beta_fast = 32, beta_slow = 1;  // YaRN
  std::optional<WeightId> divisors;  // of the frequencies; no op has it as its weight
};

struct AttentionShape {
  uint64_t layers = 0;
  uint64_t heads = 0;
  uint64_t kv_heads = 0;
  uint64_t head_dim = 0;        // of keys and queries
  uint64_t value_head_dim = 0;  // of values
  uint64_t window = 0;          // positions seen, 0: all
  float scale = 0;
  uint64_t kv_width() const { return kv_heads * head_dim; }
  uint64_t value_width() const { return kv_heads * value_head_dim; }
};

// Ops that belong together, as the user counts them: one convolution, or all of a feed-forward
// block with its norm and its residual sum. Executed as one.
struct Layer {
  std::string name;
  LayerRole role = LayerRole::kOther;
  uint32_t first_op = 0, op_count = 0;
  std::vector<ValueId> operands;  // inputs of the graph and what other layers made, as first used
  ValueId output{};
};

// A model as a computation: one pass over a chunk of tokens or a batch of samples, ops in an order
// that may be executed. A text model is one with a vocabulary.
struct Graph {
  std::string architecture;
  std::string name;
  uint64_t vocabulary = 0;
  uint64_t context = 0;  // as trained
  uint64_t width = 0;
  AttentionShape attention;
  RopeSettings rope;
  std::vector<Weight> weights;
  std::vector<Value> values;
  std::vector<Op> ops;
  std::vector<Layer> layers;     // all ops, one layer after the other; inputs belong to the first
  std::vector<ValueId> inputs;   // made by op::Input, by its index; of a text model none
  std::vector<ValueId> outputs;  // what is there when a pass has ended; of a text model the logits
  std::vector<std::string> warnings;

  const Weight& weight(WeightId id) const { return weights[Index(id)]; }
  const Value& value(ValueId id) const { return values[Index(id)]; }
  ValueId logits() const { return outputs[0]; }
  bool is_text() const { return vocabulary != 0; }
  // Makes a layer of all ops since the last one.
  void EndLayer(std::string layer_name, LayerRole role, ValueId output);
  // Bytes of the weights that every pass reads whole: all but an embedding that only has rows
  // taken.
  uint64_t PassBytes() const;
};

}  // namespace tinyai
