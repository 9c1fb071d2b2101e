#include <algorithm>
#include <array>
#include <utility>

#include "format/model_file.h"
#include "format/tmai_layout.h"

namespace tinyai {
namespace {

Result<bool> IsTmai(const ByteSource& source) {
  std::array<char, kTmaiMagic.size()> start = {};
  if (source.size() < start.size()) return false;
  TRY(source.ReadAt(0, std::as_writable_bytes(std::span(start))));
  return std::equal(start.begin(), start.end(), kTmaiMagic.begin());
}

}  // namespace

Result<ModelFile> ReadModelFile(std::unique_ptr<ByteSource> first, const OpenSource& open,
                                std::vector<std::unique_ptr<ByteSource>>& parts_out) {
  TRY_ASSIGN(const bool is_tmai, IsTmai(*first));
  if (is_tmai) return ReadTmai(std::move(first), parts_out);
  return ReadGguf(std::move(first), open, parts_out);
}

PartialModelFile ReadModelFilePartial(std::unique_ptr<ByteSource> first, const OpenSource& open,
                                      std::vector<std::unique_ptr<ByteSource>>& parts_out) {
  const Result<bool> is_tmai = IsTmai(*first);
  if (is_tmai && !*is_tmai) return ReadGgufPartial(std::move(first), open, parts_out);
  PartialModelFile partial;
  partial.file.parts = {first->path()};
  partial.file.part_sizes = {first->size()};
  Result<ModelFile> file = ReadModelFile(std::move(first), open, parts_out);
  if (file) {
    partial.file = *std::move(file);
  } else {
    partial.error = std::move(file).error();
  }
  return partial;
}

}  // namespace tinyai
