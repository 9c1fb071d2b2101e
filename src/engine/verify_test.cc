#include "engine/verify.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/float16.h"
#include "format/memory_source.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

// Tensors one after the other in one file, without its header.
class Tensors {
 public:
  void Add(std::string name, DType type, uint64_t elements) {
    const uint64_t size = RowBytes(type, elements);
    file_.tensors.push_back(
        {std::move(name), type, 1, {elements, 1, 1, 1}, 0, bytes_.size(), size});
    bytes_.resize(bytes_.size() + size);
  }
  template <typename T>
  void Put(uint64_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof(T));
  }
  Result<VerifyReport> Verify(Budget& budget,
                              const std::function<bool(const VerifyProgress&)>& progress = {}) {
    const MemorySource source("test", bytes_);
    const ByteSource* const sources[] = {&source};
    return VerifyTensors(file_, sources, budget, progress);
  }
  const TensorInfo& operator[](size_t i) const { return file_.tensors[i]; }
  void CutLastByte() { bytes_.pop_back(); }

 private:
  ModelFile file_;
  std::vector<std::byte> bytes_;
};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Verify, FiniteWeightsOfEveryTypeHaveNoDefect) {
  Tensors tensors;
  uint64_t bytes = 0;
  for (const DType type :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
        DType::kQ5_1, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    tensors.Add(std::string(Name(type)), type, 512);
    bytes += RowBytes(type, 512);
  }
  tensors.Put(0, std::numeric_limits<float>::max());
  tensors.Put(4, std::numeric_limits<float>::denorm_min());
  Budget budget("test", Budget::kUnlimited);
  const Result<VerifyReport> report = tensors.Verify(budget);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->defects.empty());
  EXPECT_EQ(report->tensors, 11u);
  EXPECT_EQ(report->bytes, bytes);
}

TEST(Verify, CountsAndPlacesWhatIsNotFinite) {
  Tensors tensors;
  tensors.Add("good", DType::kF32, 32);
  tensors.Add("bad", DType::kF32, 3'000'000);  // several pieces
  const uint64_t begin = tensors[1].offset;
  tensors.Put(begin + 4 * 1'500'000, -kNan);
  tensors.Put(begin + 4 * 2'999'999, kNan);
  tensors.Put(begin + 4 * 1'400'001, -kInfinity);
  Budget budget("test", Budget::kUnlimited);
  const Result<VerifyReport> report = tensors.Verify(budget);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->defects.size(), 1u);
  const TensorDefect& defect = report->defects[0];
  EXPECT_EQ(defect.tensor, "bad");
  EXPECT_EQ(defect.nans, 2u);
  EXPECT_EQ(defect.infinities, 1u);
  EXPECT_EQ(defect.first_element, 1'400'001u);
  EXPECT_EQ(defect.first_offset, begin + 4 * 1'400'001);
}

TEST(Verify, ABadScaleSpoilsItsWholeBlock) {
  Tensors tensors;
  tensors.Add("q8_0", DType::kQ8_0, 32 * 5);
  // The scale comes first in its block of 34 bytes. Weights of zero times infinity are NaN.
  tensors.Put(34 * 3, FloatToF16(kInfinity));
  tensors.Put(34 * 3 + 2 + 7, int8_t{1});
  Budget budget("test", Budget::kUnlimited);
  const Result<VerifyReport> report = tensors.Verify(budget);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->defects.size(), 1u);
  EXPECT_EQ(report->defects[0].infinities, 1u);
  EXPECT_EQ(report->defects[0].nans, 31u);
  EXPECT_EQ(report->defects[0].first_element, 32u * 3);
  EXPECT_EQ(report->defects[0].first_offset, 34u * 3);
}

TEST(Verify, HoldsLessThanFourMebibytesAndSaysSo) {
  Tensors tensors;
  tensors.Add("large", DType::kQ4_0, 32 << 20);
  Budget budget("test", 4 << 20);
  EXPECT_TRUE(tensors.Verify(budget));
  EXPECT_EQ(budget.used_bytes(), 0u);
  Budget small("small", 1 << 20);
  const Result<VerifyReport> refused = tensors.Verify(small);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().key, "BUDGET_EXCEEDED");
}

TEST(Verify, CanBeStoppedAndReportsFailedReads) {
  Tensors tensors;
  tensors.Add("a", DType::kF32, 64);
  tensors.Add("b", DType::kF32, 64);
  Budget budget("test", Budget::kUnlimited);
  const auto stopped =
      tensors.Verify(budget, [](const VerifyProgress& progress) { return progress.tensor != "b"; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().key, "CANCELLED");
  tensors.CutLastByte();
  const auto failed = tensors.Verify(budget);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().key, "IO_READ");
}

}  // namespace
}  // namespace tinyai
