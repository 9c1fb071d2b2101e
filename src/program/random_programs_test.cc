// Fences and syncs of compiled programs against the least numbers that there can be, found without
// any of the compiler's searches: by enumeration for small programs, by theorem 1 of
// docs/ARCHITECTURE.md for long ones. What counts is what the text has: each fence and sync once,
// whichever arms are taken.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <queue>
#include <random>

#include "fmt/format.h"
#include "lang/parse_devices.h"
#include "lang/parse_schedule.h"
#include "program/complete_schedule.h"
#include "program/program_test_support.h"
#include "program/random_program_test_support.h"

namespace tinyai {
namespace {

// TINYAI_RANDOM_PROGRAMS=10000 asks for more than everyday tests have time for, and for longer
// ones.
uint64_t Programs(uint64_t usual) {
  const char* const wish = std::getenv("TINYAI_RANDOM_PROGRAMS");
  return wish != nullptr ? std::strtoull(wish, nullptr, 10) : usual;
}

constexpr uint32_t kMostPlaces = 3;

struct Counts {
  uint32_t syncs = 0, fences = 0;
  auto operator<=>(const Counts&) const = default;
};

// What each place knows to have ended, and what its last fence says; sets of ops.
struct Moment {
  std::array<uint32_t, kMostPlaces> known{}, fence{};
  auto operator<=>(const Moment&) const = default;
};

// All orders of all queues with all fences and syncs between them, the least counts first. `eager`:
// what can be carried out is carried out at once, since nothing is lost by that; else each moment
// is tried for each op.
class Enumeration {
 public:
  Enumeration(const std::vector<RandomOp>& ops, const std::vector<uint32_t>& place, uint32_t places,
              bool eager)
      : place_(place), places_(places), eager_(eager), needs_(ops.size(), 0) {
    for (size_t op = 0; op < ops.size(); ++op) {
      for (const uint32_t need : ops[op].needs) needs_[op] |= uint32_t{1} << need;
    }
  }

  Counts Least() {
    Reach({}, Moment{});
    while (!queue_.empty()) {
      const auto [counts, moment] = queue_.top();
      queue_.pop();
      if (best_.at(moment) < counts) continue;
      if (Done(moment)) return counts;
      if (!eager_) {
        for (uint32_t op = 0; op < needs_.size(); ++op) {
          if (!CanRun(moment, op)) continue;
          Moment next = moment;
          next.known[place_[op]] |= uint32_t{1} << op;
          Reach(counts, next);
        }
      }
      for (uint32_t from = 0; from < places_; ++from) {
        if (moment.fence[from] != moment.known[from]) {
          Moment next = moment;
          next.fence[from] = moment.known[from];
          Reach({counts.syncs, counts.fences + 1}, next);
        }
        for (uint32_t to = 0; to < places_; ++to) {
          if (to == from || (moment.fence[from] & ~moment.known[to]) == 0) continue;
          Moment next = moment;
          next.known[to] |= moment.fence[from];
          Reach({counts.syncs + 1, counts.fences}, next);
        }
      }
    }
    return {~uint32_t{0}, ~uint32_t{0}};
  }

 private:
  bool CanRun(const Moment& moment, uint32_t op) const {
    const uint32_t known = moment.known[place_[op]];
    return (known >> op & 1) == 0 && (needs_[op] & ~known) == 0;
  }
  bool Done(const Moment& moment) const {
    for (uint32_t op = 0; op < needs_.size(); ++op) {
      if ((moment.known[place_[op]] >> op & 1) == 0) return false;
    }
    return true;
  }
  void Reach(Counts counts, Moment moment) {
    for (bool more = eager_; more;) {
      more = false;
      for (uint32_t op = 0; op < needs_.size(); ++op) {
        if (!CanRun(moment, op)) continue;
        moment.known[place_[op]] |= uint32_t{1} << op;
        more = true;
      }
    }
    const auto [known, added] = best_.try_emplace(moment, counts);
    if (!added && known->second <= counts) return;
    known->second = counts;
    queue_.push({counts, moment});
  }

