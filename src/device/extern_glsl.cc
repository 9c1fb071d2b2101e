#include "device/extern_glsl.h"

#include <algorithm>

#include "fmt/format.h"

namespace tinyai {
namespace {

std::string ShapeText(const ProgramType& type) {
  if (type.shape.empty()) return "uint[](1u)";
  std::string text;
  for (const uint64_t size : type.shape)
    text += fmt::format("{}{}u", text.empty() ? "" : ", ", size);
  return "uint[](" + text + ")";
}

// Behind the line with #version, before which there may only be comments; 0 if there is none.
size_t AfterVersion(std::string_view text) {
  const size_t version = text.find("#version");
  if (version == std::string_view::npos) return 0;
  const size_t end = text.find('\n', version);
  return end == std::string_view::npos ? text.size() : end + 1;
}

}  // namespace

GlslKernel ExternGlsl(const Stage& stage, std::string_view text) {
  GlslKernel kernel;
  kernel.invocations = ElementCount(stage.out.type);
  std::string shapes;
  for (uint32_t i = 0; i < stage.slots.size(); ++i) {
    kernel.slots.push_back(i);
    shapes += fmt::format("#define SHAPE_{} {}\n", i, ShapeText(stage.slots[i].type));
  }
  shapes += fmt::format("#define SHAPE_{} {}\n", stage.slots.size(), ShapeText(stage.out.type));
  const size_t at = AfterVersion(text);
  const std::string_view head = text.substr(0, at);
  const auto lines = std::count(head.begin(), head.end(), '\n');
  // Messages of the compiler keep the lines of the file.
  kernel.text =
      fmt::format("{}{}{}#line {}\n{}", head, head.empty() || head.back() == '\n' ? "" : "\n",
                  shapes, lines + 1, text.substr(at));
  return kernel;
}

}  // namespace tinyai
