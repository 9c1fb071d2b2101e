#pragma once

#include "format/model_file.h"
#include "json.h"

namespace tinyai {

// The layers of a file that has a graph, as `show` lists them; "" and an empty list where it has
// none. With the graph's inputs: name and shape.
std::string DescribeLayers(const ModelFile& file);
Json LayersToJson(const ModelFile& file);
Json InputsToJson(const ModelFile& file);

}  // namespace tinyai
