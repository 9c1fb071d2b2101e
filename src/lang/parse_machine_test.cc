#include "fmt/format.h"
#include "golden/golden.h"
#include "lang/lang_test_support.h"
#include "lang/number.h"
#include "lang/parse_costs.h"
#include "lang/parse_devices.h"

namespace tinyai {
namespace {

constexpr std::string_view kDevices =
    "device CPU { queue main; memory RAM; coordinator; effects input, print, output; }\n"
    "device GPU { queue compute, copy; memory VRAM; branch predicated; api vulkan; }\n"
    "memory RAM = 64G align 64;  // declared after its use\nmemory VRAM = 8G;\n"
    "link RAM -> VRAM = 10us + bytes / 12GB/s queue GPU.copy;\n";
constexpr std::string_view kCosts =
    "cost desk {\n  fence = 2us;\n  sync = 1us + 2 * 3us;\n"
    "  op matmul(a, b) on GPU = 5us + flops / 10TFLOP/s;\n"
    "  op add(a) on * = max(bytes / 20GB/s, a * 1ns);\n  branch b > 0 = 0.9;\n  trip i = 7;\n"
    "  recompute <= 3;\n  objective lex(makespan, syncs);\n}\n";

template <typename Parse>
std::string Complaints(Parse parse, std::string text) {
  const SourceText source("in", std::move(text));
  Diagnostics diagnostics(source);
  parse(diagnostics);
  return diagnostics.Text();
}

TEST(ParseDevices, ReadsAllThatADeviceFileSays) {
  const SourceText source("in", std::string(kDevices));
  Diagnostics diagnostics(source);
  const Devices devices = ParseDevices(diagnostics);
  ASSERT_EQ(diagnostics.Text(), "");
  EXPECT_EQ(devices.PlaceNames(), "CPU, GPU, GPU.copy");
  ASSERT_EQ(devices.memories.size(), 2u);
  EXPECT_EQ(devices.memories[0].bytes, uint64_t{64} << 30);
  EXPECT_EQ(devices.memories[0].alignment, 64u);
  EXPECT_TRUE(devices.places[0].effects && devices.places[0].coordinator);
  const Devices::Place& gpu = devices.places[1];
  EXPECT_TRUE(gpu.computes && !gpu.effects && gpu.memory == 1);
  EXPECT_EQ(gpu.api, Devices::Api::kVulkan);
  EXPECT_EQ(gpu.branching, Devices::Branching::kPredicated);
  EXPECT_FALSE(devices.places[2].computes);
  ASSERT_EQ(devices.links.size(), 1u);
  EXPECT_EQ(devices.links[0].queue, 2u);
  EXPECT_EQ(devices.links[0].latency_seconds, NumberValue("10us"));
  EXPECT_EQ(devices.links[0].bytes_per_second, 12.0 * (1 << 30));
}

TEST(ParseCosts, ReadsAllThatACostFileSays) {
  const SourceText source("in", std::string(kCosts));
  Diagnostics diagnostics(source);
  const Costs costs = ParseCosts(diagnostics);
  ASSERT_EQ(diagnostics.Text(), "");
  ASSERT_NE(costs.Find("matmul", "GPU"), nullptr);
  EXPECT_EQ(costs.Find("matmul", "CPU"), nullptr);
  EXPECT_DOUBLE_EQ(CostValue(costs.Find("matmul", "GPU")->seconds, {{"flops", 1e13}}), 1 + 5e-6);
  EXPECT_DOUBLE_EQ(CostValue(costs.Find("add", "CPU")->seconds, {{"bytes", 1}, {"a", 9}}), 9e-9);
  EXPECT_EQ(costs.trips.at("i"), 7);
  EXPECT_TRUE(costs.objective.has_value());
  EXPECT_EQ(costs.branches.size(), 1u);
}

TEST(ParseMachine, EachMistakeIsReportedWithItsPlace) {
  const std::string ram = "memory RAM = 1G;\n";
  const std::string cpu = "device CPU { memory RAM; effects input, print; }\n";
  std::string golden;
  for (const std::string& text : std::vector<std::string>{
           ram + "device CPU { memory RAM; }", cpu, ram + cpu + cpu, ram + ram + cpu,
           ram + "device CPU { queue a; effects print; }",
           ram + "device CPU { memory RAM; queue; api",
           ram + cpu + "link RAM -> RAM = 1us + bytes / 0GB/s;",
           ram + cpu + "link RAM -> RAM = 1us + bytes / 1GB/s;",
           ram + "memory B = 1K;\nmemory C = 1K;\n" + cpu +
               "device D { memory C; }\nlink RAM -> B = 1us + bytes / 1GB/s queue D;",
           ram + cpu + "link RAM -> DISK = 1us + bytes / 1GB/s queue GPU;",
           "memory RAM = 3us;\nmemory B = 1K align 3;\ndevice CPU { speed 3; branch some; "
           "}\nmachine "
           "x;",
           ram + "device A { memory RAM; coordinator; effects sing; }"
                 "device B { memory RAM; coordinator; effects input, print; }"}) {
    const std::string said = Complaints(ParseDevices, text);
    EXPECT_NE(said, "") << text;
    golden += fmt::format("{}\n=>\n{}\n", text, said);
  }
  for (const std::string& text : std::vector<std::string>{
           "", "cost c { fence = -1us; sync = 1 / 0; }",
           "cost c { sync = bytes; op add on GPU = n; }",
           "cost c { op add on GPU = 1us; op add on GPU = 2us; trip i = 1; trip i = 2; }",
           "cost c { op add on = 1us; op mul(a, on CPU = 1;\n price 7; objective; branch b = 2; }",
           "cost c { op add on GPU = a[1]; op sub on * = 0 / 0; op neg on * = 1e999; op f on CPU = "
           "f(1); }",
           "cost c { fence = 1us; fence = 2us; } more"}) {
    const std::string said = Complaints(ParseCosts, text);
    EXPECT_NE(said, "") << text;
    golden += fmt::format("{}\n=>\n{}\n", text, said);
  }
  ExpectGolden("src/lang/goldens/machine_errors.txt", golden);
}

// Cut anywhere and with any token lost, a file is read to its end with few errors.
TEST(ParseMachine, DamageIsReported) {
  for (const std::string_view whole : {kDevices, kCosts}) {
    const auto parse = [&](std::string text) {
      return whole == kDevices ? Complaints(ParseDevices, std::move(text))
                               : Complaints(ParseCosts, std::move(text));
    };
    for (size_t at = 0; at < whole.size(); ++at) {
      const std::string before(whole.substr(0, at)), after(whole.substr(at + 1));
      if (whole == kCosts && before.find_last_of('}') == std::string::npos) {
        EXPECT_NE(parse(before), "") << before;
      }
      for (const char* other : {"", "}", "{", ";", "=", "9", "\"", "\xff"}) {
        const std::string said = parse(before + other + after);
        EXPECT_LT(said.size(), 4000u) << before << other << after << said;
      }
    }
  }
}

}  // namespace
}  // namespace tinyai
