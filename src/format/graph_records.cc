#include "format/graph_records.h"

#include <algorithm>
#include <array>

namespace tinyai {
namespace {

constexpr std::array<std::string_view, 7> kRoles = {"other",  "embedding", "attention", "ffn",
                                                    "output", "norm",      "conv"};

}  // namespace

std::string_view Name(LayerRole role) { return kRoles[static_cast<size_t>(role)]; }

std::optional<LayerRole> LayerRoleFromName(std::string_view name) {
  const auto found = std::find(kRoles.begin(), kRoles.end(), name);
  if (found == kRoles.end()) return std::nullopt;
  return static_cast<LayerRole>(found - kRoles.begin());
}

}  // namespace tinyai
