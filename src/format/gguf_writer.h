#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "format/metadata_writer.h"

namespace tinyai {

// Puts together the header of a GGUF v3 file. The caller adds keys and declares tensors, in the
// order in which they shall lie in the file, then writes Header(), and after it each tensor's bytes
// followed by Padding() zeros; so no tensor needs to be in memory. Values are written as given: the
// caller makes sure that names are unique and shapes make sense.
class GgufWriter : public MetadataWriter {
 public:
  explicit GgufWriter(uint32_t version = 3) : version_(version) {}

  // Sets general.alignment too. Call before the first tensor. A power of two.
  void SetAlignment(uint32_t alignment);

  // `dims` innermost first, 1 to 4 of them; the first a multiple of the type's block.
  void AddTensor(std::string_view name, DType type, std::span<const uint64_t> dims);

  // All that comes before the data of the first tensor, padded to the alignment.
  std::vector<std::byte> Header() const;
  size_t tensor_count() const { return tensors_.size(); }
  uint64_t TensorBytes(size_t index) const { return tensors_[index].bytes; }
  uint64_t Padding(size_t index) const;  // zeros to write after the tensor

 private:
  struct Tensor {
    std::string name;
    DType type;
    std::vector<uint64_t> dims;
    uint64_t offset;  // from the start of the data
    uint64_t bytes;
  };
  uint32_t version_;
  uint32_t alignment_ = 32;
  std::vector<Tensor> tensors_;
};

// A whole file in memory; `data` has the bytes of each tensor. For tests and small models.
std::vector<std::byte> BuildGguf(const GgufWriter& writer,
                                 std::span<const std::vector<std::byte>> data);

}  // namespace tinyai
