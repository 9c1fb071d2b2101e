#include "lang/parse_devices.h"

#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "lang/number.h"
#include "lang/parse_ref.h"
#include "lang/token_stream.h"

namespace tinyai {
namespace {

constexpr size_t kMostPlaces = 16;
constexpr uint64_t kMostAlignment = uint64_t{1} << 30;

struct Named {
  std::string name;
  Where where;
};

class DeviceParser {
 public:
  explicit DeviceParser(Diagnostics& diagnostics) : in_(diagnostics), out_(diagnostics) {}

  Devices Parse() {
    while (!in_.ended()) {
      const uint32_t begin = in_.token().span.begin;
      if (!Item()) {
        in_.SkipStatement(begin);
        if (in_.token().kind == TokenKind::kCloseBrace) in_.Take();
      }
    }
    if (!out_.has_errors()) Resolve();
    return std::move(devices_);
  }

 private:
  // The names of what waits for all memories to be known.
  struct LinkNames {
    Named from, to;
    std::string queue;
  };

  bool Item() {
    const Span head = in_.token().span;
    if (Word("device")) return Device(head);
    if (Word("memory")) return Memory();
    if (Word("link")) return Link(head);
    in_.Unexpected("'device', 'memory' or 'link'");
    return false;
  }

  bool Word(std::string_view word) {
    if (!in_.AtWord(word)) return false;
    in_.Take();
    return true;
  }

  std::optional<Named> Name() {
    Named out{std::string(in_.text()), in_.token().span};
    if (!in_.Expect(TokenKind::kName)) return std::nullopt;
    return out;
  }

  std::optional<std::vector<Named>> Names() {
    std::vector<Named> out;
    do {
      std::optional<Named> name = Name();
      if (!name) return std::nullopt;
      out.push_back(std::move(*name));
    } while (in_.Accept(TokenKind::kComma));
    return out;
  }

  void Twice(const Named& what, Where first) {
    in_.diagnostics()
        .Error("A9", what.where, fmt::format("'{}' is already declared", what.name))
        .NoteAt(first, "here");
  }

  // One of some words.
  template <typename T, size_t N>
  bool OneOf(const std::array<std::pair<std::string_view, T>, N>& words, T& target) {
    std::string known;
    for (const auto& [word, value] : words) {
      if (Word(word)) {
        target = value;
        return true;
      }
      known += fmt::format("{}'{}'", known.empty() ? "" : ", ", word);
    }
    in_.Unexpected("one of " + known);
    return false;
  }

  bool Device(Span head) {
    std::optional<Named> name = Name();
    if (!name || !in_.Expect(TokenKind::kOpenBrace)) return false;
    Devices::Place place;
    place.name = place.device = name->name;
    place.where = name->where;
    std::vector<Named> queues;
    Named memory;
    while (!in_.At(TokenKind::kCloseBrace) && !in_.ended()) {
      const uint32_t begin = in_.token().span.begin;
      if (!Property(place, queues, memory) || !in_.Expect(TokenKind::kSemicolon)) {
        in_.SkipStatement(begin);
      }
    }
    if (!CloseBrace(in_, head)) return true;  // the text has ended
    in_.Accept(TokenKind::kSemicolon);
    if (memory.name.empty()) {
      in_.diagnostics()
          .Error("S1", name->where, fmt::format("device '{}' has no memory", name->name))
          .Help("memory NAME;");
      return true;
    }
    if (place.coordinator) {
      if (coordinator_) Twice({"coordinator", name->where}, *coordinator_);
      coordinator_ = name->where;
    }
    AddPlace(place, memory);
    // The first queue computes; the others are there to move data.
    place.computes = place.effects = place.coordinator = false;
    for (size_t i = 1; i < queues.size(); ++i) {
      place.name = place.device + "." + queues[i].name;
      place.where = queues[i].where;
      AddPlace(place, memory);
    }
    return true;
  }

