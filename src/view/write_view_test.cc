#include "view/write_view.h"

#include <map>
#include <set>

#include "golden/golden.h"
#include "nlohmann/json.hpp"
#include "view/view_test_support.h"

namespace tinyai {
namespace {

using Json = nlohmann::json;
using Writer = Status (*)(const NetView&, const TextSink&);

std::string Written(Writer write, const NetView& view) {
  std::string out;
  const Status status = write(view, [&](std::string_view text) -> Status {
    out += text;
    return {};
  });
  EXPECT_TRUE(status);
  return out;
}

TEST(WriteView, SmallNetsLookAsTheyDid) {
  const TestView test;
  ExpectGolden("src/view/goldens/ring.json", Written(WriteJson, test.view));
  ExpectGolden("src/view/goldens/ring.trace.json", Written(WriteTrace, test.view));
  ExpectGolden("src/view/goldens/ring.dot", Written(WriteDot, test.view));
}

TEST(WriteView, AnErrorOfTheSinkIsHandedOn) {
  const TestView test;
  for (const Writer write : {WriteJson, WriteTrace, WriteDot, WritePage}) {
    const Status status = write(test.view, [](std::string_view) -> Status {
      return Fail(ErrorCode::kIo, "IO_WRITE", "full");
    });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().key, "IO_WRITE");
  }
}

TEST(WriteJson, HoldsEveryOpOnceWithItsTimes) {
  const TestView test;
  const Json plan = Json::parse(Written(WriteJson, test.view));
  std::multiset<std::string> ops;
  for (const Json& place : plan["places"]) {
    double free_at = 0;
    for (const Json& command : place["commands"]) {
      ops.insert(command["op"].get<std::string>());
      if (command.contains("once")) continue;
      EXPECT_GE(command["begin"].get<double>(), free_at - 1e-9);
      free_at = command["end"].get<double>();
      for (const Json& sync : command["syncs"]) {
        EXPECT_LT(sync["fence"].get<size_t>(), plan["fences"].size());
      }
    }
  }
  std::multiset<std::string> wanted;
  for (const NetOp& op : test.net.ops) wanted.insert(op.name);
  EXPECT_EQ(ops, wanted);
  EXPECT_EQ(plan["buffers"].size(), test.net.values.size());
  EXPECT_EQ(plan["budget_bytes"], 2000);
}

TEST(WriteTrace, SpansOfALaneNeverOverlapAndArrowsLieInSpans) {
  const TestView test;
  const Json events = Json::parse(Written(WriteTrace, test.view))["traceEvents"];
  std::map<int, std::vector<std::pair<double, double>>> lanes;
  std::multiset<std::string> names;
  for (const Json& event : events) {
    if (event["ph"] != "X") continue;
    const double begin = event["ts"];
    lanes[event["tid"]].emplace_back(begin, begin + event["dur"].get<double>());
    names.insert(event["name"].get<std::string>());
  }
  EXPECT_EQ(names.size(), 6u);  // what is done once has no place in a pass
  for (const auto& [lane, spans] : lanes) {
    for (size_t i = 1; i < spans.size(); ++i) EXPECT_LE(spans[i - 1].second, spans[i].first + 1e-3);
  }
  size_t arrows = 0;
  for (const Json& event : events) {
    if (event["ph"] != "s" && event["ph"] != "f") continue;
    ++arrows;
    const auto& spans = lanes[event["tid"]];
    const double at = event["ts"];
    EXPECT_TRUE(std::any_of(spans.begin(), spans.end(), [&](const auto& span) {
      return span.first <= at && at < span.second;
    })) << event;
  }
  EXPECT_GT(arrows, 0u);
}

TEST(WritePage, IsOnePageThatAsksForNothingElse) {
  const TestView test;
  const std::string page = Written(WritePage, test.view);
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
  for (const char* outside :
       {"http:", "https:", "src=", "href=", "@import", "@PLAN@", "@SCRIPT@"}) {
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  }
  const std::string begin = "<script type=\"application/json\" id=\"plan\">";
  const size_t from = page.find(begin) + begin.size();
  const Json plan = Json::parse(page.substr(from, page.find("</script>", from) - from));
  EXPECT_EQ(plan["title"], "three <slices>");
  EXPECT_EQ(plan["text"], "");
  EXPECT_EQ(plan["places"].size(), 2u);
  EXPECT_EQ(plan["values"].size(), test.net.values.size());
}

}  // namespace
}  // namespace tinyai
