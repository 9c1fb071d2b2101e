#include "gpu/compile_glsl.h"

#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <optional>

#include "base/mix.h"
#include "fmt/format.h"
#include "os/cache_directory.h"

namespace tinyai {
namespace {

constexpr uint32_t kSpirvMagic = 0x07230203;

// glslang keeps its tables for the process; it is never finalised.
bool StartCompiler() {
  static const bool started = glslang_initialize_process() != 0;
  return started;
}

struct DeleteShader {
  void operator()(glslang_shader_t* shader) const { glslang_shader_delete(shader); }
};
struct DeleteProgram {
  void operator()(glslang_program_t* program) const { glslang_program_delete(program); }
};

Result<std::vector<uint32_t>> Compile(std::string_view name, const std::string& text) {
  const auto wrong = [&](const char* why) {
    return Fail(ErrorCode::kUnsupported, "GPU_KERNEL",
                fmt::format("kernel {} does not compile: {}", name, why));
  };
  if (!StartCompiler()) return wrong("glslang does not start");
  glslang_input_t input{};
  input.language = GLSLANG_SOURCE_GLSL;
  input.stage = GLSLANG_STAGE_COMPUTE;
  input.client = GLSLANG_CLIENT_VULKAN;
  input.client_version = GLSLANG_TARGET_VULKAN_1_2;
  input.target_language = GLSLANG_TARGET_SPV;
  input.target_language_version = GLSLANG_TARGET_SPV_1_5;
  input.code = text.c_str();
  input.default_version = 450;
  input.default_profile = GLSLANG_NO_PROFILE;
  input.messages = GLSLANG_MSG_DEFAULT_BIT;
  input.resource = glslang_default_resource();
  const std::unique_ptr<glslang_shader_t, DeleteShader> shader(glslang_shader_create(&input));
  if (glslang_shader_preprocess(shader.get(), &input) == 0 ||
      glslang_shader_parse(shader.get(), &input) == 0) {
    return wrong(glslang_shader_get_info_log(shader.get()));
  }
  const std::unique_ptr<glslang_program_t, DeleteProgram> program(glslang_program_create());
  glslang_program_add_shader(program.get(), shader.get());
  const int rules = GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT;
  if (glslang_program_link(program.get(), rules) == 0) {
    return wrong(glslang_program_get_info_log(program.get()));
  }
  glslang_program_SPIRV_generate(program.get(), GLSLANG_STAGE_COMPUTE);
  std::vector<uint32_t> code(glslang_program_SPIRV_get_size(program.get()));
  glslang_program_SPIRV_get(program.get(), code.data());
  return code;
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
