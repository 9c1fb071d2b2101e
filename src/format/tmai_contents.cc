#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "format/text_layers.h"
#include "format/tmai_writer.h"

namespace tinyai {
namespace {

// How a GGUF file is cut into parts and aligned.
constexpr std::array<std::string_view, 4> kLeftOut = {"general.alignment", "split.no",
                                                      "split.count", "split.tensors.count"};

}  // namespace

TmaiContents ContentsOf(const ModelFile& file, std::vector<size_t>& order) {
  TmaiContents out;
  for (const Metadata::Entry& entry : file.metadata.entries()) {
    if (std::find(kLeftOut.begin(), kLeftOut.end(), entry.key) != kLeftOut.end()) continue;
    out.metadata.AddValue(entry.key, entry.value);
  }
  order.resize(file.tensors.size());
  std::iota(order.begin(), order.end(), 0);
  if (file.graph) {
    out.graph = file.graph->Unpack();
  } else if (file.metadata.Has("general.architecture")) {
    TextLayers layers = FindTextLayers(file);
    order = std::move(layers.order);
    out.graph = std::move(layers.graph);
  }
  for (const size_t index : order) out.tensors.push_back(file.tensors[index]);
  return out;
}

}  // namespace tinyai
