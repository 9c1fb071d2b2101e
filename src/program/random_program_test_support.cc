#include "program/random_program_test_support.h"

#include <algorithm>
#include <random>

#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr const char* kPlaceNames[] = {"CPU", "GPU", "NPU", "DSP"};

class Writer {
 public:
  Writer(const RandomTextShape& shape, uint64_t seed) : shape_(shape), random_(seed) {
    last_line_.resize(shape.places);
  }

  RandomText Write() {
    for (uint32_t i = 0; i < 1 + Below(3); ++i) Input();
    while (Left() > 2) Statement(0);
    Output();
    EndBlock();
    if (shape_.frees) Free();
    return std::move(out_);
  }

 private:
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  uint32_t Left() const {
    const auto used = static_cast<uint32_t>(out_.ops.size()) + promised_;
    return used < shape_.most_ops ? shape_.most_ops - used : 0;
  }
  // An op of the arms around this place.
  uint32_t Add(std::vector<uint32_t> needs, std::optional<uint32_t> place) {
    RandomOp& op = out_.ops.emplace_back();
    op.place = place;
    op.data = needs;
    op.arms = conditions_;
    needs.insert(needs.end(), conditions_.begin(), conditions_.end());
    std::sort(needs.begin(), needs.end());
    needs.erase(std::unique(needs.begin(), needs.end()), needs.end());
    op.needs = std::move(needs);
    return static_cast<uint32_t>(out_.ops.size() - 1);
  }
  std::string NewName(char letter) { return fmt::format("{}{}", letter, names_++); }
  struct Value {
    std::string name;
    uint32_t op;
  };
  Value Any() {
    const auto count = static_cast<uint32_t>(values_.size());
    return values_[count - 1 - Below(std::min(count, shape_.reach))];
  }

  void Input() {
    const std::string name = NewName('x');
    out_.values += fmt::format("{} = input();\n", name);
    std::vector<uint32_t> needs;
    if (last_input_) needs.push_back(*last_input_);
    last_input_ = Add(std::move(needs), 0);
    values_.push_back({name, *last_input_});
  }
  void Output() {
    const Value value = values_.back();
    out_.values += fmt::format("output {};\n", value.name);
    std::vector<uint32_t> needs = {value.op};
    if (last_output_) needs.push_back(*last_output_);
    last_output_ = Add(std::move(needs), 0);
  }

  void Free() {
    for (const Value& value : values_) {
      if (Below(4) != 0) continue;
      const char* const place = kPlaceNames[Below(shape_.places)];
      out_.schedule += fmt::format("{} {{\n  free {};\n}}\n", place, value.name);
    }
  }

  void Statement(uint32_t depth) {
    // An `if` takes a condition, two definitions, the merged value, and who reads that.
    constexpr uint32_t kLeast = 6;
    if (shape_.branches && depth < 2 && Left() >= kLeast && Below(3) == 0) return Branch(depth);
    Compute(NewName('v'), true);
  }

  void Compute(const std::string& name, bool alone) { Compute(name, alone, Any(), Any()); }
  // name = a + b; at a random place. Merged names are placed by lines only.
  void Compute(const std::string& name, bool alone, const Value& a, const Value& b) {
    out_.values += fmt::format("{} = {} {} {};\n", name, a.name, "+-*"[Below(3)], b.name);
    const uint32_t place = Below(shape_.places);
    const bool listed = shape_.lines && !(shape_.gaps && Below(3) == 0);
    const bool said = listed || ((alone || shape_.arms) && !shape_.lines);
    std::vector<uint32_t> needs = {a.op, b.op};
    if (listed && last_line_[place]) needs.push_back(*last_line_[place]);
    const uint32_t op = Add(std::move(needs), said ? std::optional(place) : std::nullopt);
    values_.push_back({name, op});
    if (listed) {
      last_line_[place] = op;
      Line(place, name);
      if (shape_.moves && Below(3) == 0) Move();
    } else if (said) {
      const std::string_view arm = alone ? "" : path_.back().then ? "@then" : "@else";
      out_.schedule += fmt::format("place {}{}: {};\n", name, arm, kPlaceNames[place]);
    }
  }

  // What says where a value is, of any place.
  void Move() {
    const std::string name = Any().name;
    const uint32_t place = Below(shape_.places);
    const uint32_t to = (place + 1 + Below(shape_.places - 1)) % shape_.places;
    constexpr const char* kVerbs[] = {"evict",     "evict", "evict", "recompute",
                                      "recompute", "free",  "free",  "pin"};
    if (Below(3) == 0) {
      Line(place, name, "move ", fmt::format(" -> {}", kPlaceNames[to]));
    } else {
      Line(place, name, fmt::format("{} ", kVerbs[Below(std::size(kVerbs))]));
    }
  }

