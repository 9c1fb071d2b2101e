#include <tinyai/builder.h>

#include <cstring>

#include "capi/guard.h"
#include "engine/model_builder.h"

struct TinyAIModelBuilder {
  tinyai::ModelBuilder builder;
  mutable std::atomic<bool> busy = false;
};

namespace tinyai::capi {
namespace {

// For what adds to the model.
Status CheckBuilder(const TinyAIModelBuilder* builder) {
  if (builder == nullptr) return NullArgument("builder");
  if (builder->busy) return Reentrant();
  return {};
}

template <typename Id>
Result<std::vector<Id>> Ids(const char* what, const int* numbers, int count, size_t known) {
  std::vector<Id> ids;
  if (count < 0) return BadValue(fmt::format("{} {}", count, what));
  if (count > 0 && numbers == nullptr) return NullArgument(what);
  for (int i = 0; i < count; ++i) {
    if (numbers[i] < 0 || static_cast<size_t>(numbers[i]) >= known) {
      return BadValue(fmt::format("{}: there is no number {}", what, numbers[i]));
    }
    ids.push_back(Id{static_cast<uint32_t>(numbers[i])});
  }
  return ids;
}

Result<int> AddWeight(TinyAIModelBuilder* builder, const char* name, const char* format,
                      size_t rows, size_t cols, ModelBuilder::WeightSource source) {
  TRY(CheckBuilder(builder));
  if (name == nullptr) return NullArgument("name");
  if (format == nullptr) return NullArgument("format");
  const std::optional<DType> type = DTypeFromName(format);
  if (!type) return BadValue(fmt::format("'{}' is no format of weights", format));
  TRY_ASSIGN(const WeightId id,
             builder->builder.AddWeight(name, *type, rows, cols, std::move(source)));
  return static_cast<int>(Index(id));
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

TinyAIModelBuilder* tinyaiCreateModelBuilder(const char* name) {
  return Guard<TinyAIModelBuilder*>(nullptr, [&]() -> Result<TinyAIModelBuilder*> {
    return new TinyAIModelBuilder{ModelBuilder(name != nullptr ? name : "")};
  });
}

void tinyaiFreeModelBuilder(TinyAIModelBuilder* builder) {
  if (builder != nullptr && builder->busy)
    return SetLastError(ErrorCode::kUsage, "REENTRANT", kInCall);
  delete builder;
}

int tinyaiBuilderAddInput(TinyAIModelBuilder* builder, const char* name, const size_t* shape,
                          int num_dims) {
  return Guard<int>(-1, [&]() -> Result<int> {
    TRY(CheckBuilder(builder));
    if (name == nullptr) return NullArgument("name");
    if (shape == nullptr) return NullArgument("shape");
    if (num_dims < 1 || num_dims > 4) {
      return BadValue(fmt::format("{} dimensions; an input has 1 to 4", num_dims));
    }
    TRY_ASSIGN(const ValueId id, builder->builder.AddInput(name, Shape(shape, shape + num_dims)));
    return static_cast<int>(Index(id));
  });
}

int tinyaiBuilderAddWeight(TinyAIModelBuilder* builder, const char* name, const char* format,
                           size_t rows, size_t cols, const void* data) {
  return Guard<int>(-1, [&]() -> Result<int> {
    if (data == nullptr) return NullArgument("data");
    const auto* bytes = static_cast<const std::byte*>(data);
    return AddWeight(builder, name, format, rows, cols,
                     [bytes](uint64_t offset, std::span<std::byte> out) -> Status {
                       std::memcpy(out.data(), bytes + offset, out.size());
                       return {};
                     });
  });
}

int tinyaiBuilderAddStreamedWeight(TinyAIModelBuilder* builder, const char* name,
                                   const char* format, size_t rows, size_t cols,
                                   TinyAIWeightFunction function, void* user_data) {
  return Guard<int>(-1, [&]() -> Result<int> {
    if (function == nullptr) return NullArgument("function");
    return AddWeight(builder, name, format, rows, cols,
                     [=](uint64_t offset, std::span<std::byte> out) -> Status {
                       TRY_ASSIGN(const bool given,
                                  CallUser(function, user_data, offset,
                                           static_cast<void*>(out.data()), out.size()));
                       if (given) return {};
                       return Fail(ErrorCode::kCancelled, "CANCELLED",
                                   "the function that gives a weight ended the saving");
                     });
  });
}

int tinyaiBuilderAddOp(TinyAIModelBuilder* builder, const char* name, const char* kind,
                       const char* attributes, const int* operands, int num_operands,
                       const int* weights, int num_weights) {
  return Guard<int>(-1, [&]() -> Result<int> {
    TRY(CheckBuilder(builder));
    if (name == nullptr) return NullArgument("name");
    if (kind == nullptr) return NullArgument("kind");
    const Graph& graph = builder->builder.graph();
    TRY_ASSIGN(std::vector<ValueId> values,
               Ids<ValueId>("operands", operands, num_operands, graph.values.size()));
    TRY_ASSIGN(std::vector<WeightId> ids,
               Ids<WeightId>("weights", weights, num_weights, graph.weights.size()));
    TRY_ASSIGN(const ValueId id,
               builder->builder.AddOp(name, kind, attributes != nullptr ? attributes : "",
                                      std::move(values), std::move(ids)));
    return static_cast<int>(Index(id));
  });
}

int tinyaiBuilderEndLayer(TinyAIModelBuilder* builder, const char* name, TinyAILayerRole role) {
  return Guard<int>(-1, [&]() -> Result<int> {
    TRY(CheckBuilder(builder));
    if (name == nullptr) return NullArgument("name");
    if (static_cast<unsigned>(role) > TINYAI_LAYER_ROLE_CONV) {
      return BadValue(fmt::format("{} is no role of a layer", static_cast<int>(role)));
    }
    TRY(builder->builder.EndLayer(name, static_cast<LayerRole>(role)));
    return static_cast<int>(builder->builder.graph().layers.size()) - 1;
  });
}

bool tinyaiSaveBuiltModel(const TinyAIModelBuilder* builder, const char* filepath) {
  return GuardStatus([&]() -> Status {
    if (builder == nullptr) return NullArgument("builder");
    if (filepath == nullptr) return NullArgument("filepath");
    const Busy busy(builder->busy);
    if (!busy) return Reentrant();
    return builder->builder.Save(filepath);
  });
}
