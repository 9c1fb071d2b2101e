#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "nlohmann/json.hpp"

namespace tinyai {

// A running oracle (README.md in this folder) for a test to ask. One process serves all requests
// of one client and keeps the last model loaded.
//
//   std::string why;
//   std::unique_ptr<OracleClient> oracle = OracleClient::Start(why);
//   if (oracle == nullptr) GTEST_SKIP() << why;
//   nlohmann::json answer = oracle->Ask({{"op", "tokenize"}, {"model", path}, {"texts", {"a"}}});
class OracleClient {
 public:
  // Null where llama.cpp is not installed; `why` then tells how to install it.
  static std::unique_ptr<OracleClient> Start(std::string& why);
  ~OracleClient();
  OracleClient(const OracleClient&) = delete;
  OracleClient& operator=(const OracleClient&) = delete;

  // The answer; an object with "error" if the request failed or the oracle died.
  nlohmann::json Ask(const nlohmann::json& request);

 private:
  OracleClient() = default;
  int process_ = -1;
  std::FILE* requests_ = nullptr;
  std::FILE* answers_ = nullptr;
};

}  // namespace tinyai
