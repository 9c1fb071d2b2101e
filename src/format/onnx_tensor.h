#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "format/onnx_model.h"
#include "format/proto_reader.h"

namespace tinyai {

// What the parts of the ONNX reader share: the file, the files of external data, and how much has
// been kept of what was read.
class OnnxFile {
 public:
  OnnxFile(std::unique_ptr<ByteSource> source, const OpenBeside& open,
           std::vector<std::unique_ptr<ByteSource>>& parts);

  ProtoWindow& window() { return window_; }
  const ByteSource& source() const { return *parts_[0]; }
  tl::unexpected<Error> Bad(uint64_t offset, std::string_view message) const {
    return window_.Bad(offset, message);
  }

  // A message of so many bytes, weights not counted, is going to be read.
  void Expect(uint64_t bytes) { allowed_ += 4 * bytes; }
  // So many bytes are going to be kept, and `more` for a moment. Error ONNX_PARSE where that is out
  // of all proportion.
  Status Keep(uint64_t offset, uint64_t bytes, uint64_t more = 0);
  // A text of at most kMaxTensorNameBytes, or of `most`.
  Result<std::string> Name(const ProtoField& field);
  Result<std::string> Text(const ProtoField& field, uint64_t most);

  // The part that is the file of this name. Errors ONNX_PATH, ONNX_DATA, those of opening.
  Result<uint32_t> PartOf(const std::string& name, uint64_t offset);
  const ByteSource& part(uint32_t index) const { return *parts_[index]; }

 private:
  std::vector<std::unique_ptr<ByteSource>>& parts_;
  ProtoWindow window_;
  const OpenBeside& open_;
  std::map<std::string, uint32_t> part_of_;
  uint64_t held_ = 0, allowed_;
};

// Reads a TensorProto; checks that all its elements are there.
Result<OnnxTensor> ReadOnnxTensor(OnnxFile& file, const ProtoField& message);

}  // namespace tinyai
