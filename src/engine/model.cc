#include "engine/model.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/overlay.h"
#include "fmt/format.h"
#include "graph/build.h"
#include "graph/graph_records.h"
#include "kernel/quantized_rows.h"
#include "kernel/sparse_rows.h"

namespace tinyai {
namespace {

// Held per tensor and per op by the directory of the file and by the graph: entries, names, index
// nodes (measured, rounded up).
constexpr uint64_t kBytesPerTensor = 512;
constexpr uint64_t kBytesPerOp = 384;

}  // namespace

Result<std::shared_ptr<const Model>> Model::Open(const std::string& path,
                                                 const ModelOptions& options) {
  TRY_ASSIGN(OpenedModelFile opened, OpenModelFile(path));
  return Open(std::move(opened), options);
}

Result<std::shared_ptr<const Model>> Model::Open(std::unique_ptr<File> file,
                                                 const ModelOptions& options) {
  TRY_ASSIGN(OpenedModelFile opened, OpenModelFile(std::move(file)));
  return Open(std::move(opened), options);
}

Result<std::shared_ptr<const Model>> Model::Open(OpenedModelFile opened,
                                                 const ModelOptions& options) {
  std::shared_ptr<Model> model(new Model());
  model->file_ = std::move(opened.file);
  model->owner_ = std::move(opened.holder);
  model->owned_ = std::move(opened.owned);
  model->sources_ = std::move(opened.sources);
  TRY(model->MakeGraph(options));
  TRY(model->CheckSparseRows());
  TRY(model->ReadRope());
  if (model->is_text()) {
    TRY_ASSIGN(model->tokenizer_,
               Tokenizer::FromMetadata(model->file_.metadata, model->graph_.vocabulary));
  }
  model->file_.metadata.DropTokenizerArrays();
  return std::shared_ptr<const Model>(std::move(model));
}

std::shared_ptr<const Model> Model::WithWeights(std::shared_ptr<const Model> base, Graph graph,
                                                const File& more,
                                                std::shared_ptr<const void> owner) {
  std::shared_ptr<Model> model(new Model());
  model->graph_ = std::move(graph);
  model->sources_ = base->sources();
  model->sources_.push_back(&more);
  model->base_ = std::move(base);
  model->owner_ = std::move(owner);
  return model;
}

Status Model::MakeGraph(const ModelOptions& options) {
  const bool of_layers = file_.graph && file_.graph->op_count() != 0;
  const bool of_text = !of_layers && file_.metadata.Has("general.architecture");
  if (of_text || (!of_layers && !options.any_graph)) {
    const GraphOptions graph_options{
        .quantized_row_bytes = options.quantize_activations ? QuantizedRowBytes : nullptr};
    TRY_ASSIGN(graph_, BuildGraph(file_, graph_options));
    return {};
  }
  if (!options.any_graph) {
    return FailAt(ErrorCode::kUnsupported, "MODEL_ARCH",
                  "this file holds a layer graph, which is no text model; it can be executed "
                  "through the API",
                  file_.parts.empty() ? "" : file_.parts[0]);
  }
  // The graph says all that its records and the tensors did.
  std::vector<TensorInfo> tensors = std::exchange(file_.tensors, {});
  file_.IndexTensors();
  const std::optional<PackedGraph> records = std::exchange(file_.graph, std::nullopt);
  TRY_ASSIGN(graph_, of_layers ? GraphFromRecords(*records, std::move(tensors), file_.parts)
                               : WeightsAlone(std::move(tensors), file_.parts));
  return {};
}

// Sparse rows come from .tmai files; products alone can read them.
Status Model::CheckSparseRows() const {
  std::vector<bool> factors;
  for (size_t i = 0; i < graph_.weights.size(); ++i) {
    const Weight& weight = graph_.weights[i];
    if (weight.row_bytes() == RowBytes(weight.type, weight.cols)) continue;
    if (factors.empty()) factors = FindFactors(graph_);
    if (HasSparseRows(weight.type) && factors[i]) continue;
    return FailAt(ErrorCode::kBadFile, "TMAI_TABLE",
                  fmt::format("{}: {} with sparse rows cannot be computed with here", weight.name,
                              Name(weight.type)),
                  file_.parts[weight.part]);
  }
  return {};
}

Status Model::ReadRope() {
  std::vector<float> divisors;
  if (graph_.rope.divisors) {
    const Weight& weight = graph_.weight(*graph_.rope.divisors);
    divisors.resize(weight.cols);
    const std::span<std::byte> bytes = std::as_writable_bytes(std::span(divisors));
    const std::unique_ptr<BlockChecker> checker = MakeChecker(weight.part);
    TRY(checker ? checker->ReadAt(weight.offset, bytes)
                : sources_[weight.part]->ReadAt(weight.offset, bytes));
  }
  rope_ = ComputeRopeFrequencies(graph_.rope, divisors);
  return {};
}

std::unique_ptr<BlockChecker> Model::MakeChecker(uint32_t part) const {
  if (!file().checksums || part != 0) return nullptr;
  return std::make_unique<BlockChecker>(file(), *sources_[part]);
}

uint64_t Model::checker_bytes() const {
  return file().checksums ? BlockChecker::MemoryBytes(*file().checksums) : 0;
}

uint64_t Model::bytes() const {
  const std::vector<uint64_t>& sizes = file().part_sizes;
  return std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
}

uint64_t Model::memory_bytes() const {
  uint64_t held = 0;  // of files that are in memory
  for (const File* source : sources_) held += source->disk_path().empty() ? source->size() : 0;
  return held + (is_text() ? tokenizer().memory_bytes() : 0) +
         std::max(file().tensors.size(), graph_.weights.size()) * kBytesPerTensor +
         graph_.ops.size() * kBytesPerOp;
}

std::vector<std::string> Model::Warnings() const {
  std::vector<std::string> all = file().warnings;
  all.insert(all.end(), graph_.warnings.begin(), graph_.warnings.end());
  if (!is_text()) return all;
  all.insert(all.end(), tokenizer().warnings().begin(), tokenizer().warnings().end());
  return all;
}

}  // namespace tinyai
