#pragma once

#include <tinyai/kernels.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "device/kernel_type.h"
#include "lang/program.h"

namespace tinyai {

// The kernels that a program's extern functions may name: those that its user hands over, and no
// others. For places that threads carry out, functions; for those of a GPU, GLSL. Does not change
// while a program runs.
class ExternKernels {
 public:
  struct Function {
    TinyAIKernelFunction run = nullptr;
    void* user = nullptr;
    std::optional<KernelType> type;
    std::string type_text;
  };

  // A library with a table, or the GLSL of one compute kernel in a file NAME.comp. Errors: OPEN,
  // KERNEL_FILE where it is no such file, or has a kernel that is there already.
  Status AddFile(const std::string& path);
  // `from` is for messages. Errors KERNEL_FILE as above.
  Status Add(const TinyAIKernelTable& table, const std::string& from);
  Status AddShader(const std::string& name, std::string text, const std::string& from);

  // Null: none.
  const Function* FindFunction(std::string_view name) const;
  const std::string* FindShader(std::string_view name) const;

 private:
  template <typename Kernel>
  struct From {
    Kernel kernel;
    std::string file;
  };
  std::map<std::string, From<Function>, std::less<>> functions_;
  std::map<std::string, From<std::string>, std::less<>> shaders_;
};

// A tensor that a kernel reads.
struct KernelInput {
  const ProgramType* type = nullptr;
  const std::byte* data = nullptr;
};

// Computes the result to `out`, which overlaps no input. Error KERNEL_FAILED, naming the kernel.
Status CallKernel(const ExternKernels::Function& function, std::string_view name,
                  std::span<const KernelInput> inputs, const ProgramType& result, std::byte* out);

}  // namespace tinyai
