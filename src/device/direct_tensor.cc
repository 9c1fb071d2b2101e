#include "device/direct_tensor.h"

#include <cstring>

#include "base/float16.h"
#include "device/elements.h"

namespace tinyai {

DirectTensor DecodeTensor(const ProgramType& type, const std::byte* data) {
  DirectTensor out{type, std::vector<DirectNumber>(ElementCount(type))};
  for (size_t i = 0; i < out.elements.size(); ++i) {
    DirectNumber& number = out.elements[i];
    const auto load = [&]<typename T>(T value) {
      std::memcpy(&value, data + i * sizeof(T), sizeof(T));
      return value;
    };
    switch (type.scalar) {
      case Scalar::kBool:
        number.whole = load(uint8_t{});
        break;
      case Scalar::kI32:
        number.whole = load(int32_t{});
        break;
      case Scalar::kI64:
        number.whole = load(int64_t{});
        break;
      case Scalar::kF16:
        number.real = F16ToFloat(load(uint16_t{}));
        break;
      case Scalar::kBF16:
        number.real = Bf16ToFloat(load(uint16_t{}));
        break;
      case Scalar::kF32:
        number.real = load(float{});
        break;
      default:
        number.real = load(double{});
        break;
    }
  }
  return out;
}

std::vector<std::byte> EncodeTensor(const DirectTensor& tensor) {
  std::vector<std::byte> out(ByteSize(tensor.type));
  for (size_t i = 0; i < tensor.elements.size(); ++i) {
    const DirectNumber& number = tensor.elements[i];
    const auto store = [&]<typename T>(T value) {
      std::memcpy(out.data() + i * sizeof(T), &value, sizeof(T));
    };
    switch (tensor.type.scalar) {
      case Scalar::kBool:
        store(static_cast<uint8_t>(number.whole));
        break;
      case Scalar::kI32:
        store(static_cast<int32_t>(number.whole));
        break;
      case Scalar::kI64:
        store(number.whole);
        break;
      case Scalar::kF16:
        store(FloatToF16(static_cast<float>(number.real)));
        break;
      case Scalar::kBF16:
        store(FloatToBf16(static_cast<float>(number.real)));
        break;
      case Scalar::kF32:
        store(static_cast<float>(number.real));
        break;
      default:
        store(number.real);
        break;
    }
  }
  return out;
}

}  // namespace tinyai
