#include "graph/hparams.h"

#include <cmath>
#include <optional>

#include "fmt/format.h"

namespace tinyai {

std::string Hparams::Key(std::string_view name) const {
  return fmt::format("{}.{}", architecture_, name);
}

tl::unexpected<Error> Hparams::Bad(std::string_view name, std::string_view found,
                                   std::string_view expected) const {
  return Fail(ErrorCode::kBadFile, "MODEL_HPARAM",
              fmt::format("{} is {}; expected {}", Key(name), found, expected));
}

Result<uint64_t> Hparams::Required(std::string_view name, uint64_t least, uint64_t most) const {
  TRY_ASSIGN(const std::optional<uint64_t> found, metadata_.OptionalUint(Key(name)));
  const std::string expected = fmt::format("a number from {} to {}", least, most);
  if (!found) return Bad(name, "missing", expected);
  if (*found < least || *found > most) return Bad(name, fmt::to_string(*found), expected);
  return *found;
}

Result<uint64_t> Hparams::Optional(std::string_view name, uint64_t least, uint64_t most,
                                   uint64_t otherwise) const {
  if (!metadata_.Has(Key(name))) return otherwise;
  return Required(name, least, most);
}

Result<double> Hparams::OptionalFloat(std::string_view name, double above, bool or_equal,
                                      double otherwise) const {
  TRY_ASSIGN(const std::optional<double> found, metadata_.OptionalFloat(Key(name)));
  if (!found) return otherwise;
  if (!std::isfinite(*found) || *found < above || (!or_equal && *found == above)) {
    return Bad(name, fmt::to_string(*found),
               fmt::format("a finite number {} {}", or_equal ? "of at least" : "above", above));
  }
  return *found;
}

Result<uint64_t> Hparams::PerLayer(std::string_view name, uint64_t layers, uint64_t least,
                                   uint64_t most, std::optional<uint64_t> otherwise) const {
  const MetaValue* value = metadata_.Find(Key(name));
  if (value == nullptr) {
    if (otherwise) return *otherwise;
    return Bad(name, "missing", fmt::format("a number from {} to {}", least, most));
  }
  if (!value->is_array) return Required(name, least, most);
  TRY_ASSIGN(const auto items, metadata_.OptionalInts(Key(name)));
  if (items->size() != layers) {
    return Bad(name, fmt::format("an array of {}", items->size()),
               fmt::format("one number per layer ({})", layers));
  }
  for (const int64_t item : *items) {
    if (item != items->front()) {
      return Fail(ErrorCode::kUnsupported, "MODEL_HPARAM_UNSUPPORTED",
                  fmt::format("{} differs from layer to layer, which is not supported", Key(name)));
    }
    if (item < 0 || static_cast<uint64_t>(item) < least || static_cast<uint64_t>(item) > most) {
      return Bad(name, fmt::to_string(item), fmt::format("numbers from {} to {}", least, most));
    }
  }
  return static_cast<uint64_t>(items->front());
}

}  // namespace tinyai