  const std::vector<uint32_t>& place_;
  const uint32_t places_;
  const bool eager_;
  std::vector<uint32_t> needs_;  // by op, as sets
  std::map<Moment, Counts> best_;
  using Entry = std::pair<Counts, Moment>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
};

// Over all places for the ops that nobody places.
Counts LeastCounts(const RandomText& text, uint32_t places, bool eager) {
  std::vector<uint32_t> place(text.ops.size(), 0), free;
  for (uint32_t op = 0; op < text.ops.size(); ++op) {
    place[op] = text.ops[op].place.value_or(0);
    if (!text.ops[op].place) free.push_back(op);
  }
  Counts least{~uint32_t{0}, ~uint32_t{0}};
  while (true) {
    least = std::min(least, Enumeration(text.ops, place, places, eager).Least());
    size_t i = 0;
    for (; i < free.size() && ++place[free[i]] == places; ++i) place[free[i]] = 0;
    if (i == free.size()) return least;
  }
}

CompileOptions WithPlaces(uint32_t places, bool own_memories = false, bool copies = false) {
  const SourceText text("places",
                        own_memories ? RandomMemories(places, copies) : RandomPlaces(places));
  Diagnostics said(text);
  CompileOptions options;
  options.devices = ParseDevices(said);
  EXPECT_EQ(said.Text(), "");
  return options;
}

Counts CountsOf(const Compiled& compiled) {
  const Certificate& certificate = compiled.program->certificate;
  return {static_cast<uint32_t>(certificate.syncs.value),
          static_cast<uint32_t>(certificate.fences.value)};
}

TEST(RandomPrograms, EnumerationLosesNothingByCarryingOutWhatItCan) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const RandomText text = MakeRandomText({.most_ops = 7, .places = 2}, seed);
    EXPECT_EQ(LeastCounts(text, 2, true), LeastCounts(text, 2, false)) << text.values;
  }
}

TEST(RandomPrograms, HaveTheLeastFencesAndSyncs) {
  const uint64_t programs = Programs(200);
  uint64_t branches = 0, more = 0;
  for (uint64_t seed = 0; seed < programs; ++seed) {
    RandomTextShape shape;
    shape.places = seed % 5 == 0 ? 3 : 2;
    shape.most_ops = 6 + static_cast<uint32_t>(seed % 7);
    shape.lines = seed % 2 == 1;
    shape.gaps = seed % 4 == 3;
    const RandomText text = MakeRandomText(shape, seed);
    const Compiled compiled = CompileTexts(text.values, text.schedule, WithPlaces(shape.places));
    ASSERT_TRUE(compiled.program) << seed << "\n" << text.values << text.schedule << compiled.said;
    const Counts least = LeastCounts(text, shape.places, true);
    const Counts ours = CountsOf(compiled);
    EXPECT_EQ(ours, least) << seed << "\n" << text.values << text.schedule << compiled.text();
    branches += text.branches;
    more += ours != least;
  }
  fmt::print("{} programs, {} with conditionals: {} have more than the least\n", programs, branches,
             more);
  EXPECT_GT(branches, programs / 3);
}

// Over all sets of conditionals of which all arms are computed whichever is taken. Whoever is in an
// inner one is in the outer one, too.
Counts LeastWithAnyArms(const RandomText& text, uint32_t places) {
  std::vector<uint32_t> conditions;
  for (const RandomOp& op : text.ops)
    conditions.insert(conditions.end(), op.arms.begin(), op.arms.end());
  std::sort(conditions.begin(), conditions.end());
  conditions.erase(std::unique(conditions.begin(), conditions.end()), conditions.end());
  Counts least{~uint32_t{0}, ~uint32_t{0}};
  for (uint32_t both = 0; both < uint32_t{1} << conditions.size(); ++both) {
    const auto is_both = [&](uint32_t condition) {
      const auto at = std::lower_bound(conditions.begin(), conditions.end(), condition);
      return (both >> (at - conditions.begin()) & 1) != 0;
    };
    RandomText trial = text;
    for (RandomOp& op : trial.ops) {
      const auto taken = std::find_if(op.arms.begin(), op.arms.end(), is_both);
      op.needs = op.data;
      op.needs.insert(op.needs.end(), op.arms.begin(), taken);
    }
    least = std::min(least, LeastCounts(trial, places, true));
  }
  return least;
}

