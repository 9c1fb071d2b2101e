#include <tinyai/utils/tensor.h>

#include <climits>
#include <cstring>

#include "capi/capi_test_support.h"

namespace tinyai::capi {
namespace {

using TensorHandle = Handle<TinyAITensor>;

TensorHandle MakeTensor(std::initializer_list<int> shape,
                        TinyAITensorDataType type = TINYAI_TENSOR_FLOAT32) {
  return {tinyaiCreateTensor(shape.begin(), static_cast<int>(shape.size()), type),
          tinyaiFreeTensor};
}

TEST(Tensor, IsZeroFilledAlignedAndKnowsItsShape) {
  const TensorHandle tensor = MakeTensor({2, 3, 5});
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tinyaiGetTensorSize(tensor.get()), 120u);
  EXPECT_EQ(tinyaiGetTensorDataType(tensor.get()), TINYAI_TENSOR_FLOAT32);
  const float* data = static_cast<float*>(tinyaiGetTensorData(tensor.get()));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(data[i], 0);
  int shape[3] = {};
  EXPECT_EQ(tinyaiGetTensorShape(tensor.get(), shape, 2), 3);
  EXPECT_EQ(shape[0], 2);
  EXPECT_EQ(shape[1], 3);
  EXPECT_EQ(shape[2], 0) << "beyond the capacity";
  EXPECT_EQ(tinyaiGetTensorSize(MakeTensor({7}, TINYAI_TENSOR_FLOAT16).get()), 14u);
}

TEST(Tensor, ShapesThatMakeNoSenseAreRefused) {
  EXPECT_EQ(MakeTensor({2, 0}), nullptr);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  EXPECT_EQ(MakeTensor({-1}), nullptr);
  EXPECT_EQ(MakeTensor({INT_MAX, INT_MAX, INT_MAX}), nullptr);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  EXPECT_EQ(MakeTensor({INT_MAX, INT_MAX}, TINYAI_TENSOR_INT8), nullptr)
      << "no machine has that much";
  EXPECT_EQ(LastKey(), "OUT_OF_MEMORY");
  EXPECT_EQ(MakeTensor({4}, static_cast<TinyAITensorDataType>(99)), nullptr);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  EXPECT_EQ(tinyaiCreateTensor(nullptr, 1, TINYAI_TENSOR_FLOAT32), nullptr);
  EXPECT_EQ(LastKey(), "ARG_NULL");
  const int one = 1;
  EXPECT_EQ(tinyaiCreateTensor(&one, 0, TINYAI_TENSOR_FLOAT32), nullptr);
  EXPECT_EQ(tinyaiCreateTensor(&one, 9, TINYAI_TENSOR_FLOAT32), nullptr);
}

TEST(Tensor, WrapsAndCopies) {
  float numbers[6] = {1, 2, 3, 4, 5, 6};
  const int shape[] = {2, 3};
  const TensorHandle wrapped(
      tinyaiWrapTensor(numbers, sizeof numbers, shape, 2, TINYAI_TENSOR_FLOAT32), tinyaiFreeTensor);
  ASSERT_NE(wrapped, nullptr);
  EXPECT_EQ(tinyaiGetTensorData(wrapped.get()), numbers);
  const TensorHandle copy = MakeTensor({6});
  ASSERT_TRUE(tinyaiCopyTensor(copy.get(), wrapped.get()));
  EXPECT_EQ(std::memcmp(tinyaiGetTensorData(copy.get()), numbers, sizeof numbers), 0);
  EXPECT_FALSE(tinyaiCopyTensor(MakeTensor({5}).get(), wrapped.get()));
  EXPECT_FALSE(tinyaiCopyTensor(MakeTensor({6}, TINYAI_TENSOR_INT32).get(), wrapped.get()));
  EXPECT_EQ(tinyaiWrapTensor(numbers, sizeof numbers - 1, shape, 2, TINYAI_TENSOR_FLOAT32),
            nullptr);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
}

}  // namespace
}  // namespace tinyai::capi
