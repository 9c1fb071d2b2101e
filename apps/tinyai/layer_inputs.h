#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/npy.h"
#include "graph/graph.h"
#include "os/file.h"

namespace tinyai {

// A word for an input or output of a layer graph: "image=a.npy", or "a.npy" where there is just
// one.
struct NamedFile {
  ValueId value;
  std::string path;
};
// What such words mean for these values of a graph. `flag`: what they were given with. Errors
// (usage): NO_SUCH_VALUE, BAD_USAGE where one is named twice, or none where there are several.
Result<std::vector<NamedFile>> FindNamed(const Graph& graph, std::span<const ValueId> values,
                                         std::span<const std::string> words, std::string_view flag);

// "image [3, 224, 224], mask [1, 224, 224]".
std::string ListValues(const Graph& graph, std::span<const ValueId> values);

// The inputs of a layer graph as files of NumPy: each one sample, or several along one more axis in
// front.
class LayerInputs {
 public:
  // Reads the headers. Errors: INPUT_MISSING and INPUT_SHAPE (usage), naming what is wanted; those
  // of FindNamed, of File::Open and of ReadNpy.
  static Result<LayerInputs> Open(const Graph& graph, std::span<const std::string> words);

  uint64_t samples() const { return samples_; }
  bool has_samples_axis() const { return samples_axis_; }
  std::vector<const File*> files() const;

  // So many samples from number `first` on, for Session::RunSamples; they replace those of before.
  // Error: that of reading.
  Result<std::span<const float* const>> Read(uint64_t first, uint64_t count);
  // Numbers read so far that are infinite or none, by input.
  struct Bad {
    std::string name;
    uint64_t count;
  };
  std::vector<Bad> bad_numbers() const;

 private:
  struct Input {
    std::string name;
    std::unique_ptr<File> file;
    NpyArray array;
    uint64_t width;
    std::vector<float> numbers;
    uint64_t bad = 0;
  };
  Status Take(const Graph& graph, ValueId value, const std::string& path);

  std::vector<Input> inputs_;
  std::vector<const float*> pointers_;
  uint64_t samples_ = 1;
  bool samples_axis_ = false;
};

}  // namespace tinyai