TEST(RandomPrograms, HaveTheLeastWhereAllArmsMayBeComputed) {
  const uint64_t programs = Programs(200);
  uint64_t branches = 0, nested = 0, fewer = 0, more = 0;
  for (uint64_t seed = 0; seed < programs; ++seed) {
    RandomTextShape shape;
    shape.arms = true;
    shape.most_ops = 10 + static_cast<uint32_t>(seed % 3);
    const RandomText text = MakeRandomText(shape, seed);
    CompileOptions options = WithPlaces(shape.places);
    options.limits.effort = Effort::kExact;
    const std::string schedule = "objective lex(syncs, fences);\n" + text.schedule;
    const Compiled compiled = CompileTexts(text.values, schedule, options);
    ASSERT_TRUE(compiled.program) << seed << "\n" << text.values << schedule << compiled.said;
    const Counts least = LeastWithAnyArms(text, shape.places);
    const Counts ours = CountsOf(compiled);
    EXPECT_EQ(ours, least) << seed << "\n" << text.values << schedule << compiled.text();
    branches += text.branches;
    nested += std::any_of(text.ops.begin(), text.ops.end(),
                          [](const RandomOp& op) { return op.arms.size() > 1; });
    fewer += least < LeastCounts(text, shape.places, true);
    more += ours != least;
  }
  fmt::print(
      "{} programs, {} with conditionals, {} with nested ones: {} have fewer syncs since all arms "
      "are computed, {} more than the least\n",
      programs, branches, nested, fewer, more);
  EXPECT_GT(nested, 0u);
  EXPECT_GT(fewer, 0u);
}

// The most crossings on a path that crosses first from the CPU to the GPU, and the other way; by
// theorem 1 the least number of syncs follows.
uint32_t LeastByTheorem(const RandomText& text) {
  std::vector<std::array<uint32_t, 2>> most(text.ops.size(), {0, 0});
  std::array<uint32_t, 2> all = {0, 0};
  for (size_t op = 0; op < text.ops.size(); ++op) {
    for (const uint32_t need : text.ops[op].needs) {
      const uint32_t from = *text.ops[need].place;
      const bool crosses = from != *text.ops[op].place;
      for (uint32_t first = 0; first < 2; ++first) {
        const uint32_t so_far = most[need][first];
        const bool longer = crosses && (so_far > 0 || from == first);
        most[op][first] = std::max(most[op][first], so_far + (longer ? 1 : 0));
      }
    }
    for (uint32_t first = 0; first < 2; ++first) all[first] = std::max(all[first], most[op][first]);
  }
  return all[0] == 0 && all[1] == 0 ? 0 : all[0] == all[1] ? all[0] + 1 : std::max(all[0], all[1]);
}

TEST(RandomPrograms, OfManyOpsHaveWhatTheTheoremSays) {
  for (const uint32_t ops : {30u, 1000u, Programs(200) < 10000 ? 20000u : 100000u}) {
    for (const bool lines : {false, true}) {
      const RandomTextShape shape{
          .most_ops = ops, .places = 2, .branches = false, .lines = lines, .reach = 30};
      const RandomText text = MakeRandomText(shape, ops);
      const Compiled compiled = CompileTexts(text.values, text.schedule, WithPlaces(2));
      ASSERT_TRUE(compiled.program) << compiled.said;
      const uint32_t least = LeastByTheorem(text);
      EXPECT_GT(least, 2u);
      EXPECT_EQ(CountsOf(compiled), (Counts{least, least})) << ops;
      EXPECT_TRUE(compiled.program->certificate.optimal);
    }
  }
}

TEST(RandomPrograms, HaveNoSyncThatCouldBeLeftOut) {
  const uint64_t programs = Programs(200);
  uint64_t syncs = 0, needless = 0;
  for (uint64_t seed = 0; seed < programs; ++seed) {
    RandomTextShape shape;
    shape.places = 2 + seed % 3;
    shape.most_ops = 6 + static_cast<uint32_t>(seed % 30);
    shape.branches = seed % 4 == 0;
    shape.lines = seed % 2 == 1;
    const RandomText text = MakeRandomText(shape, seed);
    CompileOptions options = WithPlaces(shape.places);
    if (seed % 8 < 6) options.limits.effort = Effort::kFast;
    const Compiled compiled = CompileTexts(text.values, text.schedule, options);
    ASSERT_TRUE(compiled.program) << seed << "\n" << text.values << text.schedule << compiled.said;
    NetPlan plan = compiled.program->plan;
    for (std::vector<NetCommand>& queue : plan.queues) {
      for (NetCommand& command : queue) {
        const NetSyncs all = command.syncs;
        for (size_t i = 0; i < all.size(); ++i) {
          command.syncs.erase(command.syncs.begin() + i);
          ++syncs;
          needless += CheckNetPlan(compiled.program->net, plan).has_value();
          command.syncs = all;
        }
      }
    }
  }
  fmt::print("{} syncs, {} could be left out\n", syncs, needless);
  EXPECT_GT(syncs, programs);
  EXPECT_EQ(needless, 0u);
}