  void AddPlace(const Devices::Place& place, const Named& memory) {
    if (const auto other = devices_.FindPlace(place.name)) {
      Twice({place.name, place.where}, devices_.places[*other].where);
    } else if (devices_.places.size() == kMostPlaces) {
      in_.diagnostics().Error("S3", place.where,
                              fmt::format("there are more than {} queues", kMostPlaces));
      in_.Stop();
    } else {
      devices_.places.push_back(place);
      memory_of_.push_back(memory);
    }
  }

  bool Property(Devices::Place& place, std::vector<Named>& queues, Named& memory) {
    using Branching = Devices::Branching;
    using Api = Devices::Api;
    const Span head = in_.token().span;
    if (Word("queue")) {
      std::optional<std::vector<Named>> names = Names();
      if (names) queues.insert(queues.end(), names->begin(), names->end());
      return names.has_value();
    }
    if (Word("memory")) {
      std::optional<Named> name = Name();
      if (name && !memory.name.empty()) Twice({"memory", head}, memory.where);
      if (name) memory = std::move(*name);
      return name.has_value();
    }
    if (Word("coordinator")) return place.coordinator = true;
    if (Word("effects")) return Effects(head, place);
    if (Word("branch")) {
      return OneOf(std::to_array<std::pair<std::string_view, Branching>>(
                       {{"none", Branching::kNone},
                        {"predicated", Branching::kPredicated},
                        {"full", Branching::kFull}}),
                   place.branching);
    }
    if (Word("api")) {
      return OneOf(std::to_array<std::pair<std::string_view, Api>>({{"thread", Api::kThread},
                                                                    {"vulkan", Api::kVulkan},
                                                                    {"opencl", Api::kOpenCl},
                                                                    {"cuda", Api::kCuda},
                                                                    {"io", Api::kIo},
                                                                    {"tcp", Api::kTcp}}),
                   place.api);
    }
    in_.Unexpected("'queue', 'memory', 'coordinator', 'effects', 'branch', 'api' or '}'");
    return false;
  }

  bool Effects(Span head, Devices::Place& place) {
    std::optional<std::vector<Named>> names = Names();
    if (!names) return false;
    bool reads = false, prints = false;
    for (const Named& name : *names) {
      reads = reads || name.name == "input";
      prints = prints || name.name == "print";
      if (name.name == "input" || name.name == "print" || name.name == "output") continue;
      in_.diagnostics()
          .Error("I7", name.where, fmt::format("no effect '{}'", name.name))
          .Help("effects are input, print and output");
      return true;
    }
    if (!reads || !prints) {
      in_.diagnostics()
          .Error("I9", head, "a device has all effects or none")
          .Help("effects input, print, output;");
    }
    place.effects = true;
    return true;
  }

  bool Memory() {
    std::optional<Named> name = Name();
    if (!name || !in_.Expect(TokenKind::kAssign)) return false;
    Devices::Memory memory{.name = name->name, .where = name->where};
    const Token size = in_.token();
    if (!in_.Expect(TokenKind::kNumber)) return false;
    if (const auto bytes = ByteCount(in_.Text(size))) {
      memory.bytes = *bytes;
    } else {
      in_.Error("S3", size.span, fmt::format("'{}' is no size", in_.Text(size).substr(0, 40)));
    }
    if (Word("align")) {
      const Token align = in_.token();
      if (!in_.Expect(TokenKind::kNumber)) return false;
      memory.alignment = ByteCount(in_.Text(align)).value_or(0);
      if (!std::has_single_bit(memory.alignment) || memory.alignment > kMostAlignment) {
        in_.Error("S3", align.span, "an alignment is a power of two, at most 1G");
      }
    }
    if (!in_.Expect(TokenKind::kSemicolon)) return false;
    for (const Devices::Memory& other : devices_.memories) {
      if (other.name != memory.name) continue;
      Twice(*name, other.where);
      return true;
    }
    devices_.memories.push_back(std::move(memory));
    return true;
  }

