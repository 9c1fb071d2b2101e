#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/mapped_model.h"

namespace tinyai {

// What another form of one layer's weights does, all other layers being as in the file: the root
// mean square of the change over that of what there was.
struct LayerError {
  uint32_t layer = 0;
  uint64_t bytes = 0;   // of its weights in the other form
  double of_layer = 0;  // of the layer's result
  double of_model = 0;  // of the model's results; of a text model, of the last token's logits
};

// For each layer that `forms` (by layer) change, in order. Nothing of the model changes. `input`:
// of a text model a text that ends with NUL, else one sample of all inputs; null: an empty text,
// zeros. Executes the model twice for each layer, in its least memory. Errors: those of
// MakeOverlay, PlanForward and ForwardPass, EncodePrompt, NO_PROMPT.
Result<std::vector<LayerError>> MeasureLayerErrors(const MappedModel& model,
                                                   std::span<const LayerForm> forms,
                                                   const void* input);

}  // namespace tinyai
