#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"

namespace tinyai {

// The element types of ONNX, with its ids.
enum class OnnxType : uint32_t {
  kFloat = 1,
  kU8 = 2,
  kI8 = 3,
  kU16 = 4,
  kI16 = 5,
  kI32 = 6,
  kI64 = 7,
  kText = 8,
  kBool = 9,
  kF16 = 10,
  kF64 = 11,
  kU32 = 12,
  kU64 = 13,
  kBF16 = 16,
};
// Bytes of an element; 0 for a type that we do not read.
size_t ElementBytes(OnnxType type);

// A tensor of an ONNX model: elements in their order, little-endian, in one piece of a file; or
// here, where the file has them in another form.
struct OnnxTensor {
  std::string name;
  OnnxType type = OnnxType::kFloat;
  std::vector<uint64_t> dims;  // outermost first; none: a single number
  uint64_t elements = 0;       // their product, which may be 0
  uint32_t part = 0;           // index in OnnxModel::parts
  uint64_t offset = 0;
  std::vector<std::byte> here;  // instead of part and offset

  uint64_t bytes() const { return elements * ElementBytes(type); }
};

struct OnnxGraphAttribute {};  // the body of an If or a Loop: not read
struct OnnxAttribute {
  std::string name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
               std::shared_ptr<const OnnxTensor>, OnnxGraphAttribute>
      value;
};

struct OnnxNode {
  std::string name, op, domain;              // the domain of ONNX's own ops is empty
  std::vector<std::string> inputs, outputs;  // an empty name: left out
  std::vector<OnnxAttribute> attributes;
  uint64_t offset = 0;  // in the file, for messages
};

struct OnnxInput {
  std::string name;
  OnnxType type = OnnxType::kFloat;
  struct Dim {
    uint64_t size = 0;   // 0: not known
    std::string symbol;  // then, if it has a name
  };
  std::vector<Dim> dims;
};

// An ONNX model as its file has it, without the weights.
struct OnnxModel {
  std::vector<std::string> parts;  // paths: the model, then the files of external data
  uint64_t opset = 0;              // of ONNX's own ops
  std::string name;
  std::deque<OnnxNode> nodes;           // each after those whose results it reads
  std::deque<OnnxTensor> initializers;  // names are unique
  std::vector<OnnxInput> inputs;        // without those that are initializers
  std::vector<std::string> outputs;
};

// Opens the file of that name beside the model; nothing else is ever opened.
using OpenBeside = std::function<Result<std::unique_ptr<ByteSource>>(const std::string& name)>;

// Whether a file is one, by its first bytes or its name.
bool LooksLikeOnnx(const ByteSource& source);
bool StartsLikeOnnx(std::span<const std::byte> start);

// Reads an ONNX model; weights stay where they are. What is held meanwhile and in the end is at
// most 4 MiB and four times the bytes of the file that are no weights. Errors ONNX_PARSE,
// ONNX_TYPE, ONNX_PATH and ONNX_DATA (external data), those of `open`. `parts_out` receives the
// sources in the order of OnnxModel::parts.
Result<OnnxModel> ReadOnnx(std::unique_ptr<ByteSource> source, const OpenBeside& open,
                           std::vector<std::unique_ptr<ByteSource>>& parts_out);

}  // namespace tinyai