  // A -> B = 10us + bytes / 12GB/s [queue NAME];
  bool Link(Span head) {
    std::optional<Named> from = Name();
    if (!from || !in_.Expect(TokenKind::kArrow)) return false;
    std::optional<Named> to = Name();
    if (!to || !in_.Expect(TokenKind::kAssign)) return false;
    Devices::Link link;
    link.where = head;
    const bool negative = in_.Accept(TokenKind::kMinus);
    const Token latency = in_.token();
    if (!in_.Expect(TokenKind::kNumber) || !in_.Expect(TokenKind::kPlus)) return false;
    if (!Word("bytes")) {
      in_.Unexpected("'bytes'");
      return false;
    }
    if (!in_.Expect(TokenKind::kDivide)) return false;
    const Token speed = in_.token();
    if (!in_.Expect(TokenKind::kNumber)) return false;
    link.latency_seconds = NumberValue(in_.Text(latency));
    link.bytes_per_second = NumberValue(in_.Text(speed));
    if (negative || !std::isfinite(link.latency_seconds)) {
      in_.Error("I15", latency.span,
                fmt::format("the latency of this link is {}", negative ? "negative" : "infinite"));
    }
    if (link.bytes_per_second <= 0 || !std::isfinite(link.bytes_per_second)) {
      in_.Error("I15", speed.span,
                fmt::format("a link cannot move {} bytes per second", link.bytes_per_second));
    }
    LinkNames names{std::move(*from), std::move(*to), {}};
    if (Word("queue")) {
      const std::optional<Place> place = ParsePlace(in_);
      if (!place) return false;
      names.queue = std::string(in_.source().Slice(place->where));
      link.where = place->where;
    }
    if (!in_.Expect(TokenKind::kSemicolon)) return false;
    devices_.links.push_back(link);
    names_of_.push_back(std::move(names));
    return true;
  }

  uint32_t FindMemory(const Named& name) {
    std::string known;
    for (uint32_t i = 0; i < devices_.memories.size(); ++i) {
      if (devices_.memories[i].name == name.name) return i;
      known += (i == 0 ? "" : ", ") + devices_.memories[i].name;
    }
    in_.diagnostics()
        .Error(
            "I7", name.where,
            fmt::format("no memory '{}' (declared: {})", name.name, known.empty() ? "none" : known))
        .Help(fmt::format("memory {} = 1G;", name.name));
    return 0;
  }

  void Resolve() {
    bool effects = false;
    for (size_t i = 0; i < devices_.places.size(); ++i) {
      devices_.places[i].memory = FindMemory(memory_of_[i]);
      effects = effects || devices_.places[i].effects;
    }
    for (size_t i = 0; i < devices_.links.size(); ++i) {
      Devices::Link& link = devices_.links[i];
      link.from = FindMemory(names_of_[i].from);
      link.to = FindMemory(names_of_[i].to);
      if (!in_.diagnostics().has_errors() && link.from == link.to) {
        in_.diagnostics()
            .Error("I9", names_of_[i].to.where,
                   fmt::format("a link leads to another memory, this one from {0} to {0}",
                               names_of_[i].to.name))
            .Help("delete it, or name the other end");
      }
      if (!names_of_[i].queue.empty()) FindQueue(names_of_[i].queue, link);
    }
    if (effects) return;
    in_.diagnostics()
        .Error("I9", in_.token().span, "no device reads input and prints")
        .Help("effects input, print, output; in one of them");
  }

  void FindQueue(const std::string& name, Devices::Link& link) {
    link.queue = devices_.FindPlace(name);
    if (!link.queue) {
      in_.diagnostics().Error(
          "I7", link.where,
          fmt::format("no queue '{}' (declared: {})", name, devices_.PlaceNames()));
      return;
    }
    const uint32_t memory = devices_.places[*link.queue].memory;
    if (in_.diagnostics().has_errors() || memory == link.from || memory == link.to) return;
    in_.diagnostics()
        .Error("I9", link.where,
               fmt::format("queue '{}' is of a device with memory {}, which is no end of this link",
                           name, devices_.memories[memory].name))
        .Help("name a queue of one of its ends");
  }

  TokenStream in_;
  Diagnostics& out_;
  Devices devices_;
  std::vector<Named> memory_of_;     // by place
  std::vector<LinkNames> names_of_;  // by link
  std::optional<Where> coordinator_;
};

}  // namespace

Devices ParseDevices(Diagnostics& diagnostics) { return DeviceParser(diagnostics).Parse(); }

}  // namespace tinyai
