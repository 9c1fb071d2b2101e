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

Json PlanIn(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"plan\">";
  const size_t from = page.find(begin) + begin.size();
  return Json::parse(page.substr(from, page.find("</script>", from) - from));
}

TEST(WriteView, SmallNetsLookAsTheyDid) {
  const TestView test;
  ExpectGolden("src/view/goldens/ring.json", Written(WriteJson, test.view));
  ExpectGolden("src/view/goldens/ring.trace.json", Written(WriteTrace, test.view));
  ExpectGolden("src/view/goldens/ring.dot", Written(WriteDot, test.view));
}

TEST(WriteView, BodiesOfLoopsAreShownAsTheyWere) {
  const LoopTestView test(42);
  ExpectGolden("src/view/goldens/loop.json", Written(WriteJson, *test.view));
  ExpectGolden("src/view/goldens/loop.trace.json", Written(WriteTrace, *test.view));
  ExpectGolden("src/view/goldens/loop.dot", Written(WriteDot, *test.view));
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

// Spans by name, of what is in a loop in lanes of its own.
std::map<std::string, int> SpansOf(const LoopTestView& test) {
  const Json trace = Json::parse(Written(WriteTrace, *test.view));
  std::map<std::string, int> spans;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] == "X") ++spans[event["name"].get<std::string>()];
  }
  return spans;
}

TEST(WriteTrace, ShowsTheFirstTurnsOfALoopAndOneSpanForTheOthers) {
  auto many = SpansOf(LoopTestView(42));
  EXPECT_EQ(many["use 1"], 4);
  EXPECT_EQ(many["turns 5 to 11"], 2);  // of 4 iterations each, at both places
  auto few = SpansOf(LoopTestView(9));
  EXPECT_EQ(few["use 1"], 3);
  EXPECT_EQ(few.size(), many.size() - 1);
  auto unknown = SpansOf(LoopTestView(std::nullopt));
  EXPECT_EQ(unknown["further turns"], 2);
  auto none = SpansOf(LoopTestView(0));
  EXPECT_EQ(none["use 1"], 0);
}

TEST(WritePage, HasThePlanOfEachLoopWithTheCommandsThatStandForIt) {
  const LoopTestView test(42);
  const Json whole = PlanIn(Written(WritePage, *test.view));
  ASSERT_EQ(whole["bodies"].size(), 1u);
  const Json& body = whole["bodies"][0];
  EXPECT_EQ(body["note"], "loop i, 42 iterations in turns of 4");
  EXPECT_EQ(body["at"], Json::parse("[[0,1],[1,0]]"));
  EXPECT_EQ(body["plan"]["places"].size(), 2u);
  EXPECT_EQ(body["plan"]["bodies"].size(), 0u);
}

TEST(WritePage, IsOnePageThatAsksForNothingElse) {
  const TestView test;
  const std::string page = Written(WritePage, test.view);
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
  for (const char* outside :
       {"http:", "https:", "src=", "href=", "@import", "@PLAN@", "@SCRIPT@"}) {
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  }
  const Json plan = PlanIn(page);
  EXPECT_EQ(plan["title"], "three <slices>");
  EXPECT_EQ(plan["text"], "");
  EXPECT_EQ(plan["places"].size(), 2u);
  EXPECT_EQ(plan["values"].size(), test.net.values.size());
}

}  // namespace
}  // namespace tinyai
