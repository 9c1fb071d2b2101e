#pragma once

#include "graph/op_kinds.h"

namespace tinyai {

// Calls `visit(name, field)` for every attribute of an op: one list for files, fingerprints and
// whatever else has to go through them all.
template <typename Kind, typename Visitor>
void VisitAttributes(Kind&, Visitor&&) {}  // none

template <typename Window, typename Visitor>
void VisitWindow(Window& window, Visitor&& visit) {
  visit("size", window.size);
  visit("stride", window.stride);
  visit("dilation", window.dilation);
  visit("pad_begin", window.pad_begin);
  visit("pad_end", window.pad_end);
}

// `Kind` is const or not.
#define TINYAI_ATTRIBUTES(kind)                                \
  template <typename Kind, typename Visitor>                   \
  requires std::is_same_v<std::remove_const_t<Kind>, op::kind> \
  void VisitAttributes(Kind& it, Visitor&& visit)

TINYAI_ATTRIBUTES(RmsNorm) {
  visit("epsilon", it.epsilon);
  visit("group", it.group);
}
TINYAI_ATTRIBUTES(Rope) { visit("heads", it.heads); }
TINYAI_ATTRIBUTES(StoreKv) { visit("layer", it.layer); }
TINYAI_ATTRIBUTES(Attention) { visit("layer", it.layer); }
TINYAI_ATTRIBUTES(Input) {
  visit("index", it.index);
  visit("shape", it.shape);
}
TINYAI_ATTRIBUTES(Conv) {
  VisitWindow(it.window, visit);
  visit("groups", it.groups);
}
TINYAI_ATTRIBUTES(ConvTranspose) {
  VisitWindow(it.window, visit);
  visit("groups", it.groups);
  visit("more", it.more);
}
TINYAI_ATTRIBUTES(Pool) {
  visit("kind", it.kind);
  VisitWindow(it.window, visit);
  visit("count_padding", it.count_padding);
}
TINYAI_ATTRIBUTES(GlobalPool) { visit("kind", it.kind); }
TINYAI_ATTRIBUTES(BatchNorm) { visit("epsilon", it.epsilon); }
TINYAI_ATTRIBUTES(LayerNorm) { visit("epsilon", it.epsilon); }
TINYAI_ATTRIBUTES(GroupNorm) {
  visit("groups", it.groups);
  visit("epsilon", it.epsilon);
}
TINYAI_ATTRIBUTES(Activation) {
  visit("function", it.function);
  visit("alpha", it.alpha);
}
TINYAI_ATTRIBUTES(Concat) { visit("axis", it.axis); }
TINYAI_ATTRIBUTES(Slice) {
  visit("axis", it.axis);
  visit("begin", it.begin);
  visit("end", it.end);
}
TINYAI_ATTRIBUTES(Reshape) { visit("shape", it.shape); }
TINYAI_ATTRIBUTES(Transpose) { visit("order", it.order); }
TINYAI_ATTRIBUTES(Pad) {
  visit("before", it.before);
  visit("after", it.after);
  visit("mode", it.mode);
  visit("value", it.value);
}
TINYAI_ATTRIBUTES(Resize) {
  visit("size", it.size);
  visit("mode", it.mode);
  visit("align_corners", it.align_corners);
}
TINYAI_ATTRIBUTES(Softmax) { visit("axis", it.axis); }
TINYAI_ATTRIBUTES(Reduce) {
  visit("kind", it.kind);
  visit("axes", it.axes);
  visit("keep", it.keep);
}
TINYAI_ATTRIBUTES(Attend) {
  visit("heads", it.heads);
  visit("kv_heads", it.kv_heads);
  visit("causal", it.causal);
  visit("scale", it.scale);
}
TINYAI_ATTRIBUTES(Recurrent) {
  visit("cell", it.cell);
  visit("reverse", it.reverse);
  visit("state", it.state);
}
TINYAI_ATTRIBUTES(Paste) {
  visit("axis", it.axis);
  visit("begin", it.begin);
  visit("shape", it.shape);
}

#undef TINYAI_ATTRIBUTES

}  // namespace tinyai
