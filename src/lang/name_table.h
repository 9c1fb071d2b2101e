#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lang/name_index.h"
#include "lang/program.h"

namespace tinyai {

// A number that is known while the program is read.
struct Constant {
  bool whole = true;
  int64_t integer = 0;
  double number = 0;  // of both kinds
};

// What a name means at a place of the program.
struct Binding {
  enum class Kind : uint8_t {
    kNone,
    kDef,
    kConstant,
    kBroken,   // its definition is wrong, which has been reported
    kPartial,  // defined by one arm of an `if` only
  };
  Kind kind = Kind::kNone;
  DefId def{};
  Constant constant;
  uint32_t branch = 0;  // kPartial: which, and the arm that defines it
  bool arm = true;
  uint32_t frame = 0;  // function body that it belongs to; constants of the file are in all
  Where where = {};
};

// Names and what they mean, block by block.
class NameTable {
 public:
  using NameId = uint32_t;
  NameId Intern(std::string_view name);
  const std::string& text(NameId name) const { return names_[name]; }

  // Null if it means nothing here.
  const Binding* Find(std::string_view name) const;
  const Binding* Find(NameId name) const {
    return IsSeen(bindings_[name]) ? &bindings_[name] : nullptr;
  }
  void Bind(NameId name, Binding binding);

  // What is bound from here on is forgotten by Close, which returns it in order.
  void Open() { marks_.push_back(undo_.size()); }
  struct Closed {
    NameId name;
    Binding binding;
  };
  std::vector<Closed> Close();

  // In a function's body the names around its call mean nothing.
  uint32_t frame() const { return frame_; }
  uint32_t EnterFrame() { return std::exchange(frame_, ++last_frame_); }
  void LeaveFrame(uint32_t outer) { frame_ = outer; }
  // All names that mean a value here.
  std::vector<std::string_view> Known() const;

 private:
  bool IsSeen(const Binding& binding) const {
    return binding.kind != Binding::Kind::kNone &&
           (binding.frame == frame_ || binding.frame == kEveryFrame);
  }

 public:
  static constexpr uint32_t kEveryFrame = ~uint32_t{0};

 private:
  NameIndex ids_;
  std::deque<std::string> names_;  // by id; what ids_ looks at
  std::vector<Binding> bindings_;  // by name
  struct Undo {
    NameId name;
    Binding before;
  };
  std::vector<Undo> undo_;
  std::vector<size_t> marks_;
  uint32_t frame_ = 0, last_frame_ = 0;
};

}  // namespace tinyai