// What each place is told, in order, each with the arms around it.
using Lines = std::map<std::string, std::vector<std::string>>;
void Collect(const std::vector<Command>& commands, const std::string& arms,
             std::vector<std::string>& out) {
  for (const Command& command : commands) {
    if (const auto* branch = std::get_if<cmd::If>(&command.what)) {
      const std::string condition = PrintExpr(branch->condition);
      Collect(branch->then, arms + condition + "? ", out);
      if (branch->otherwise) Collect(*branch->otherwise, arms + condition + ": ", out);
    } else if (const auto* work = std::get_if<cmd::Work>(&command.what)) {
      out.push_back(arms + PrintRef(work->ref));
    }
  }
}
Lines LinesOf(const std::string& schedule) {
  const SourceText source("schedule", schedule);
  Diagnostics said(source);
  const Schedule parsed = ParseSchedule(said);
  EXPECT_EQ(said.Text(), "");
  Lines out;
  for (const Item& item : parsed.items) {
    if (const auto* block = std::get_if<Block>(&item.what)) {
      Collect(block->commands, "", out[block->place->name]);
    }
  }
  return out;
}

// The text up to the certificate, and its figures. In a hurry less may be proved of a schedule with
// gaps than of one that is complete, and memory is not packed again.
bool IsTheSame(const Compiled& again, const Compiled& first, const CompileOptions& options) {
  if (!again.program || CountsOf(again) != CountsOf(first)) return false;
  const auto commands = [](const std::string& text) { return text.substr(0, text.rfind("// ")); };
  if (commands(again.text()) != commands(first.text())) return false;
  if (options.limits.effort == Effort::kFast) return true;
  Certificate one = again.program->certificate, other = first.program->certificate;
  one.witness = other.witness = {};
  return CertificateText(one) == CertificateText(other);
}
// Of several paths that prove as much another one may be shown.
constexpr uint64_t kOtherWitness = 500;  // one in so many at most

TEST(RandomPrograms, AreCompletedToWhatCompilesToItselfAndKeepsTheLinesOfTheUser) {
  const uint64_t programs = Programs(200);
  uint64_t branches = 0, changed = 0, witness = 0;
  for (uint64_t seed = 0; seed < programs; ++seed) {
    RandomTextShape shape;
    shape.places = 2 + seed % 3;
    shape.most_ops = 6 + static_cast<uint32_t>(seed % 20);
    shape.lines = seed % 3 != 0;
    shape.frees = seed % 5 == 0;
    shape.gaps = seed % 4 < 2;
    const RandomText text = MakeRandomText(shape, seed);
    CompileOptions options = WithPlaces(shape.places);
    if (seed % 2 == 0) options.limits.effort = Effort::kFast;
    const Compiled compiled = CompileTexts(text.values, text.schedule, options);
    ASSERT_TRUE(compiled.program) << seed << "\n" << text.values << text.schedule << compiled.said;
    const std::string completed = compiled.text();
    const Lines written = LinesOf(text.schedule);
    Lines all = LinesOf(completed);
    for (const auto& [place, lines] : written) {
      auto at = all[place].begin();
      for (const std::string& line : lines) {
        at = std::find(at, all[place].end(), line);
        ASSERT_NE(at, all[place].end()) << seed << ": " << line << "\n" << completed;
        ++at;
      }
    }
    const Compiled again = CompileTexts(text.values, completed, options);
    branches += text.branches;
    const bool same = IsTheSame(again, compiled, options);
    EXPECT_TRUE(same) << seed << "\n" << completed << again.text();
    changed += !same;
    witness += same && again.program->certificate.witness != compiled.program->certificate.witness;
  }
  fmt::print(
      "{} programs, {} with conditionals: {} complete to what changes once more, {} have another "
      "witness then\n",
      programs, branches, changed, witness);
  EXPECT_GT(branches, programs / 2);
  EXPECT_LE(witness, programs / kOtherWitness);
}

