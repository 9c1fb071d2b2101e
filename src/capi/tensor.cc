#include <tinyai/utils/tensor.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "base/checked.h"
#include "capi/guard.h"
#include "capi/tensor.h"

namespace tinyai::capi {
namespace {

std::optional<size_t> ElementBytes(TinyAITensorDataType type) {
  switch (type) {
    case TINYAI_TENSOR_FLOAT32:
    case TINYAI_TENSOR_INT32:
      return 4;
    case TINYAI_TENSOR_FLOAT16:
      return 2;
    case TINYAI_TENSOR_INT8:
    case TINYAI_TENSOR_UINT8:
      return 1;
  }
  return std::nullopt;
}

// A tensor of this shape and type, without memory.
Result<std::unique_ptr<TinyAITensor>> Describe(const int* shape, int num_dims,
                                               TinyAITensorDataType type) {
  if (shape == nullptr) return NullArgument("shape");
  if (num_dims < 1 || num_dims > TINYAI_TENSOR_MAX_DIMS) {
    return BadValue(fmt::format("{} dimensions; a tensor has 1 to {}", num_dims,
                                static_cast<int>(TINYAI_TENSOR_MAX_DIMS)));
  }
  const std::optional<size_t> element = ElementBytes(type);
  if (!element) return BadValue(fmt::format("{} is no type of tensor", static_cast<int>(type)));
  auto tensor = std::make_unique<TinyAITensor>();
  tensor->type = type;
  uint64_t bytes = *element;
  for (int i = 0; i < num_dims; ++i) {
    if (shape[i] < 1) return BadValue(fmt::format("dimension {} is {}", i, shape[i]));
    const std::optional<uint64_t> product = CheckedMul(bytes, static_cast<uint64_t>(shape[i]));
    if (!product || *product > PTRDIFF_MAX) return BadValue("the tensor's size overflows");
    bytes = *product;
    tensor->shape.push_back(shape[i]);
  }
  tensor->size = bytes;
  tensor->elements = bytes / *element;
  return tensor;
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

TinyAITensor* tinyaiCreateTensor(const int* shape, int num_dims, TinyAITensorDataType dtype) {
  return Guard<TinyAITensor*>(nullptr, [&]() -> Result<TinyAITensor*> {
    TRY_ASSIGN(auto tensor, capi::Describe(shape, num_dims, dtype));
    TRY_ASSIGN(tensor->block, ReuseArena::Take(tensor->size));
    tensor->data = tensor->block.data();
    return tensor.release();
  });
}

TinyAITensor* tinyaiWrapTensor(void* data, size_t size, const int* shape, int num_dims,
                               TinyAITensorDataType dtype) {
  return Guard<TinyAITensor*>(nullptr, [&]() -> Result<TinyAITensor*> {
    if (data == nullptr) return NullArgument("data");
    TRY_ASSIGN(auto tensor, capi::Describe(shape, num_dims, dtype));
    if (size < tensor->size) {
      return BadValue(fmt::format("the memory has {} bytes, the tensor {}", size, tensor->size));
    }
    tensor->data = static_cast<std::byte*>(data);
    return tensor.release();
  });
}

void tinyaiFreeTensor(TinyAITensor* tensor) { delete tensor; }

void* tinyaiGetTensorData(TinyAITensor* tensor) {
  return Guard<void*>(nullptr, [&]() -> Result<void*> {
    if (tensor == nullptr) return NullArgument("tensor");
    return tensor->data;
  });
}

int tinyaiGetTensorShape(const TinyAITensor* tensor, int* shape, int capacity) {
  return Guard<int>(-1, [&]() -> Result<int> {
    if (tensor == nullptr) return NullArgument("tensor");
    if (shape == nullptr && capacity > 0) return NullArgument("shape");
    const int count = static_cast<int>(tensor->shape.size());
    for (int i = 0; i < std::min(count, capacity); ++i) {
      shape[i] = tensor->shape[static_cast<size_t>(i)];
    }
    return count;
  });
}

size_t tinyaiGetTensorSize(const TinyAITensor* tensor) {
  return Guard<size_t>(0, [&]() -> Result<size_t> {
    if (tensor == nullptr) return NullArgument("tensor");
    return tensor->size;
  });
}

TinyAITensorDataType tinyaiGetTensorDataType(const TinyAITensor* tensor) {
  return Guard<TinyAITensorDataType>(TINYAI_TENSOR_FLOAT32, [&]() -> Result<TinyAITensorDataType> {
    if (tensor == nullptr) return NullArgument("tensor");
    return tensor->type;
  });
}

bool tinyaiCopyTensor(TinyAITensor* to, const TinyAITensor* from) {
  return GuardStatus([&]() -> Status {
    if (to == nullptr) return NullArgument("to");
    if (from == nullptr) return NullArgument("from");
    if (to->type != from->type || to->size != from->size) {
      return BadValue(
          fmt::format("a tensor of {} bytes cannot be copied to one of {}, or their "
                      "types differ",
                      from->size, to->size));
    }
    std::memmove(to->data, from->data, from->size);
    return {};
  });
}
