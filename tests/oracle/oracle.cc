// Answers questions about GGUF models by llama.cpp, for tests and benchmarks; README.md beside this
// file has the requests. Each argument is a request; without arguments each line of stdin is one.
// Each gets one line with a JSON object on stdout.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

#include "nlohmann/json.hpp"
#include "oracle/llama_abi.h"

namespace tinyai::oracle {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string Hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", static_cast<unsigned char>(c));
    out += digits;
  }
  return out;
}

std::string FromHex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

class Oracle {
 public:
  explicit Oracle(const Llama& llama) : llama_(llama) {}
  ~Oracle() { Unload(); }

  Json Answer(const Json& request) {
    LastLog().clear();
    const std::string op = request.at("op");
    LoadModel(request, op == "tokenize" || op == "pieces");
    if (op == "tokenize") return Tokenize(request);
    if (op == "pieces") return Pieces(request);
    if (op == "generate") return Generate(request);
    if (op == "bench") return Bench(request);
    throw std::runtime_error("unknown op " + op);
  }

 private:
  void Unload() {
    if (context_ != nullptr) llama_.free(context_);
    if (model_ != nullptr) llama_.model_free(model_);
    context_ = nullptr;
    model_ = nullptr;
  }

  void LoadModel(const Json& request, bool vocab_only) {
    ModelParams params = llama_.model_default_params();
    params.n_gpu_layers = 0;
    params.load_mode = request.value("mmap", true) ? 1 : 0;
    params.use_extra_bufts = request.value("repack", true);
    params.vocab_only = vocab_only;
    const std::string path = request.at("model");
    const Json wanted = {path, params.load_mode, params.use_extra_bufts, vocab_only};
    if (model_ != nullptr && wanted == loaded_) return;
    Unload();
    const Clock::time_point start = Clock::now();
    model_ = llama_.model_load_from_file(path.c_str(), params);
    if (model_ == nullptr) throw std::runtime_error("cannot load " + path + ": " + LastLog());
    load_seconds_ = SecondsSince(start);
    loaded_ = wanted;
    vocab_ = llama_.model_get_vocab(model_);
  }

  static int32_t KvType(const Json& request, const char* fallback) {
    const std::string name = request.value("kv", fallback);
    if (name == "f32") return 0;
    if (name == "f16") return 1;
    if (name == "q8_0") return 8;
    throw std::runtime_error("unknown kv type " + name);
  }

  void MakeContext(const Json& request, uint32_t tokens, const char* kv) {
    if (context_ != nullptr) llama_.free(context_);
    ContextParams params = llama_.context_default_params();
    params.n_ctx = request.value("context", tokens);
    params.n_batch = request.value("batch", std::max(tokens, 32u));
    params.n_ubatch = std::min(params.n_batch, request.value("ubatch", 512u));
    params.n_threads = params.n_threads_batch = request.value("threads", 1);
    params.flash_attn_type = request.value("flash_attention", 0);
    params.type_k = params.type_v = KvType(request, kv);
    context_ = llama_.init_from_model(model_, params);
    if (context_ == nullptr) throw std::runtime_error("no context: " + LastLog());
  }

  // Runs `tokens` and returns the logits after the last.
  const float* Decode(std::vector<int32_t> tokens) {
    const Batch batch = llama_.batch_get_one(tokens.data(), static_cast<int32_t>(tokens.size()));
    if (llama_.decode(context_, batch) != 0) throw std::runtime_error("decode: " + LastLog());
    llama_.synchronize(context_);
    return llama_.get_logits_ith(context_, -1);
  }

