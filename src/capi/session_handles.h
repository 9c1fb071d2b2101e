#pragma once

#include <tinyai/session.h>

#include <memory>
#include <optional>
#include <string>

#include "capi/guard.h"
#include "capi/handles.h"
#include "engine/session_plan.h"
#include "engine/text_session.h"

struct TinyAISessionPlan {
  std::shared_ptr<tinyai::capi::ModelObjects> objects;
  std::shared_ptr<const tinyai::Model> model;
  std::optional<tinyai::SessionPlan> session;  // until it is taken
  TinyAIPlanReport report;
  std::vector<tinyai::Component> components;
  std::string text;  // once it was asked for
};

struct TinyAISession {
  std::shared_ptr<tinyai::capi::ModelObjects> objects;
  std::unique_ptr<tinyai::TextSession> text;
  bool ended = false;
  std::atomic<bool> busy = false;
};

namespace tinyai::capi {

inline tl::unexpected<Error> PlanTaken() {
  return Fail(ErrorCode::kUsage, "PLAN_TAKEN",
              "a session has taken this plan's steps; make another plan");
}

// Copies as many items as there is room for, and returns how many there are.
template <typename T>
Result<int64_t> CopyOut(std::span<const T> from, T* to, size_t capacity, std::string_view name) {
  if (to == nullptr && capacity > 0) return NullArgument(name);
  std::copy_n(from.begin(), std::min(from.size(), capacity), to);
  return static_cast<int64_t>(from.size());
}

// The tokenizer of a text model. Error NO_TEXT_MODEL.
Result<const Tokenizer*> TokenizerOf(const TinyAIModel* model);

}  // namespace tinyai::capi
