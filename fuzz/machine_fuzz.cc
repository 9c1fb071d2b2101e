// Feeds any bytes to the readers of device files and of cost files. What they refuse they explain.

#include <cstdint>
#include <string>

#include "program/read_machine.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tinyai;
  const SourceText source("in", std::string(reinterpret_cast<const char*>(data), size));
  Diagnostics said(source);
  const Result<Devices> devices = ReadDevices(said);
  CheckComplaints(said);
  Require(devices.has_value() != said.has_errors(), "devices or a mistake", said.Text());
  Diagnostics costs_said(source);
  const Result<Costs> costs = ReadCosts(devices ? *devices : UsualDevices(), costs_said);
  CheckComplaints(costs_said);
  Require(costs.has_value() != costs_said.has_errors(), "costs or a mistake", costs_said.Text());
  return 0;
}
