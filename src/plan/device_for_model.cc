#include "plan/device_for_model.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "fmt/format.h"
#include "plan/pass_costs.h"

namespace tinyai {
namespace {

class Finder {
 public:
  Finder(const Devices& devices, Diagnostics& out) : devices_(devices), out_(out) {}

  std::optional<RequestDevice> Find() {
    uint32_t cpu = 0;
    while (cpu + 1 < devices_.places.size() && !devices_.places[cpu].effects) ++cpu;
    std::optional<uint32_t> found;
    for (uint32_t i = 0; i < devices_.places.size(); ++i) {
      const Devices::Place& place = devices_.places[i];
      if (i == cpu || !place.computes || place.api != Devices::Api::kThread) continue;
      if (found) {
        out_.Error("I9", place.where,
                   fmt::format("'{}' is the second device: a model's ops go to one besides '{}'",
                               place.name, devices_.places[cpu].name))
            .Help("delete one");
        return std::nullopt;
      }
      found = i;
    }
    if (!found) return std::nullopt;
    return Describe(devices_.places[cpu].memory, *found);
  }

 private:
  std::optional<RequestDevice> Describe(uint32_t ram, uint32_t index) {
    const Devices::Place& place = devices_.places[index];
    const Devices::Memory& memory = devices_.memories[place.memory];
    if (place.memory == ram) {
      out_.Error("I9", place.where,
                 fmt::format("'{}' has no memory of its own, which a model's ops need there",
                             place.name))
          .Help(
              fmt::format("declare one: memory {0}.mem = 1G; and device {0} {{ memory {0}.mem; }}",
                          place.device));
      return std::nullopt;
    }
    RequestDevice out{.name = place.name,
                      .memory = memory.name,
                      .memory_bytes = memory.bytes,
                      .alignment = memory.alignment};
    const bool linked =
        FindWay(ram, place.memory, index, out.to) && FindWay(place.memory, ram, index, out.from);
    return linked ? std::optional(out) : std::nullopt;
  }

  bool FindWay(uint32_t from, uint32_t to, uint32_t device, RequestDevice::Way& way) {
    const auto link =
        std::find_if(devices_.links.begin(), devices_.links.end(),
                     [&](const Devices::Link& one) { return one.from == from && one.to == to; });
    const std::string &source = devices_.memories[from].name, &target = devices_.memories[to].name;
    const std::string& name = devices_.places[device].name;
    if (link == devices_.links.end()) {
      out_.Error("I9", devices_.places[device].where,
                 fmt::format("no link leads from {} to {}", source, target))
          .Help(fmt::format("declare it: link {} -> {} = 10us + bytes / 10G;", source, target));
      return false;
    }
    if (link->queue && *link->queue != device) {
      out_.Error("I9", link->where, fmt::format("a model's values are moved by {} itself", name))
          .Help(fmt::format("queue {}", name));
      return false;
    }
    way = {link->latency_seconds, link->bytes_per_second};
    return true;
  }

  const Devices& devices_;
  Diagnostics& out_;
};

}  // namespace

Result<std::optional<RequestDevice>> DeviceForModel(const Devices& devices, Diagnostics& out) {
  std::optional<RequestDevice> device = Finder(devices, out).Find();
  if (!out.has_errors()) return device;
  return tl::unexpected<Error>(out.AsError("SCHEDULE_IMPOSSIBLE"));
}

Status CheckDeviceCosts(const Graph& graph, const RequestDevice& device, Diagnostics& out) {
  PlanRequest request;
  request.device = device;
  const PassCosts costs = PassCosts::OfDevice(graph, request, 1);
  std::set<std::string_view> said;
  for (const Op& op : graph.ops) {
    const bool product = IsProduct(op.kind);
    const std::string_view name = product ? kProductCost : kActivationCost;
    const Costs::Op* const cost =
        device.costs == nullptr ? nullptr : device.costs->Find(name, device.name);
    if (cost == nullptr) continue;
    const double seconds = product
                               ? costs.ProductSeconds(op, graph.weight(op.weights[0]).rows, false)
                               : costs.OpSeconds(op);
    if ((std::isfinite(seconds) && seconds >= 0) || !said.insert(name).second) continue;
    out.Error("I15", cost->seconds.where,
              fmt::format("cost of '{} on {}' is {}", name, cost->place,
                          std::isfinite(seconds) ? "negative" : "no finite number"))
        .Help(fmt::format("'{}' asks for it", op.name));
  }
  if (!out.has_errors()) return {};
  return tl::unexpected<Error>(out.AsError("COST_MODEL"));
}

}  // namespace tinyai