  void Branch(uint32_t depth) {
    out_.branches = true;
    const Value of = Any();
    const std::string text = fmt::format("{} > {}", of.name, names_++);
    const uint32_t condition = Add({of.op}, std::nullopt);
    const std::string merged = NewName('m');
    const size_t outside = values_.size();
    uint32_t made[2];
    conditions_.push_back(condition);
    promised_ += 3;  // what each arm defines, and the merged value
    for (const bool then : {true, false}) {
      out_.values += then ? fmt::format("if ({}) {{\n", text) : "} else {\n";
      path_.push_back({text, merged, then});
      while (Left() > 2 && Below(2) == 0) Statement(depth + 1);
      --promised_;
      Compute(merged, false);
      made[then ? 0 : 1] = values_.back().op;
      path_.pop_back();
      values_.resize(outside);
    }
    out_.values += "}\n";
    conditions_.pop_back();
    --promised_;
    const uint32_t merge = Add({condition, made[0], made[1]}, std::nullopt);
    values_.push_back({merged, merge});
    if (depth == 0 && Below(2) == 0) return Output();
    // Somebody reads it: an implied op that nobody needs could be left out.
    const Value by = values_.back();
    Compute(NewName('v'), true, by, Any());
  }

  // --- schedules that list ops ---

  void Line(uint32_t place, const std::string& name, std::string_view before = "",
            std::string_view behind = "") {
    if (block_ != place) {
      EndBlock();
      block_ = place;
      out_.schedule += fmt::format("{} {{\n", kPlaceNames[place]);
    }
    // A line in arms closes them again: each is an `if` of its own.
    // The second definition of a merged name has another one in schedules.
    const bool second = !path_.empty() && !path_.back().then && name == path_.back().merged;
    std::string line = fmt::format("{}{}{}{};", before, name, second ? "'" : "", behind);
    for (auto arm = path_.rbegin(); arm != path_.rend(); ++arm) {
      line = fmt::format("if ({}) {{ {}{} }}", arm->text, arm->then ? "" : "} else { ", line);
    }
    out_.schedule += fmt::format("  {}\n", line);
  }
  void EndBlock() {
    if (block_) out_.schedule += "}\n";
    block_.reset();
  }

  const RandomTextShape shape_;
  std::mt19937_64 random_;
  RandomText out_;
  std::vector<Value> values_;         // that can be named here
  std::vector<uint32_t> conditions_;  // around this place
  struct Arm {
    std::string text, merged;
    bool then;
  };
  std::vector<Arm> path_;
  uint32_t promised_ = 0;  // ops that have to come
  uint32_t names_ = 0;
  std::optional<uint32_t> last_input_, last_output_, block_;
  std::vector<std::optional<uint32_t>> last_line_;  // by place
};

}  // namespace

std::string RandomPlaces(uint32_t places) {
  std::string out = "memory RAM = 1GiB;\n";
  for (uint32_t i = 0; i < places; ++i) {
    out += fmt::format("device {} {{ memory RAM; api thread;{} }}\n", kPlaceNames[i],
                       i == 0 ? " coordinator; effects input, print, output;" : "");
  }
  return out;
}

std::string RandomMemories(uint32_t places, bool copies) {
  std::string out;
  for (uint32_t i = 0; i < places; ++i) {
    out +=
        fmt::format("memory {0}_RAM = 1GiB;\ndevice {0} {{{2} memory {0}_RAM; api thread;{1} }}\n",
                    kPlaceNames[i], i == 0 ? " coordinator; effects input, print, output;" : "",
                    i == 1 && copies ? " queue main, copy;" : "");
    for (uint32_t j = 0; j < i; ++j) {
      for (const auto& [from, to] : {std::pair(i, j), std::pair(j, i)}) {
        out += fmt::format("link {}_RAM -> {}_RAM = 1us + bytes / 1GB/s{};\n", kPlaceNames[from],
                           kPlaceNames[to], copies && j == 0 && i == 1 ? " queue GPU.copy" : "");
      }
    }
  }
  return out;
}

RandomText MakeRandomText(const RandomTextShape& shape, uint64_t seed) {
  return Writer(shape, seed).Write();
}

}  // namespace tinyai
