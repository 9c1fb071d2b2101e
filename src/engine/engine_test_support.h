#pragma once

// Models on disk and sessions of them, for the tests of this folder.

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "engine/session.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernel/elementwise.h"
#include "make_model/make_model.h"
#include "os/testing.h"
#include "paths/paths.h"

namespace tinyai {

using testing_models::ModelSpec;
using Logits = std::vector<float>;

// Rows of whole blocks of every type.
inline ModelSpec WideSpec(DType type = DType::kQ8_0) {
  return {.n_embd = 256, .n_layer = 2, .n_ff = 1024, .n_head = 4, .n_head_kv = 2, .type = type};
}

inline const ScratchDirectory& Scratch() {
  static const ScratchDirectory directory;
  return directory;
}

// A model in the scratch directory, with a name of its own.
inline std::string MakeFile(const ModelSpec& spec) {
  static int count = 0;
  const std::string path = (Scratch().path() / fmt::format("m{}.gguf", count++)).string();
  const Status made = testing_models::MakeModel(spec, path);
  EXPECT_TRUE(made) << Describe(made.error());
  return path;
}

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline std::shared_ptr<const Model> OpenModel(const std::string& path,
                                              const ModelOptions& options = {}) {
  Result<std::shared_ptr<const Model>> model = Model::Open(path, options);
  EXPECT_TRUE(model) << Describe(model.error());
  return model ? *model : nullptr;
}

inline Machine TestMachine() {
  return {.threads = 2, .memory_bytes = uint64_t{8} << 30, .available_bytes = uint64_t{4} << 30};
}

inline uint64_t LeastBudget(const Model& model, const SessionOptions& options) {
  const Result<SessionPlan> least = PlanLeastSession(model, options, TestMachine());
  EXPECT_TRUE(least) << Describe(least.error());
  return least ? least->report.least_budget_bytes : 0;
}

inline Budget& Process() {
  static Budget budget("process", Budget::kUnlimited);
  return budget;
}

inline std::unique_ptr<Session> OpenSession(std::shared_ptr<const Model> model,
                                            const SessionOptions& options) {
  Result<SessionPlan> plan = PlanSession(*model, options, TestMachine());
  EXPECT_TRUE(plan) << Describe(plan.error());
  if (!plan) return nullptr;
  Result<std::unique_ptr<Session>> session =
      Session::Open(std::move(model), std::move(*plan), Process());
  EXPECT_TRUE(session) << Describe(session.error());
  return session ? std::move(*session) : nullptr;
}

inline Result<Logits> Feed(Session& session, const std::vector<TokenId>& tokens) {
  TRY_ASSIGN(const std::span<float> logits, session.Feed(tokens));
  return Logits(logits.begin(), logits.end());
}

// The logits after the prompt and after each of `steps` greedy tokens.
inline Result<std::vector<Logits>> Continue(Session& session, const std::vector<TokenId>& prompt,
                                            int steps) {
  std::vector<Logits> out;
  TRY_ASSIGN(out.emplace_back(), Feed(session, prompt));
  for (int i = 0; i < steps; ++i) {
    const TokenId best = static_cast<TokenId>(ArgMax(out[out.size() - 1]));
    TRY_ASSIGN(out.emplace_back(), Feed(session, {best}));
  }
  return out;
}

inline std::vector<TokenId> SomeTokens(size_t count, uint64_t vocabulary) {
  std::vector<TokenId> tokens;
  for (uint64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<TokenId>((i * i * 7 + i * 31 + 1) % vocabulary));
  }
  return tokens;
}

inline std::string SharedModels() { return SharedFolder() + "/models/"; }

}  // namespace tinyai