  Json Tokenize(const Json& request) {
    std::vector<std::string> texts = request.value("texts", std::vector<std::string>());
    for (const std::string& hex : request.value("texts_hex", std::vector<std::string>())) {
      texts.push_back(FromHex(hex));
    }
    const bool special = request.value("add_special", true);
    const bool parse = request.value("parse_special", false);
    Json lists = Json::array();
    for (const std::string& text : texts) {
      std::vector<int32_t> tokens(4 * text.size() + 8);  // a byte that is no UTF-8 makes three
      const int32_t count =
          llama_.tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                          static_cast<int32_t>(tokens.size()), special, parse);
      if (count < 0) throw std::runtime_error("more tokens than four per byte");
      tokens.resize(static_cast<size_t>(count));
      lists.push_back(tokens);
    }
    return {{"tokens", lists}};
  }

  Json Pieces(const Json& request) {
    const bool special = request.value("special", false);
    Json pieces = Json::array();
    Json ends = Json::array();
    for (const int32_t token : request.at("tokens").get<std::vector<int32_t>>()) {
      std::string piece(256, '\0');
      int32_t size = 0;
      while ((size = llama_.token_to_piece(vocab_, token, piece.data(),
                                           static_cast<int32_t>(piece.size()), 0, special)) < 0) {
        piece.resize(static_cast<size_t>(-size));
      }
      pieces.push_back(Hex(piece.substr(0, static_cast<size_t>(size))));
      ends.push_back(llama_.vocab_is_eog(vocab_, token));
    }
    return {{"pieces_hex", pieces}, {"is_end", ends}};
  }

  Json TopLogits(const float* logits, size_t wanted) const {
    std::vector<int32_t> ids(static_cast<size_t>(llama_.vocab_n_tokens(vocab_)));
    std::iota(ids.begin(), ids.end(), 0);
    const size_t count = std::min(wanted, ids.size());
    std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                      [logits](int32_t a, int32_t b) {
                        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                      });
    Json top = Json::array();
    for (size_t i = 0; i < count; ++i) top.push_back({ids[i], logits[ids[i]]});
    return top;
  }

  Json Generate(const Json& request) {
    const std::vector<int32_t> prompt = request.at("prompt");
    const std::vector<int32_t> forced = request.value("force", std::vector<int32_t>());
    const size_t steps = request.value("n", size_t{1});
    const size_t vocab = static_cast<size_t>(llama_.vocab_n_tokens(vocab_));
    MakeContext(request, static_cast<uint32_t>(prompt.size() + steps), "f32");
    std::ofstream file;
    if (request.contains("logits_file")) {
      file.open(request.at("logits_file").get<std::string>(), std::ios::binary);
    }
    Json tokens = Json::array();
    Json tops = Json::array();
    const float* logits = Decode(prompt);
    for (size_t i = 0; i < steps; ++i) {
      tops.push_back(TopLogits(logits, std::max<size_t>(1, request.value("top", size_t{5}))));
      file.write(reinterpret_cast<const char*>(logits),
                 static_cast<std::streamsize>(vocab * sizeof(float)));
      const int32_t best = tops.back()[0][0];
      tokens.push_back(best);
      if (i + 1 < steps) logits = Decode({i < forced.size() ? forced[i] : best});
    }
    return {{"tokens", tokens}, {"top", tops}, {"vocab", vocab}};
  }

  // Tokens per second of a prompt and of generation, as llama-bench measures: any token ids, no
  // sampling, one warm-up.
  Json Bench(const Json& request) {
    const size_t prompt = request.value("prompt_tokens", size_t{0});
    const size_t steps = request.value("n", size_t{32});
    const size_t repeats = request.value("repeats", size_t{3});
    const int32_t vocab = llama_.vocab_n_tokens(vocab_);
    MakeContext(request, static_cast<uint32_t>(std::max<size_t>(prompt + steps, 8)), "f16");
    std::vector<int32_t> tokens(prompt);
    for (size_t i = 0; i < prompt; ++i) tokens[i] = static_cast<int32_t>(i * 7919 % vocab);
    if (request.value("warm_up", true)) Decode({1});
    Json prompt_rates = Json::array();
    Json rates = Json::array();
    for (size_t r = 0; r < repeats; ++r) {
      llama_.memory_clear(llama_.get_memory(context_), true);
      Clock::time_point start = Clock::now();
      if (prompt > 0) {
        Decode(tokens);
        prompt_rates.push_back(static_cast<double>(prompt) / SecondsSince(start));
      }
      start = Clock::now();
      for (size_t i = 0; i < steps; ++i) Decode({static_cast<int32_t>((i * 31 + 1) % vocab)});
      if (steps > 0) rates.push_back(static_cast<double>(steps) / SecondsSince(start));
    }
    return {{"prompt_tokens_per_second", prompt_rates},
            {"tokens_per_second", rates},
            {"load_seconds", load_seconds_}};
  }

  const Llama& llama_;
  Model* model_ = nullptr;
  Context* context_ = nullptr;
  const Vocab* vocab_ = nullptr;
  Json loaded_;
  double load_seconds_ = 0;
};

std::string AnswerLine(Oracle& oracle, const std::string& request) {
  Json answer;
  try {
    answer = oracle.Answer(Json::parse(request));
  } catch (const std::exception& failure) {
    answer = {{"error", failure.what()}};
  }
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int Main(std::span<char*> requests) {
  const char* folder = std::getenv("TINYAI_ORACLE_LIBRARIES");
  Llama llama;
  std::string error;
  if (!Load(folder != nullptr ? folder : TINYAI_ORACLE_LIBRARIES, llama, error)) {
    std::cerr << "error: no llama.cpp: " << error << "\n";
    return 1;
  }
  Oracle oracle(llama);
  for (const char* request : requests) std::cout << AnswerLine(oracle, request) << std::endl;
  if (!requests.empty()) return 0;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << AnswerLine(oracle, line) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace tinyai::oracle

int main(int argc, char** argv) {
  return tinyai::oracle::Main(std::span(argv, static_cast<size_t>(argc)).subspan(1));
}
