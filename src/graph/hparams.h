#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "format/model_file.h"

namespace tinyai {

// The numbers of `<architecture>.*` keys, each checked when read. Errors are MODEL_HPARAM with the
// key, what was found and what would be right.
class Hparams {
 public:
  Hparams(const Metadata& metadata, std::string architecture)
      : metadata_(metadata), architecture_(std::move(architecture)) {}

  std::string Key(std::string_view name) const;
  // A whole number within [least, most].
  Result<uint64_t> Required(std::string_view name, uint64_t least, uint64_t most) const;
  Result<uint64_t> Optional(std::string_view name, uint64_t least, uint64_t most,
                            uint64_t otherwise) const;
  // A finite number greater than `above` (or equal where `or_equal`).
  Result<double> OptionalFloat(std::string_view name, double above, bool or_equal,
                               double otherwise) const;
  // A number, or an array with one equal number per layer (files of some families repeat it).
  Result<uint64_t> PerLayer(std::string_view name, uint64_t layers, uint64_t least, uint64_t most,
                            std::optional<uint64_t> otherwise) const;
  tl::unexpected<Error> Bad(std::string_view name, std::string_view found,
                            std::string_view expected) const;
  const Metadata& metadata() const { return metadata_; }

 private:
  const Metadata& metadata_;
  const std::string architecture_;
};

}  // namespace tinyai
