#include "engine/convert.h"

#include "os/atomic_file.h"

namespace tinyai {

Result<ConvertReport> ConvertModel(const OpenedModelFile& model, const std::string& target,
                                   bool replace,
                                   const std::function<bool(const WriteProgress&)>& progress) {
  const ModelFile& file = model.file;
  if (file.checksums) {
    return FailAt(ErrorCode::kUsage, "ALREADY_CONVERTED",
                  "this is a .tmai file already; there is nothing to convert", file.parts[0]);
  }
  std::vector<size_t> order;
  TmaiContents contents = ContentsOf(file, order);
  const TensorSource source = [&](size_t index, uint64_t offset, std::span<std::byte> to) {
    const TensorInfo& tensor = file.tensors[order[index]];
    return model.sources[tensor.part]->ReadAt(tensor.offset + offset, to);
  };
  return WriteModel(contents, source, model.sources, target, replace, progress);
}

Result<ConvertReport> WriteModel(TmaiContents& contents, const TensorSource& source,
                                 std::span<const File* const> inputs, const std::string& target,
                                 bool replace,
                                 const std::function<bool(const WriteProgress&)>& progress) {
  TRY_ASSIGN(const uint64_t bytes, LayOutTmai(contents));
  TRY_ASSIGN(const std::unique_ptr<AtomicFile> out,
             AtomicFile::Create(target, {.replace = replace, .inputs = inputs, .bytes = bytes}));
  TRY(WriteTmai(contents, source, *out, progress));
  for (const File* part : inputs) TRY(part->CheckUnchanged());
  TRY(out->Commit());
  return ConvertReport{contents.tensors.size(), bytes};
}

}  // namespace tinyai
