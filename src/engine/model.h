#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/open_model_file.h"
#include "format/block_checker.h"
#include "format/model_file.h"
#include "graph/graph.h"
#include "graph/rope_settings.h"
#include "os/file.h"
#include "text/tokenizer.h"

namespace tinyai {

struct ModelOptions {
  // Products of quantised weights take activations rounded to 8 bits, which is several times
  // faster; otherwise everything is computed in float.
  bool quantize_activations = true;
  // Takes files of layer graphs too, and of weights alone; else only text models are opened.
  bool any_graph = false;
};

// A model that can be run: what its header says, and the open files; of a text model the tokenizer.
// Does not change after Open and may be shared between threads.
class Model {
 public:
  // Reads the header only. Errors: those of the file, of ReadGguf, BuildGraph, GraphFromRecords and
  // the tokenizer.
  static Result<std::shared_ptr<const Model>> Open(const std::string& path,
                                                   const ModelOptions& options);
  static Result<std::shared_ptr<const Model>> Open(std::unique_ptr<File> file,
                                                   const ModelOptions& options);

  static Result<std::shared_ptr<const Model>> Open(OpenedModelFile opened,
                                                   const ModelOptions& options);

  // The same model with some weights elsewhere: those that `graph` has in the part after those of
  // `base` are in `more`. Both outlive it through `owner`.
  static std::shared_ptr<const Model> WithWeights(std::shared_ptr<const Model> base, Graph graph,
                                                  const File& more,
                                                  std::shared_ptr<const void> owner);

  const ModelFile& file() const { return base_ ? base_->file() : file_; }
  const Graph& graph() const { return graph_; }
  const RopeFrequencies& rope() const { return base_ ? base_->rope() : rope_; }
  bool is_text() const { return graph_.is_text(); }
  const Tokenizer& tokenizer() const {  // of a text model
    return base_ ? base_->tokenizer() : *tokenizer_;
  }
  const std::vector<const File*>& sources() const { return sources_; }
  // What checks the weights of a file as they are read; null if it keeps no checksums. Each holds
  // checker_bytes(), and this model must outlive it.
  std::unique_ptr<BlockChecker> MakeChecker(uint32_t part) const;
  uint64_t checker_bytes() const;  // 0 where no file keeps checksums
  uint64_t bytes() const;          // of the files
  uint64_t memory_bytes() const;   // held by this object, tokenizer included
  std::vector<std::string> Warnings() const;

 private:
  Model() = default;
  Status MakeGraph(const ModelOptions& options);
  Status CheckSparseRows() const;
  Status ReadRope();

  // Of a model with weights elsewhere: what it has the rest from; and what keeps files alive.
  std::shared_ptr<const Model> base_;
  std::shared_ptr<const void> owner_;
  ModelFile file_;
  std::vector<std::unique_ptr<ByteSource>> owned_;
  std::vector<const File*> sources_;  // the same
  Graph graph_;
  RopeFrequencies rope_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

}  // namespace tinyai
