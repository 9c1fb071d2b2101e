#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tinyai {

// Why something was chosen, for people.
struct Reason {
  std::string choice, text;
};

// The reasons of the choices made so far, recorded by whoever makes them; nothing if they are not
// wanted.
class Reasons {
 public:
  Reasons() = default;
  explicit Reasons(bool wanted) : wanted_(wanted) {}
  // Texts cost more than many a choice: ask first.
  bool wanted() const { return wanted_; }
  void Add(std::string choice, std::string text) {
    if (wanted_) list_.push_back({std::move(choice), std::move(text)});
  }
  const std::vector<Reason>& list() const { return list_; }

 private:
  bool wanted_ = false;
  std::vector<Reason> list_;
};

}  // namespace tinyai
