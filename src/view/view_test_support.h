#pragma once

// A net small enough to be looked at: three slices go through a ring of two slots.

#include <optional>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "view/net_view.h"

namespace tinyai {

inline constexpr PlaceId kTestCpu{0}, kTestDisk{1};

inline TaskNet RingNet() {
  TaskNet net;
  net.memories = {{"RAM", 1000, 4, 200}};
  net.places = {{"CPU", {}, true}, {"DISK", {}, false}};
  net.regions = {{"pass"}};
  net.loops = true;
  net.values.push_back({.name = "kept \"one\"", .bytes = 60});
  net.ops.push_back({.name = "load kept \"one\"",
                     .outs = {NetValueId(0)},
                     .choices = {{kTestDisk, 1e-3}},
                     .once = true,
                     .moved_bytes = 60});
  for (uint32_t i = 0; i < 3; ++i) {
    const NetValueId slice = NetValueId(net.values.size());
    net.values.push_back({.name = fmt::format("w{}", i), .bytes = 100, .offset = i % 2 * 100});
    net.ops.push_back({.name = fmt::format("load w{}", i),
                       .outs = {slice},
                       .choices = {{kTestDisk, 2e-3}},
                       .moved_bytes = 100});
    net.values.push_back({.name = fmt::format("x{}", i), .bytes = 8});
    NetOp use{.name = fmt::format("use {}", i),
              .ins = {slice},
              .outs = {NetValueId(net.values.size() - 1)},
              .choices = {{kTestCpu, 1e-3}}};
    use.ins.push_back(i == 0 ? NetValueId(0) : NetValueId(net.values.size() - 3));
    net.ops.push_back(std::move(use));
  }
  net.values.back().wanted = true;
  return net;
}

inline PlannedNet PlanOf(const TaskNet& net) {
  NetDraft draft;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    draft.order.push_back(NetOpId(i));
    draft.place_of.push_back(net.ops[i].choices[0].place);
  }
  Result<PlannedNet> planned = PlanInOrder(net, draft);
  EXPECT_TRUE(planned) << Describe(planned.error());
  return planned ? std::move(*planned) : PlannedNet();
}

// The net's plan with all that is shown around it.
struct TestView {
  TaskNet net = RingNet();
  PlannedNet planned = PlanOf(net);
  NetView view{
      .net = net,
      .planned = planned,
      .title = "three <slices>",
      .budget_bytes = 2000,
      .kinds = {"resident weights", "ring", "activations"},
      .kind_of = {0, 1, 2, 1, 2, 1, 2},
      .held = {{"program", 500}},
      .areas = {{"slot 0", BufferKind::kRing, 0, 100}, {"slot 1", BufferKind::kRing, 100, 100}},
      .reasons = {{"ring", "two slots \\ enough"}},
      .summary = {{"speed", "fast"}}};
};

// A net in which both places go round in that one.
struct LoopTestView {
  TaskNet net;
  PlannedNet planned;
  TestView body;
  std::optional<NetView> view;

  explicit LoopTestView(std::optional<uint64_t> iterations) {
    net.memories = body.net.memories;
    net.places = body.net.places;
    net.values.push_back({.name = "n", .bytes = 8});
    net.ops.push_back({.name = "n", .outs = {NetValueId(0)}, .choices = {{kTestCpu, 1e-3}}});
    for (const PlaceId place : {kTestCpu, kTestDisk}) {
      net.ops.push_back({.name = "loop i", .ins = {NetValueId(0)}, .choices = {{place, 0.1}}});
    }
    planned = PlanOf(net);
    view.emplace(NetView{
        .net = net, .planned = planned, .title = "a loop", .kinds = {"value"}, .kind_of = {0}});
    view->loops.push_back({.name = "loop i",
                           .members = {NetOpId(1), NetOpId(2)},
                           .window = 4,
                           .iterations = iterations,
                           .view = body.view});
  }
};

}  // namespace tinyai
