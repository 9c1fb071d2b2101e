// A language model in a fixed number of bytes: what it will take is known before a weight is read.
//
//   text MODEL [PROMPT]    # a GGUF or .tmai file, or the folder of a Hugging Face model
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <tinyai/tinyai.hpp>

namespace {

int Fail(const tinyai::Error& error) {
  std::fprintf(stderr, "%s: %s\n", error.key.c_str(), error.message.c_str());
  return 1;
}

bool Show(std::int32_t /*token*/, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  return true;  // false would end the text here
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: text MODEL [PROMPT]\n");
    return 2;
  }
  const std::string prompt = argc > 2 ? argv[2] : "Once upon a time";
  const auto model = tinyai::Model::Open(argv[1]);
  if (!model) return Fail(model.error());
  auto plan = tinyai::Plan::Make(*model, {.memory_bytes = 64 << 20, .context = 256});
  if (!plan) return Fail(plan.error());
  const tinyai::PlanReport report = plan->report();
  std::fprintf(stderr, "at most %zu bytes, %zu of weights stay; %.1f tokens/s are expected\n",
               report.predicted_peak_bytes, report.resident_bytes, report.tokens_per_second);
  auto session = tinyai::Session::Open(*std::move(plan));
  if (!session) return Fail(session.error());

  if (const auto added = session->Add(prompt); !added) return Fail(added.error());
  std::fputs(prompt.c_str(), stdout);
  const auto made = session->Generate({.most_tokens = 40}, Show);
  if (!made) return Fail(made.error());
  std::puts("");
  std::fprintf(stderr, "%zu tokens, %zu bytes were held at most\n", made->tokens,
               session->stats().counted_peak_bytes);
  return 0;
}
