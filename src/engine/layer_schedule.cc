#include "engine/layer_schedule.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostOutputBytes = std::numeric_limits<int64_t>::max() / 2;

tl::unexpected<Error> BadLayer(int32_t layer, size_t count) {
  return Fail(ErrorCode::kUsage, "ARG_INDEX",
              fmt::format("there is no layer {}; the model has {}", layer, count));
}

tl::unexpected<Error> BadDependency(std::string message) {
  return Fail(ErrorCode::kSchedule, "SCHEDULE_DEPENDENCY", std::move(message));
}

}  // namespace

Status LayerSchedule::Add(int32_t layer, int32_t depends_on, DependencyKind kind,
                          uint64_t output_bytes) {
  const auto count = static_cast<int64_t>(layer_count_);
  if (layer < 0 || layer >= count) return BadLayer(layer, layer_count_);
  if (depends_on < -1 || depends_on >= count) return BadLayer(depends_on, layer_count_);
  if (depends_on == layer) return BadDependency(fmt::format("layer {} depends on itself", layer));
  switch (kind) {
    case DependencyKind::kNone:
      if (depends_on != -1) {
        return BadDependency(
            fmt::format("layer {} has no dependency, and {} is named", layer, depends_on));
      }
      break;
    case DependencyKind::kSequential:
      if (depends_on == -1 && last_added_ != layer) depends_on = last_added_;
      break;
    case DependencyKind::kResidual:
    case DependencyKind::kAttention:
      if (depends_on == -1) {
        return BadDependency(
            fmt::format("a residual or attention dependency of layer {} names no layer", layer));
      }
      break;
    default:
      return Fail(ErrorCode::kUsage, "ARG_VALUE",
                  fmt::format("{} is no type of dependency", static_cast<int>(kind)));
  }
  if (output_bytes > kMostOutputBytes) {
    return Fail(ErrorCode::kSchedule, "SCHEDULE_SIZE",
                fmt::format("an output of {} bytes for layer {} is more than any machine has",
                            output_bytes, layer));
  }
  const auto known =
      std::ranges::find(layers_, static_cast<uint32_t>(layer), &ScheduledLayer::layer);
  const auto on = static_cast<uint32_t>(depends_on);
  if (known != layers_.end()) {
    if (known->output_bytes != output_bytes) {
      return Fail(ErrorCode::kSchedule, "SCHEDULE_SIZE",
                  fmt::format("layer {} was added with an output of {} bytes, and now with {}",
                              layer, known->output_bytes, output_bytes));
    }
    const bool entry = known->dependencies.empty();
    if (entry != (depends_on == -1)) {
      return BadDependency(fmt::format("layer {} was added {} a dependency, and now {} one", layer,
                                       entry ? "without" : "with", entry ? "with" : "without"));
    }
    const auto same = std::ranges::find(known->dependencies, on, &LayerDependency::layer);
    if (same != known->dependencies.end() && same->kind != kind) {
      return BadDependency(
          fmt::format("layer {} depends on {} already, in another way", layer, depends_on));
    }
    if (!entry && same == known->dependencies.end()) known->dependencies.push_back({on, kind});
  } else {
    ScheduledLayer added{.layer = static_cast<uint32_t>(layer), .output_bytes = output_bytes};
    if (depends_on != -1) added.dependencies.push_back({on, kind});
    layers_.push_back(std::move(added));
  }
  last_added_ = layer;
  return {};
}

const ScheduledLayer* LayerSchedule::Find(uint32_t layer) const {
  const auto found = std::ranges::find(layers_, layer, &ScheduledLayer::layer);
  return found == layers_.end() ? nullptr : &*found;
}

Status LayerSchedule::Check() const {
  if (layers_.empty()) {
    return Fail(ErrorCode::kSchedule, "SCHEDULE_EMPTY", "no layer has been added");
  }
  for (const ScheduledLayer& layer : layers_) {
    for (const LayerDependency& dependency : layer.dependencies) {
      if (Find(dependency.layer) != nullptr) continue;
      return Fail(ErrorCode::kSchedule, "SCHEDULE_MISSING",
                  fmt::format("layer {} depends on layer {}, which was never added", layer.layer,
                              dependency.layer));
    }
  }
  return CheckCycles();
}

// Takes layers away that wait for nothing, until none is left; what is left waits in a circle.
Status LayerSchedule::CheckCycles() const {
  std::vector<uint32_t> waiting(layer_count_), done;
  std::vector<std::vector<uint32_t>> readers(layer_count_);
  for (const ScheduledLayer& layer : layers_) {
    waiting[layer.layer] = static_cast<uint32_t>(layer.dependencies.size());
    if (layer.dependencies.empty()) done.push_back(layer.layer);
    for (const LayerDependency& dependency : layer.dependencies) {
      readers[dependency.layer].push_back(layer.layer);
    }
  }
  for (size_t i = 0; i < done.size(); ++i) {
    for (const uint32_t reader : readers[done[i]]) {
      if (--waiting[reader] == 0) done.push_back(reader);
    }
  }
  if (done.size() == layers_.size()) return {};
  // From any of them back along a dependency that waits too: the first seen again closes the
  // circle.
  std::vector<bool> seen(layer_count_);
  std::vector<uint32_t> path;
  uint32_t at = std::ranges::find_if(layers_, [&](const ScheduledLayer& layer) {
                  return waiting[layer.layer] > 0;
                })->layer;
  while (!seen[at]) {
    seen[at] = true;
    path.push_back(at);
    for (const LayerDependency& dependency : Find(at)->dependencies) {
      if (waiting[dependency.layer] > 0) {
        at = dependency.layer;
        break;
      }
    }
  }
  std::string text = fmt::format("{}", at);
  for (auto it = path.rbegin(); it != path.rend(); ++it) {
    text += fmt::format("->{}", *it);
    if (*it == at) break;
  }
  return Fail(ErrorCode::kSchedule, "SCHEDULE_CYCLE",
              fmt::format("the layers wait for each other: {}", text));
}

}  // namespace tinyai
