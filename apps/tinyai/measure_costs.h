#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "lang/devices.h"

namespace tinyai {

class GpuDevice;

// What the ops of programs, fences, syncs and links took on this machine.
struct MeasuredCosts {
  // A cost that grows with what is worked on.
  struct Line {
    double start_seconds = 0;
    double per_second = 0;  // bytes, or flops; 0: any number takes as long
  };
  struct Op {
    std::string name, place;
    bool by_flops = false;
    Line cost;
  };
  struct Link {
    std::string from, to;
    Line cost;
  };
  // What a model's ops take where a thread stands for a device.
  struct OfModels {
    std::string place;
    double product_bytes_per_second = 0, macs_per_second = 0;
    double activation_bytes_per_second = 0;
  };
  std::vector<Op> ops;
  std::vector<OfModels> models;
  double fence_seconds = 0;
  double sync_seconds = 0;  // where two places compute
  std::vector<Link> links;
};

// Runs small programs on every place of the machine that computes; `gpu` as RunOptions has it,
// null: threads. Takes some seconds. Errors: those of compiling and running; CANCELLED by a signal.
Result<MeasuredCosts> MeasureCosts(const Devices& devices, GpuDevice* gpu);

// The same for what a model's ops take where threads stand for devices. Errors: those of
// MeasureProductRate.
Result<std::vector<MeasuredCosts::OfModels>> MeasureModelCosts(const Devices& devices);

// A cost file; links, which belong into device files, are comments of it.
std::string CostFileText(const MeasuredCosts& costs, const std::string& machine);

}  // namespace tinyai
