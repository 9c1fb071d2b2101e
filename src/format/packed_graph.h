#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "format/graph_records.h"

namespace tinyai {

// A graph's records in few bytes, as the directory of a .tmai file has them: what a reader holds of
// a graph until a Graph is made of it. Records are unpacked one at a time.
class PackedGraph {
 public:
  // The most that the records take together.
  static constexpr uint64_t kMostBytes = UINT32_MAX;

  PackedGraph() = default;
  explicit PackedGraph(const GraphRecords& records);

  void Add(const GraphRecords::Value& value);
  void Add(const GraphRecords::Op& op);
  void Add(const GraphRecords::Layer& layer);
  void SetInputs(std::vector<uint32_t> inputs) { inputs_ = std::move(inputs); }
  void SetOutputs(std::vector<uint32_t> outputs) { outputs_ = std::move(outputs); }

  size_t value_count() const { return values_.size(); }
  size_t op_count() const { return ops_.size(); }
  size_t layer_count() const { return layers_.size(); }
  GraphRecords::Value value(size_t index) const;
  GraphRecords::Op op(size_t index) const;
  GraphRecords::Layer layer(size_t index) const;
  const std::vector<uint32_t>& inputs() const { return inputs_; }
  const std::vector<uint32_t>& outputs() const { return outputs_; }
  uint64_t bytes() const { return bytes_.size(); }

  GraphRecords Unpack() const;

 private:
  std::vector<std::byte> bytes_;
  std::vector<uint32_t> values_, ops_, layers_;  // where each begins
  std::vector<uint32_t> inputs_, outputs_;
};

// Appends a record as it lies in a directory.
void PutIndexes(std::vector<std::byte>& out, const std::vector<uint32_t>& indexes);
void PutRecord(std::vector<std::byte>& out, const GraphRecords::Value& value);
void PutRecord(std::vector<std::byte>& out, const GraphRecords::Op& op);
void PutRecord(std::vector<std::byte>& out, const GraphRecords::Layer& layer);

}  // namespace tinyai
