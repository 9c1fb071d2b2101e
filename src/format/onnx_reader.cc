// The layout of an ONNX file, a protobuf message (field numbers of onnx.proto3):
//
//   model   1 IR version, 7 graph, 8 operator sets {1 domain, 2 version}
//   graph   1 nodes, 2 name, 5 initializers (tensors), 11 inputs, 12 outputs
//   node    1 inputs, 2 outputs, 3 name, 4 op, 5 attributes, 7 domain
//   attribute  1 name, 2 float, 3 integer, 4 text, 5 tensor, 6 graph, 7 floats, 8 integers,
//           9 texts, 11 graphs
//   value   1 name, 2 type {1 tensor {1 element type, 2 shape {1 dim {1 size, 2 symbol}}}}
//
// Fields may come in any order; every message is read where it lies, and weights are passed over.

#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "fmt/format.h"
#include "format/gguf_input.h"
#include "format/limits.h"
#include "format/onnx_tensor.h"

namespace tinyai {
namespace {

using Type = ProtoField::Type;

// Bodies of loops in bodies of loops: as deep as JSON may be.
constexpr int kMostDepth = 64;
constexpr uint64_t kMostTextAttribute = uint64_t{64} << 10;

class Reader {
 public:
  Reader(OnnxFile& file, OnnxModel& model) : file_(file), model_(model) {}

  Status Read() {
    const uint64_t size = file_.source().size();
    std::optional<ProtoField> graph;
    TRY(ForFields({.type = Type::kBytes, .size = size}, [&](const ProtoField& field) -> Status {
      if (field.number == 7 && field.type == Type::kBytes) {
        if (graph) return file_.Bad(field.offset, "there are two graphs");
        graph = field;
      }
      return field.number == 8 ? ReadOpset(field) : Status();
    }));
    if (!graph) return file_.Bad(0, "there is no graph");
    TRY(ReadGraph(*graph));
    return DropKnownInputs();
  }

 private:
  template <typename Visit>
  Status ForFields(const ProtoField& message, Visit&& visit) {
    if (message.type != Type::kBytes) return file_.Bad(message.offset, "a message is a number");
    ProtoReader in(file_.window(), message);
    ProtoField field;
    while (true) {
      TRY_ASSIGN(const bool more, in.Next(field));
      if (!more) return {};
      TRY(visit(field));
    }
  }
  // A list that grows is there twice for a moment.
  template <typename Item>
  Status Keep(const ProtoField& field, std::vector<Item>& list, Item item, uint64_t more = 0) {
    TRY(file_.Keep(field.offset, sizeof(Item) + more, 2 * list.size() * sizeof(Item)));
    list.push_back(std::move(item));
    return {};
  }
  Status KeepName(const ProtoField& field, std::vector<std::string>& list) {
    TRY_ASSIGN(std::string name, file_.Name(field));
    const uint64_t size = name.size();
    return Keep(field, list, std::move(name), size);
  }

  Status ReadOpset(const ProtoField& message) {
    std::string domain;
    uint64_t version = 0;
    TRY(ForFields(message, [&](const ProtoField& field) -> Status {
      if (field.number == 2) version = field.value;
      if (field.number != 1) return {};
      TRY_ASSIGN(domain, file_.Name(field));
      return {};
    }));
    if (domain.empty() || domain == "ai.onnx") model_.opset = version;
    return {};
  }

  Status ReadGraph(const ProtoField& message) {
    return ForFields(message, [&](const ProtoField& field) -> Status {
      switch (field.number) {
        case 1:
          return ReadNode(field);
        case 2: {
          TRY_ASSIGN(model_.name, file_.Name(field));
          return {};
        }
        case 5: {
          if (field.type != Type::kBytes) return file_.Bad(field.offset, "a message is a number");
          TRY_ASSIGN(OnnxTensor tensor, ReadOnnxTensor(file_, field));
          model_.initializers.push_back(std::move(tensor));
          return {};
        }
        case 11:
          return ReadInput(field);
        case 12:
          return ReadOutput(field);
        default:
          return {};
      }
    });
  }

