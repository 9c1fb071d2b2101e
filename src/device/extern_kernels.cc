#include "device/extern_kernels.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "fmt/format.h"
#include "os/file.h"
#include "os/shared_library.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostShaderBytes = uint64_t{1} << 20;
// A table that says more is no table.
constexpr uint32_t kMostKernels = 1 << 16;

tl::unexpected<Error> Wrong(const std::string& file, std::string message) {
  return FailAt(ErrorCode::kBadFile, "KERNEL_FILE", std::move(message), file);
}

TinyAIKernelScalar ScalarForKernel(Scalar scalar) {
  switch (scalar) {
    case Scalar::kBool:
      return TINYAI_KERNEL_BOOL;
    case Scalar::kI32:
      return TINYAI_KERNEL_I32;
    case Scalar::kI64:
      return TINYAI_KERNEL_I64;
    case Scalar::kF16:
      return TINYAI_KERNEL_F16;
    case Scalar::kBF16:
      return TINYAI_KERNEL_BF16;
    case Scalar::kF32:
      return TINYAI_KERNEL_F32;
    case Scalar::kF64:
      return TINYAI_KERNEL_F64;
    case Scalar::kQ8:
      return TINYAI_KERNEL_Q8;
    default:
      return TINYAI_KERNEL_Q4;
  }
}

// What an element's address is a multiple of, as kernels expect it.
size_t AlignmentOf(Scalar scalar) {
  switch (scalar) {
    case Scalar::kI32:
    case Scalar::kF32:
      return 4;
    case Scalar::kI64:
    case Scalar::kF64:
      return 8;
    case Scalar::kBool:
      return 1;
    default:
      return 2;
  }
}

// Where a kernel finds a tensor: where it lies, or, if a plan has put it at an odd place, a copy.
class KernelTensor {
 public:
  KernelTensor(const ProgramType& type, std::byte* data) : data_(data) {
    view_.scalar = ScalarForKernel(type.scalar);
    view_.rank = static_cast<uint32_t>(type.shape.size());
    view_.dims = type.shape.begin();
    view_.elements = ElementCount(type);
    view_.bytes = ByteSize(type);
    view_.data = data;
    if (reinterpret_cast<uintptr_t>(data) % AlignmentOf(type.scalar) == 0) return;
    copy_ = std::make_unique<std::byte[]>(view_.bytes);
    std::memcpy(copy_.get(), data, view_.bytes);
    view_.data = copy_.get();
  }

  const TinyAIKernelTensor& view() const { return view_; }
  // Of a result: puts it where it belongs. Any byte that is not 0 is true.
  void Finish() {
    if (copy_ != nullptr) std::memcpy(data_, copy_.get(), view_.bytes);
    if (view_.scalar != TINYAI_KERNEL_BOOL) return;
    std::for_each(data_, data_ + view_.bytes,
                  [](std::byte& one) { one = std::byte{one != std::byte{0}}; });
  }

 private:
  TinyAIKernelTensor view_{};
  std::byte* const data_;
  std::unique_ptr<std::byte[]> copy_;
};

Result<std::string> ReadShader(const File& file) {
  if (file.size() > kMostShaderBytes) {
    return Wrong(file.path(), fmt::format("{} bytes are no kernel: the most are {}", file.size(),
                                          kMostShaderBytes));
  }
  std::string text(file.size(), '\0');
  TRY(file.ReadAt(0, std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace

Status ExternKernels::AddFile(const std::string& path) {
  // Also says what the loader does not: that there is no such file, or that it is a pipe.
  TRY_ASSIGN(const std::unique_ptr<File> file, File::Open(path));
  const std::filesystem::path name(path);
  if (name.extension() == ".comp") {
    TRY_ASSIGN(std::string text, ReadShader(*file));
    return AddShader(name.stem().string(), std::move(text), path);
  }
  const Result<SharedLibrary> library = SharedLibrary::OpenFile(path);
  if (!library) return Wrong(path, "no library of kernels: " + library.error().message);
  const Result<void*> table = library->Find("tinyaiKernels");
  if (!table) {
    return Wrong(path, "the library has no table 'tinyaiKernels' (tinyai/kernels.h)");
  }
  return Add(*static_cast<const TinyAIKernelTable*>(*table), path);
}

Status ExternKernels::Add(const TinyAIKernelTable& table, const std::string& from) {
  if (table.version != TINYAI_KERNELS_VERSION || table.count > kMostKernels ||
      (table.kernels == nullptr && table.count > 0)) {
    return Wrong(from, fmt::format("a table of kernels of version {}, of which {} is known",
                                   table.version, TINYAI_KERNELS_VERSION));
  }
  for (const TinyAIKernel& kernel : std::span(table.kernels, table.count)) {
    if (kernel.name == nullptr || kernel.function == nullptr) {
      return Wrong(from, "a kernel without a name or a function");
    }
    Function function{kernel.function, kernel.user, std::nullopt, ""};
    if (kernel.type != nullptr) {
      Result<KernelType> type = ReadKernelType(kernel.type);
      if (!type) return Wrong(from, fmt::format("'{}': {}", kernel.name, type.error().message));
      function.type = std::move(*type);
      function.type_text = kernel.type;
    }
    const auto [at, added] =
        functions_.try_emplace(kernel.name, From<Function>{std::move(function), from});
    if (added) continue;
    return Wrong(from, fmt::format("kernel '{}' is in {} already", kernel.name, at->second.file));
  }
  return {};
}

Status ExternKernels::AddShader(const std::string& name, std::string text,
                                const std::string& from) {
  const auto [at, added] = shaders_.try_emplace(name, From<std::string>{std::move(text), from});
  if (added) return {};
  return Wrong(from, fmt::format("kernel '{}' is in {} already", name, at->second.file));
}

const ExternKernels::Function* ExternKernels::FindFunction(std::string_view name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : &found->second.kernel;
}

const std::string* ExternKernels::FindShader(std::string_view name) const {
  const auto found = shaders_.find(name);
  return found == shaders_.end() ? nullptr : &found->second.kernel;
}

Status CallKernel(const ExternKernels::Function& function, std::string_view name,
                  std::span<const KernelInput> inputs, const ProgramType& result, std::byte* out) {
  std::vector<KernelTensor> tensors;
  tensors.reserve(inputs.size());
  std::vector<TinyAIKernelTensor> views;
  for (const KernelInput& input : inputs) {
    views.push_back(tensors.emplace_back(*input.type, const_cast<std::byte*>(input.data)).view());
  }
  KernelTensor made(result, out);
  int said = 0;
  try {
    said = function.run(views.data(), views.size(), &made.view(), 1, function.user);
  } catch (...) {
    return Fail(ErrorCode::kOther, "KERNEL_FAILED",
                fmt::format("kernel '{}' threw an exception, which none may", name));
  }
  if (said != 0) {
    return Fail(ErrorCode::kOther, "KERNEL_FAILED",
                fmt::format("kernel '{}' returned {}", name, said));
  }
  made.Finish();
  return {};
}

}  // namespace tinyai
