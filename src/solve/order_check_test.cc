#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "solve/order.h"

namespace tinyai {
namespace {

using testing::HasSubstr;

OrderProblem Good() {
  return {.tensor_bytes = {10, 20, 30},
          .inputs = {0},
          .outputs = {2},
          .ops = {{{0}, {1}, 0}, {{0, 1}, {2}, 5}}};
}

std::string Complaint(const std::function<void(OrderProblem&)>& damage) {
  OrderProblem problem = Good();
  damage(problem);
  const Status status = CheckOrderProblem(problem, std::vector<std::string>{"a", "b", "c"});
  if (status) return "none";
  EXPECT_EQ(status.error().key, "BAD_PROBLEM");
  return status.error().message;
}

TEST(CheckOrderProblem, NamesWhatIsWrong) {
  EXPECT_EQ(Complaint([](OrderProblem&) {}), "none");
  EXPECT_THAT(Complaint([](auto& p) { p.ops[1].ins = {7}; }),
              HasSubstr("op 1: there is no tensor 7"));
  EXPECT_THAT(Complaint([](auto& p) { p.outputs = {3}; }),
              HasSubstr("outputs: there is no tensor 3"));
  EXPECT_THAT(Complaint([](auto& p) { p.inputs = {9}; }),
              HasSubstr("inputs: there is no tensor 9"));
  EXPECT_THAT(Complaint([](auto& p) { p.ops[1].outs = {1}; }),
              HasSubstr("'b' is made by op 0 and again"));
  EXPECT_THAT(Complaint([](auto& p) { p.ops[0].outs = {0}; }), HasSubstr("'a' is an input"));
  EXPECT_THAT(Complaint([](auto& p) { p.inputs = {}; }), HasSubstr("op 0 reads tensor 'a'"));
  EXPECT_THAT(Complaint([](auto& p) { p.ops.pop_back(); }), HasSubstr("output 'c'"));
  EXPECT_THAT(Complaint([](auto& p) { p.ops[0].ins = {2}; }), HasSubstr("cycle"));
  EXPECT_THAT(Complaint([](auto& p) { p.ops[0].ins = {1}; }), HasSubstr("op 0 is on a cycle"));
  EXPECT_THAT(Complaint([](auto& p) { p.tensor_bytes[1] = UINT64_MAX; }), HasSubstr("tensor 'b'"));
  EXPECT_THAT(Complaint([](auto& p) { p.ops[1].workspace_bytes = uint64_t{1} << 60; }),
              HasSubstr("op 1"));
}

TEST(PeakOfOrder, FollowsTheOrder) {
  const OrderProblem problem = Good();
  const std::vector<uint32_t> order{0, 1};
  EXPECT_EQ(PeakOfOrder(problem, order).value(), 65u);
}

TEST(PeakOfOrder, NamesWhatIsWrong) {
  const OrderProblem problem = Good();
  const auto complaint = [&](std::vector<uint32_t> order) {
    return PeakOfOrder(problem, order).error().message;
  };
  EXPECT_THAT(complaint({0}), HasSubstr("1 of 2 ops"));
  EXPECT_THAT(complaint({0, 0}), HasSubstr("op 0 runs twice"));
  EXPECT_THAT(complaint({0, 2}), HasSubstr("there is no op 2"));
  EXPECT_THAT(complaint({1, 0}), HasSubstr("op 1 runs before tensor 1 is there"));
}

}  // namespace
}  // namespace tinyai