  Status ReadNode(const ProtoField& message) {
    OnnxNode node;
    node.offset = message.offset;
    file_.Expect(message.size);
    TRY(ForFields(message, [&](const ProtoField& field) -> Status {
      switch (field.number) {
        case 1:
          return KeepName(field, node.inputs);
        case 2:
          return KeepName(field, node.outputs);
        case 3: {
          TRY_ASSIGN(node.name, file_.Name(field));
          return {};
        }
        case 4: {
          TRY_ASSIGN(node.op, file_.Name(field));
          return {};
        }
        case 5:
          return ReadAttribute(field, node.attributes);
        case 7: {
          TRY_ASSIGN(node.domain, file_.Name(field));
          return {};
        }
        default:
          return {};
      }
    }));
    if (node.op.empty()) return file_.Bad(message.offset, "a node has no op");
    if (node.domain == "ai.onnx") node.domain.clear();
    if (model_.nodes.size() == kMaxGraphValues) return file_.Bad(message.offset, "too many nodes");
    node.inputs.shrink_to_fit();
    node.outputs.shrink_to_fit();
    node.attributes.shrink_to_fit();
    const uint64_t texts = node.name.size() + node.op.size() + node.domain.size();
    TRY(file_.Keep(message.offset, sizeof(OnnxNode) + texts));
    model_.nodes.push_back(std::move(node));
    return {};
  }

  Status ReadAttribute(const ProtoField& message, std::vector<OnnxAttribute>& out) {
    OnnxAttribute attribute;
    std::vector<int64_t> integers;
    std::vector<float> floats;
    TRY(ForFields(message, [&](const ProtoField& field) -> Status {
      switch (field.number) {
        case 1: {
          TRY_ASSIGN(attribute.name, file_.Name(field));
          return {};
        }
        case 2: {
          TRY_ASSIGN(attribute.value, FloatOf(field));
          return {};
        }
        case 3:
          attribute.value = field.integer();
          return {};
        case 4: {
          TRY_ASSIGN(attribute.value, file_.Text(field, kMostTextAttribute));
          return {};
        }
        case 5: {
          if (field.type != Type::kBytes) return file_.Bad(field.offset, "a message is a number");
          TRY_ASSIGN(OnnxTensor tensor, ReadOnnxTensor(file_, field));
          attribute.value = std::make_shared<const OnnxTensor>(std::move(tensor));
          return {};
        }
        case 6:
        case 11:
          attribute.value = OnnxGraphAttribute{};
          return CheckBody(field, 1);
        case 7:
          return ReadFloats(field, floats);
        case 8:
          return ReadIntegers(field, integers);
        default:
          return {};
      }
    }));
    integers.shrink_to_fit();
    floats.shrink_to_fit();
    if (!integers.empty()) attribute.value = std::move(integers);
    if (!floats.empty()) attribute.value = std::move(floats);
    const uint64_t text = attribute.name.size();
    return Keep(message, out, std::move(attribute), text);
  }

  Result<float> FloatOf(const ProtoField& field) const {
    if (field.type != Type::k32) return file_.Bad(field.offset, "a float is none");
    return std::bit_cast<float>(static_cast<uint32_t>(field.value));
  }
  Status ReadFloats(const ProtoField& field, std::vector<float>& out) {
    if (field.type != Type::kBytes) {
      TRY_ASSIGN(const float value, FloatOf(field));
      return Keep(field, out, value);
    }
    ProtoReader list(file_.window(), field);
    while (!list.AtEnd()) {
      TRY_ASSIGN(const uint64_t bits, list.Fixed(sizeof(float)));
      TRY(Keep(field, out, std::bit_cast<float>(static_cast<uint32_t>(bits))));
    }
    return {};
  }
  Status ReadIntegers(const ProtoField& field, std::vector<int64_t>& out) {
    if (field.type == Type::kVarint) return Keep(field, out, field.integer());
    if (field.type != Type::kBytes) return file_.Bad(field.offset, "an integer is none");
    ProtoReader list(file_.window(), field);
    while (!list.AtEnd()) {
      TRY_ASSIGN(const uint64_t value, list.Varint("number"));
      TRY(Keep(field, out, static_cast<int64_t>(value)));
    }
    return {};
  }

