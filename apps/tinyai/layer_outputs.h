#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/session.h"
#include "json.h"
#include "os/file.h"
#include "output_file.h"

namespace tinyai {

// What the outputs of a layer graph are: in words, and in files of NumPy where they are asked for.
class LayerOutputs {
 public:
  // `words`: "scores=a.npy", or "a.npy" where there is one output. With `samples_axis` the arrays
  // have one more axis in front, of so many samples. None of `inputs` is written over. Errors:
  // those of FindNamed and OutputFile::Open.
  static Result<LayerOutputs> Open(const Graph& graph, std::span<const std::string> words,
                                   uint64_t samples, bool samples_axis,
                                   std::span<const File* const> inputs);

  // What the session's last pass made of so many samples. Error: that of writing.
  Status Add(const Session& session, uint64_t samples);
  // Once, after the last sample: from here on the files are there.
  Status Commit();

  // A line for each, and the best five places of one that is a vector.
  std::string Text() const;
  Json ToJson() const;

 private:
  struct Output {
    std::string name;
    std::vector<uint64_t> shape;  // of a sample
    std::optional<std::string> path;
    std::optional<OutputFile> file;
    // Over all samples, of the finite numbers.
    float least = 0, most = 0;
    double sum = 0;
    uint64_t count = 0, bad = 0;
    // Of the first sample.
    std::vector<float> first;
    std::vector<std::pair<uint64_t, float>> best;

    void AddSample(std::span<const float> numbers);
    void KeepFirst(std::span<const float> numbers);
    double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
    std::string Text(uint64_t samples) const;
  };

  std::vector<Output> outputs_;
  uint64_t samples_ = 0;
};

}  // namespace tinyai
