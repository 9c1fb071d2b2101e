#include "oracle/oracle_client.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace tinyai {
namespace {

std::string LibraryFolder() {
  const char* folder = std::getenv("TINYAI_ORACLE_LIBRARIES");
  return folder != nullptr ? folder : TINYAI_ORACLE_LIBRARIES;
}

// Starts the oracle with our end of two pipes; -1 on failure.
int Spawn(int& requests, int& answers) {
  std::array<int, 2> in, out;
  if (pipe2(in.data(), O_CLOEXEC) != 0) return -1;
  if (pipe2(out.data(), O_CLOEXEC) != 0) return -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::string program = TINYAI_ORACLE_PROGRAM;
  std::array<char*, 2> arguments = {program.data(), nullptr};
  int process = -1;
  if (posix_spawn(&process, program.c_str(), &actions, nullptr, arguments.data(), environ) != 0) {
    process = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  requests = in[1];
  answers = out[0];
  return process;
}

}  // namespace

std::unique_ptr<OracleClient> OracleClient::Start(std::string& why) {
  if (access((LibraryFolder() + "/libllama.v0.5.0.so").c_str(), R_OK) != 0) {
    why = "llama.cpp is not installed; 'npm ci --ignore-scripts' in tests/oracle does it";
    return nullptr;
  }
  std::unique_ptr<OracleClient> client(new OracleClient);
  int requests = -1;
  int answers = -1;
  client->process_ = Spawn(requests, answers);
  if (client->process_ < 0) {
    why = "the oracle program cannot be started";
    return nullptr;
  }
  client->requests_ = fdopen(requests, "w");
  client->answers_ = fdopen(answers, "r");
  return client;
}

OracleClient::~OracleClient() {
  if (requests_ != nullptr) std::fclose(requests_);  // the oracle ends at the end of its input
  if (answers_ != nullptr) std::fclose(answers_);
  if (process_ > 0) waitpid(process_, nullptr, 0);
}

nlohmann::json OracleClient::Ask(const nlohmann::json& request) {
  const std::string line = request.dump() + "\n";
  std::fwrite(line.data(), 1, line.size(), requests_);
  std::fflush(requests_);
  char* answer = nullptr;
  size_t capacity = 0;
  const ssize_t size = getline(&answer, &capacity, answers_);
  const std::string text(answer != nullptr && size > 0 ? answer : "");
  std::free(answer);
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return {{"error", "the oracle ended"}};
  return json;
}

}  // namespace tinyai
