#pragma once

#include <gtest/gtest.h>
#include <tinyai/tinyai.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

// A small text model; the runner says where it is.
inline std::string TextModelPath() {
  const char* path = std::getenv("TINYAI_TEXT_MODEL");
  return path != nullptr ? path : "";
}

// In the working folder, which is the runner's.
inline std::string FilePath(const std::string& name) {
  return (std::filesystem::current_path() / name).string();
}

inline tinyai::Model OpenText() { return tinyai::Model::Open(TextModelPath()).value(); }

// The graph's file, opened.
inline tinyai::Model SaveAndOpen(const tinyai::Graph& graph, const std::string& name) {
  graph.Save(FilePath(name)).value();
  return tinyai::Model::Open(FilePath(name)).value();
}

inline std::vector<float> RunPass(tinyai::Pass& pass, const std::vector<float>& input) {
  std::vector<float> output(pass.output_size());
  pass.Run(input, output).value();
  return output;
}
