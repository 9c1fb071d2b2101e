#include "engine/model.h"

#include <numeric>

#include "graph/build.h"
#include "kernel/quantized_rows.h"

namespace tinyai {
namespace {

// Held per tensor and per op by the directory of the file and by the graph: entries, names, index
// nodes (measured, rounded up).
constexpr uint64_t kBytesPerTensor = 512;
constexpr uint64_t kBytesPerOp = 384;

}  // namespace

Result<std::shared_ptr<const Model>> Model::Open(const std::string& path,
                                                 const ModelOptions& options) {
  TRY_ASSIGN(std::unique_ptr<File> file, File::Open(path));
  return Open(std::move(file), options);
}

Result<std::shared_ptr<const Model>> Model::Open(std::unique_ptr<File> file,
                                                 const ModelOptions& options) {
  std::shared_ptr<Model> model(new Model());
  const File* first = file.get();
  model->sources_.push_back(first);
  const OpenSource open = [&](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
    TRY_ASSIGN(std::unique_ptr<File> part, File::Open(path));
    model->sources_.push_back(part.get());
    return part;
  };
  TRY_ASSIGN(model->file_, ReadGguf(std::move(file), open, model->owned_));
  const GraphOptions graph_options{.quantized_row_bytes =
                                       options.quantize_activations ? QuantizedRowBytes : nullptr};
  TRY_ASSIGN(model->graph_, BuildGraph(model->file_, graph_options));
  TRY(model->ReadRope());
  TRY_ASSIGN(model->tokenizer_,
             Tokenizer::FromMetadata(model->file_.metadata, model->graph_.vocabulary));
  model->file_.metadata.DropTokenizerArrays();
  return std::shared_ptr<const Model>(std::move(model));
}

Status Model::ReadRope() {
  std::vector<float> divisors;
  if (graph_.rope.divisors) {
    const Weight& weight = graph_.weight(*graph_.rope.divisors);
    divisors.resize(weight.cols);
    TRY(sources_[weight.part]->ReadAt(weight.offset, std::as_writable_bytes(std::span(divisors))));
  }
  rope_ = ComputeRopeFrequencies(graph_.rope, divisors);
  return {};
}

uint64_t Model::bytes() const {
  return std::accumulate(file_.part_sizes.begin(), file_.part_sizes.end(), uint64_t{0});
}

uint64_t Model::memory_bytes() const {
  return tokenizer_->memory_bytes() + file_.tensors.size() * kBytesPerTensor +
         graph_.ops.size() * kBytesPerOp;
}

std::vector<std::string> Model::Warnings() const {
  std::vector<std::string> all = file_.warnings;
  all.insert(all.end(), graph_.warnings.begin(), graph_.warnings.end());
  all.insert(all.end(), tokenizer_->warnings().begin(), tokenizer_->warnings().end());
  return all;
}

}  // namespace tinyai