  // The body of a loop is not kept, but what is in it has to be a message too.
  Status CheckBody(const ProtoField& graph, int depth) {
    if (depth > kMostDepth) {
      return file_.Bad(graph.offset, fmt::format("bodies of ops in {} others", kMostDepth));
    }
    return ForFields(graph, [&](const ProtoField& node) -> Status {
      if (node.number != 1) return {};
      return ForFields(node, [&](const ProtoField& attribute) -> Status {
        if (attribute.number != 5) return {};
        return ForFields(attribute, [&](const ProtoField& body) -> Status {
          return body.number == 6 || body.number == 11 ? CheckBody(body, depth + 1) : Status();
        });
      });
    });
  }

  Status ReadInput(const ProtoField& message) {
    OnnxInput input;
    file_.Expect(message.size);
    TRY(ForFields(message, [&](const ProtoField& field) -> Status {
      if (field.number == 2) return ReadType(field, input);
      if (field.number != 1) return {};
      TRY_ASSIGN(input.name, file_.Name(field));
      return {};
    }));
    const uint64_t more = input.name.size() + input.dims.size() * sizeof(OnnxInput::Dim);
    return Keep(message, model_.inputs, std::move(input), more);
  }
  Status ReadType(const ProtoField& message, OnnxInput& out) {
    out.type = OnnxType{};
    return ForFields(message, [&](const ProtoField& tensor) -> Status {
      if (tensor.number != 1) return {};
      return ForFields(tensor, [&](const ProtoField& field) -> Status {
        if (field.number == 1) {
          out.type = static_cast<OnnxType>(std::min<uint64_t>(field.value, UINT32_MAX));
        }
        if (field.number != 2) return {};
        return ForFields(field, [&](const ProtoField& dim) -> Status {
          return dim.number == 1 ? ReadDim(dim, out) : Status();
        });
      });
    });
  }
  Status ReadDim(const ProtoField& message, OnnxInput& out) {
    OnnxInput::Dim dim;
    TRY(ForFields(message, [&](const ProtoField& field) -> Status {
      if (field.number == 1 && field.integer() > 0) dim.size = field.value;
      if (field.number != 2) return {};
      TRY_ASSIGN(dim.symbol, file_.Name(field));
      return {};
    }));
    if (out.dims.size() == kMaxValueDims) return file_.Bad(message.offset, "too many axes");
    out.dims.push_back(std::move(dim));
    return {};
  }

  Status ReadOutput(const ProtoField& message) {
    file_.Expect(message.size);
    return ForFields(message, [&](const ProtoField& field) -> Status {
      return field.number == 1 ? KeepName(field, model_.outputs) : Status();
    });
  }

  // Older files list weights among the inputs too.
  Status DropKnownInputs() {
    std::set<std::string_view> names;
    for (const OnnxTensor& tensor : model_.initializers) {
      if (!names.insert(tensor.name).second) {
        return file_.Bad(0, fmt::format("there are two tensors '{}'", Shown(tensor.name)));
      }
    }
    std::erase_if(model_.inputs,
                  [&](const OnnxInput& input) { return names.contains(input.name); });
    return {};
  }

  OnnxFile& file_;
  OnnxModel& model_;
};

}  // namespace

// A model begins with its IR version, a small number, and what comes next is one of its fields.
bool StartsLikeOnnx(std::span<const std::byte> start) {
  constexpr std::array<uint8_t, 8> kNext = {0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72};
  return start.size() > 2 && start[0] == std::byte{0x08} && start[1] > std::byte{0} &&
         start[1] < std::byte{64} &&
         std::ranges::find(kNext, static_cast<uint8_t>(start[2])) != kNext.end();
}

bool LooksLikeOnnx(const ByteSource& source) {
  if (source.path().ends_with(".onnx")) return true;
  std::array<std::byte, 3> start{};
  return source.size() >= start.size() && source.ReadAt(0, start) && StartsLikeOnnx(start);
}

Result<OnnxModel> ReadOnnx(std::unique_ptr<ByteSource> source, const OpenBeside& open,
                           std::vector<std::unique_ptr<ByteSource>>& parts_out) {
  OnnxFile file(std::move(source), open, parts_out);
  OnnxModel model;
  TRY(Reader(file, model).Read());
  for (const auto& part : parts_out) model.parts.push_back(part->path());
  return model;
}

}  // namespace tinyai
