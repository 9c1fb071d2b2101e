#include "gpu/compile_glsl.h"

#include <cstring>
#include <mutex>
#include <optional>

#include "base/mix.h"
#include "fmt/format.h"
#include "gpu/glsl_compiler.h"
#include "os/cache_directory.h"
#include "os/shared_library.h"

namespace tinyai {
namespace {

constexpr uint32_t kSpirvMagic = 0x07230203;

// The compiler, loaded when a kernel is first compiled.
Result<GlslCompiler> LoadCompiler() {
  static const Result<GlslCompiler> compiler = []() -> Result<GlslCompiler> {
    const auto missing = [](const Error& error) {
      return Fail(
          ErrorCode::kUnsupported, "GPU_COMPILER",
          fmt::format("the compiler of GPU kernels cannot be loaded: {} (it belongs beside the "
                      "program, or in ../lib/tinyai)",
                      error.message));
    };
    const Result<SharedLibrary> library = SharedLibrary::Open(kGlslCompilerLibrary);
    if (!library) return missing(library.error());
    const Result<void*> function = library->Find(kGlslCompilerFunction);
    if (!function) return missing(function.error());
    return reinterpret_cast<GlslCompiler>(*function);
  }();
  return compiler;
}

struct Compilation {
  std::vector<uint32_t> code;
  std::string why;
};

void Take(void* context, const uint32_t* code, size_t words, const char* why) {
  auto& compilation = *static_cast<Compilation*>(context);
  compilation.code.assign(code, code + words);
  compilation.why = why;
}

Result<std::vector<uint32_t>> Compile(std::string_view name, const std::string& text) {
  TRY_ASSIGN(const GlslCompiler compiler, LoadCompiler());
  Compilation compilation;
  compiler(text.c_str(), Take, &compilation);
  if (compilation.code.empty()) {
    return Fail(ErrorCode::kUnsupported, "GPU_KERNEL",
                fmt::format("kernel {} does not compile: {}", name, compilation.why));
  }
  return std::move(compilation.code);
}

std::string CacheName(std::string_view text) {
  uint64_t a = 1, b = 2;
  for (const char c : text) {
    a = Mix64(a ^ static_cast<uint8_t>(c));
    b = Mix64(b + static_cast<uint8_t>(c));
  }
  return fmt::format("kernel-{:016x}{:016x}", a, b);
}

// A cache entry: the text, a zero byte, the code. Nothing if it is of another text, or damaged.
std::optional<std::vector<uint32_t>> CodeFrom(std::string_view entry, std::string_view text) {
  if (entry.substr(0, text.size()) != text || entry.size() < text.size() + 9) return std::nullopt;
  const std::string_view sum_and_code = entry.substr(text.size() + 1);
  const std::string_view bytes = sum_and_code.substr(8);
  uint64_t sum = 0, found = 0;
  for (const char c : bytes) sum = Mix64(sum ^ static_cast<uint8_t>(c));
  std::memcpy(&found, sum_and_code.data(), sizeof(found));
  if (sum != found || bytes.size() % sizeof(uint32_t) != 0) return std::nullopt;
  std::vector<uint32_t> code(bytes.size() / sizeof(uint32_t));
  std::memcpy(code.data(), bytes.data(), bytes.size());
  if (code.empty() || code[0] != kSpirvMagic) return std::nullopt;
  return code;
}

void Keep(const CacheDirectory& directory, std::string_view text,
          const std::vector<uint32_t>& code) {
  const std::string_view bytes(reinterpret_cast<const char*>(code.data()),
                               code.size() * sizeof(uint32_t));
  uint64_t sum = 0;
  for (const char c : bytes) sum = Mix64(sum ^ static_cast<uint8_t>(c));
  std::string entry(text);
  entry += '\0';
  entry.append(reinterpret_cast<const char*>(&sum), sizeof(sum));
  entry += bytes;
  if (entry.size() > CacheDirectory::kMostBytes) return;
  static_cast<void>(directory.Write(CacheName(text), entry));  // lost at worst
}

}  // namespace

Result<std::vector<uint32_t>> CompileGlsl(std::string_view name, std::string_view text) {
  const Result<CacheDirectory> directory = CacheDirectory::Open();
  if (directory) {
    if (const std::optional<std::string> entry = directory->Read(CacheName(text))) {
      if (auto code = CodeFrom(*entry, text)) return std::move(*code);
    }
  }
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  TRY_ASSIGN(std::vector<uint32_t> code, Compile(name, std::string(text)));
  if (directory) Keep(*directory, text, code);
  return code;
}

}  // namespace tinyai
