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
  bool arm = true;     // kPartial: the one that defines it
  uint32_t frame = 0;  // function body that it belongs to; constants of the file are in all
  DefId def{};
  uint32_t detail = 0;  // kPartial: the branch; kConstant: which of the table's
  Where where = {};
};

// Names and what they mean, block by block.
class NameTable {
 public:
  // Names that stand in `source` are looked at there; it outlives this object.
  explicit NameTable(std::string_view source) : source_(source) {}
  // About so many names will come.
  void Expect(size_t names);

  using NameId = uint32_t;
  NameId Intern(std::string_view name);
  std::string_view text(NameId name) const { return ids_.text(name); }

  // Null if it means nothing here.
  const Binding* Find(std::string_view name) const;
  const Binding* Find(NameId name) const {
    return IsSeen(bindings_[name]) ? &bindings_[name] : nullptr;
  }
  void Bind(NameId name, Binding binding);
  void BindConstant(NameId name, const Constant& constant, uint32_t frame, Where where);
  const Constant& constant(const Binding& binding) const { return constants_[binding.detail]; }

  // The name will be interned soon.
  [[gnu::always_inline]] void Fetch(std::string_view name) const { ids_.Fetch(name); }

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
  const std::string_view source_;
  NameIndex ids_;
  std::deque<std::string> made_;   // names that stand nowhere in the source
  std::vector<Binding> bindings_;  // by name
  std::vector<Constant> constants_;
  struct Undo {
    NameId name;
    Binding before;
  };
  std::vector<Undo> undo_;
  std::vector<size_t> marks_;
  uint32_t frame_ = 0, last_frame_ = 0;
};

}  // namespace tinyai
