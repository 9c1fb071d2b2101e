#include "lang/devices.h"

namespace tinyai {

std::optional<uint32_t> Devices::FindPlace(std::string_view name) const {
  for (uint32_t i = 0; i < places.size(); ++i) {
    if (places[i].name == name) return i;
  }
  return std::nullopt;
}

std::string Devices::PlaceNames() const {
  std::string out;
  for (const Place& place : places) {
    if (!out.empty()) out += ", ";
    out += place.name;
  }
  return out;
}

Devices UsualDevices() {
  Devices out;
  out.memories.push_back({.name = "RAM"});
  out.places.push_back({.name = "CPU", .device = "CPU", .effects = true, .coordinator = true});
  out.places.push_back({.name = "GPU", .device = "GPU", .api = Devices::Api::kVulkan});
  return out;
}

}  // namespace tinyai
