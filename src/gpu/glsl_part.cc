#include "gpu/glsl_compiler.h"

#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>

#include <memory>
#include <vector>

namespace tinyai {
namespace {

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

glslang_input_t ComputeKernel(const char* text) {
  glslang_input_t input{};
  input.language = GLSLANG_SOURCE_GLSL;
  input.stage = GLSLANG_STAGE_COMPUTE;
  input.client = GLSLANG_CLIENT_VULKAN;
  input.client_version = GLSLANG_TARGET_VULKAN_1_2;
  input.target_language = GLSLANG_TARGET_SPV;
  input.target_language_version = GLSLANG_TARGET_SPV_1_5;
  input.code = text;
  input.default_version = 450;
  input.default_profile = GLSLANG_NO_PROFILE;
  input.messages = GLSLANG_MSG_DEFAULT_BIT;
  input.resource = glslang_default_resource();
  return input;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void TinyaiCompileGlsl(const char* text,
                                                                         GlslCompiled done,
                                                                         void* context) {
  if (!StartCompiler()) return done(context, nullptr, 0, "glslang does not start");
  const glslang_input_t input = ComputeKernel(text);
  const std::unique_ptr<glslang_shader_t, DeleteShader> shader(glslang_shader_create(&input));
  if (glslang_shader_preprocess(shader.get(), &input) == 0 ||
      glslang_shader_parse(shader.get(), &input) == 0) {
    return done(context, nullptr, 0, glslang_shader_get_info_log(shader.get()));
  }
  const std::unique_ptr<glslang_program_t, DeleteProgram> program(glslang_program_create());
  glslang_program_add_shader(program.get(), shader.get());
  const int rules = GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT;
  if (glslang_program_link(program.get(), rules) == 0) {
    return done(context, nullptr, 0, glslang_program_get_info_log(program.get()));
  }
  glslang_program_SPIRV_generate(program.get(), GLSLANG_STAGE_COMPUTE);
  std::vector<uint32_t> code(glslang_program_SPIRV_get_size(program.get()));
  glslang_program_SPIRV_get(program.get(), code.data());
  done(context, code.data(), code.size(), "");
}

}  // namespace tinyai
