#pragma once

#include <cstddef>
#include <cstdint>

// What the loadable part `libtinyai_glsl.so` offers to the program: glslang, which is larger than
// all the rest and needed only to compile kernels for a GPU.
namespace tinyai {

inline constexpr char kGlslCompilerLibrary[] = "libtinyai_glsl.so";
inline constexpr char kGlslCompilerFunction[] = "TinyaiCompileGlsl";

// Called once: with the SPIR-V words, or with no words and why the text does not compile. Both are
// valid during the call only.
using GlslCompiled = void (*)(void* context, const uint32_t* code, size_t words, const char* why);

// Compiles the GLSL text of a compute kernel, ending with a zero byte, for Vulkan 1.2. One call at
// a time.
using GlslCompiler = void (*)(const char* text, GlslCompiled done, void* context);

}  // namespace tinyai
