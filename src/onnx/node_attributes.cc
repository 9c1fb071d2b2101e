#include <algorithm>

#include "onnx/importer.h"

namespace tinyai {

const OnnxAttribute* NodeAttributes::Find(std::string_view name) const {
  const auto found = std::ranges::find(node_.attributes, name, &OnnxAttribute::name);
  return found == node_.attributes.end() ? nullptr : &*found;
}
int64_t NodeAttributes::Integer(std::string_view name, int64_t otherwise) const {
  const OnnxAttribute* const found = Find(name);
  const auto* const value = found ? std::get_if<int64_t>(&found->value) : nullptr;
  return value ? *value : otherwise;
}
float NodeAttributes::Float(std::string_view name, float otherwise) const {
  const OnnxAttribute* const found = Find(name);
  const auto* const value = found ? std::get_if<float>(&found->value) : nullptr;
  return value ? *value : otherwise;
}
std::string_view NodeAttributes::Text(std::string_view name, std::string_view otherwise) const {
  const OnnxAttribute* const found = Find(name);
  const auto* const value = found ? std::get_if<std::string>(&found->value) : nullptr;
  return value ? std::string_view(*value) : otherwise;
}
std::optional<std::vector<int64_t>> NodeAttributes::Integers(std::string_view name) const {
  const OnnxAttribute* const found = Find(name);
  const auto* const value = found ? std::get_if<std::vector<int64_t>>(&found->value) : nullptr;
  return value ? std::optional(*value) : std::nullopt;
}
std::span<const float> NodeAttributes::Floats(std::string_view name) const {
  const OnnxAttribute* const found = Find(name);
  const auto* const value = found ? std::get_if<std::vector<float>>(&found->value) : nullptr;
  return value ? std::span<const float>(*value) : std::span<const float>();
}
const OnnxTensor* NodeAttributes::Tensor(std::string_view name) const {
  const OnnxAttribute* const found = Find(name);
  const auto* const value =
      found ? std::get_if<std::shared_ptr<const OnnxTensor>>(&found->value) : nullptr;
  return value ? value->get() : nullptr;
}

}  // namespace tinyai
