#include "graph/build.h"

#include <array>
#include <string>

#include "base/escape.h"
#include "fmt/format.h"
#include "graph/decoder.h"

namespace tinyai {
namespace {

struct Family {
  std::string_view architecture;
  BuildFamily build;
};

constexpr std::array kFamilies = {
    Family{"llama", BuildLlama},
    Family{"qwen2", BuildQwen2},
    Family{"qwen3", BuildQwen3},
};

constexpr size_t kLongestName = 64;  // of an architecture, in messages

std::string KnownArchitectures() {
  std::string names;
  for (const Family& family : kFamilies) {
    if (!names.empty()) names += ", ";
    names += family.architecture;
  }
  return names;
}

}  // namespace

Result<Graph> BuildGraph(const ModelFile& file, const GraphOptions& options) {
  const MetaValue* value = file.metadata.Find("general.architecture");
  if (value == nullptr || value->is_array || value->type != MetaType::kString) {
    return FailAt(ErrorCode::kBadFile, "MODEL_ARCH",
                  "general.architecture is missing or no string, so this is no model to run",
                  file.parts.empty() ? "" : file.parts[0]);
  }
  TRY_ASSIGN(const auto name, file.metadata.OptionalString("general.architecture"));
  if (name->empty()) {
    return Fail(ErrorCode::kBadFile, "MODEL_ARCH", "general.architecture is empty");
  }
  for (const Family& family : kFamilies) {
    if (family.architecture == *name) {
      return family.build(file, Hparams(file.metadata, std::string(*name)), options);
    }
  }
  const std::string shown = EscapeControl(name->substr(0, kLongestName));
  return Fail(ErrorCode::kUnsupported, "MODEL_ARCH",
              fmt::format("architecture '{}{}' is not supported; supported are {}", shown,
                          name->size() > kLongestName ? "..." : "", KnownArchitectures()));
}

}  // namespace tinyai