TEST(RandomPrograms, WithAMemoryForEachPlaceAreCompletedToWhatCompilesToItself) {
  const uint64_t programs = Programs(200);
  uint64_t branches = 0, changed = 0, witness = 0;
  for (uint64_t seed = 0; seed < programs; ++seed) {
    RandomTextShape shape;
    shape.places = 2 + seed % 3;
    shape.most_ops = 6 + static_cast<uint32_t>(seed % 20);
    shape.lines = seed % 3 == 0;
    shape.gaps = seed % 2 == 0;
    shape.arms = seed % 4 == 1;
    shape.frees = seed % 5 == 0 && shape.lines && !shape.gaps;
    const RandomText text = MakeRandomText(shape, seed);
    CompileOptions options = WithPlaces(shape.places, true);
    if (seed % 2 == 0) options.limits.effort = Effort::kFast;
    const Compiled compiled = CompileTexts(text.values, text.schedule, options);
    if (shape.frees && compiled.said.find("[I9]") != std::string::npos) continue;  // is not there
    ASSERT_TRUE(compiled.program) << seed << "\n" << text.values << text.schedule << compiled.said;
    const std::string completed = compiled.text();
    const Compiled again = CompileTexts(text.values, completed, options);
    const bool same = IsTheSame(again, compiled, options);
    EXPECT_TRUE(same) << seed << "\n"
                      << text.values << text.schedule << completed << again.text() << again.said;
    branches += text.branches;
    changed += !same;
    witness += same && again.program->certificate.witness != compiled.program->certificate.witness;
  }
  fmt::print(
      "{} programs, {} with conditionals: {} complete to what changes once more, {} have another "
      "witness then\n",
      programs, branches, changed, witness);
  EXPECT_GT(branches, programs / 2);
  EXPECT_LE(witness, programs / kOtherWitness);
}

// Half of these schedules ask for what cannot be: those are refused, at once.
TEST(RandomPrograms, WithValuesThatAreMovedAreCompletedToWhatCompilesToItself) {
  const uint64_t programs = 2 * Programs(200);
  uint64_t compile = 0, moved = 0, changed = 0, witness = 0;
  for (uint64_t seed = 0; seed < programs; ++seed) {
    RandomTextShape shape;
    shape.places = 2 + seed % 3;
    shape.most_ops = 5 + static_cast<uint32_t>(seed % 12);
    shape.branches = seed % 3 != 0;
    shape.lines = true;
    shape.gaps = seed % 4 == 0;
    shape.moves = true;
    const RandomText text = MakeRandomText(shape, seed);
    CompileOptions options = WithPlaces(shape.places, seed % 8 != 1, seed % 16 < 4);
    if (seed % 2 == 0) options.limits.effort = Effort::kFast;
    const Compiled compiled = CompileTexts(text.values, text.schedule, options);
    if (!compiled.program) {
      EXPECT_NE(compiled.said.find(": error["), std::string::npos)
          << seed << "\n"
          << text.values << text.schedule << compiled.said << compiled.key;
      continue;
    }
    ++compile;
    const std::string completed = compiled.text();
    moved += completed.find("evict") != std::string::npos;
    const Compiled again = CompileTexts(text.values, completed, options);
    const bool same = IsTheSame(again, compiled, options);
    EXPECT_TRUE(same) << seed << "\n"
                      << text.values << text.schedule << completed << again.text() << again.said;
    changed += !same;
    witness += same && again.program->certificate.witness != compiled.program->certificate.witness;
  }
  fmt::print(
      "{} programs, {} can be compiled, {} of them with evictions: {} change once more, {} have "
      "another witness then\n",
      programs, compile, moved, changed, witness);
  EXPECT_GT(compile, programs / 3);
  EXPECT_GT(moved, programs / 40);
  EXPECT_LE(witness, compile / kOtherWitness);
}

}  // namespace
}  // namespace tinyai
