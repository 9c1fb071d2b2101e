#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "lang/program.h"

namespace tinyai {

// What a kernel takes and gives, as its library says it: "(f32[n, 4], f32) -> f32[n]".
struct KernelType {
  struct Tensor {
    Scalar scalar = Scalar::kF32;
    std::vector<std::variant<uint64_t, std::string>> dims;  // a size, or the name of one
  };
  std::vector<Tensor> params;
  Tensor result;
};

// Error KERNEL_FILE says what is wrong with the text.
Result<KernelType> ReadKernelType(std::string_view text);

// Whether a function of a program has this type: each name stands for one size.
bool IsOfType(const ProgramExtern& function, const KernelType& type);

// The function's own, written the same way.
std::string KernelTypeText(const ProgramExtern& function);

}  // namespace tinyai
