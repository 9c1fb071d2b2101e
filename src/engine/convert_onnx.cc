#include "engine/convert_onnx.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "engine/graph_contents.h"
#include "format/onnx_model.h"
#include "os/file.h"
#include "os/folder.h"
#include "os/scratch_file.h"

namespace tinyai {
namespace {

Result<std::unique_ptr<ByteSource>> OpenExternal(const std::string& folder,
                                                 const std::string& name) {
  const std::string path = folder + "/" + name;
  switch (LookInFolder(folder, name)) {
    case FolderEntry::kFile:
      return File::Open(path);
    case FolderEntry::kOutside:
      return FailAt(ErrorCode::kBadFile, "ONNX_PATH",
                    "this is a link that leads out of the model's folder", path);
    case FolderEntry::kMissing:
      break;
  }
  return FailAt(ErrorCode::kBadFile, "ONNX_DATA",
                "the model has external data in this file, but it is not there", path);
}

// An ONNX model that has been read: what a .tmai file shall hold, and what its weights are made of.
class ReadyOnnx {
 public:
  static Result<std::unique_ptr<ReadyOnnx>> Read(const std::string& path,
                                                 const OnnxOptions& options) {
    std::unique_ptr<ReadyOnnx> out(new ReadyOnnx());
    TRY_ASSIGN(std::unique_ptr<File> first, File::Open(path));
    const std::string parent = std::filesystem::path(path).parent_path().string();
    const std::string folder = parent.empty() ? "." : parent;
    TRY_ASSIGN(out->model_, ReadOnnx(
                                std::move(first),
                                [&](const std::string& name) { return OpenExternal(folder, name); },
                                out->owned_));
    for (const auto& part : out->owned_) {
      out->files_.push_back(static_cast<const File*>(part.get()));
      out->parts_.push_back(part.get());
    }
    TRY_ASSIGN(out->imported_, ImportOnnx(out->model_, out->parts_, options));
    out->contents_ = ContentsOf(out->imported_.graph, out->model_.name, out->order_);
    out->weights_.emplace(out->imported_.recipes, out->parts_);
    return out;
  }

  TmaiContents& contents() { return contents_; }
  const std::vector<const File*>& files() const { return files_; }
  // This object outlives it.
  TensorSource source() {
    return [this](size_t index, uint64_t offset, std::span<std::byte> out) {
      return weights_->Make(order_[index], offset, out);
    };
  }

 private:
  ReadyOnnx() = default;

  std::vector<std::unique_ptr<ByteSource>> owned_;
  std::vector<const File*> files_;
  std::vector<const ByteSource*> parts_;
  OnnxModel model_;
  ImportedOnnx imported_;
  std::vector<uint32_t> order_;
  TmaiContents contents_;
  std::optional<WeightMaker> weights_;
};

// What is written reaches the disk every so often: until then it is held in memory.
class ScratchSink : public ByteSink {
 public:
  explicit ScratchSink(ScratchFile& file) : file_(file) {}
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    constexpr uint64_t kUnwritten = uint64_t{8} << 20;
    TRY(file_.WriteAt(offset, bytes));
    unwritten_ += bytes.size();
    if (unwritten_ < kUnwritten) return {};
    unwritten_ = 0;
    return file_.Sync();
  }

 private:
  ScratchFile& file_;
  uint64_t unwritten_ = 0;
};

}  // namespace

bool IsOnnxFile(const std::string& path) {
  if (IsFolder(path)) return false;
  const auto file = File::Open(path);
  return file && LooksLikeOnnx(**file);
}

Result<ConvertReport> ConvertOnnx(const std::string& path, const OnnxOptions& options,
                                  const std::string& target, bool replace,
                                  const std::function<bool(const WriteProgress&)>& progress) {
  TRY_ASSIGN(const std::unique_ptr<ReadyOnnx> onnx, ReadyOnnx::Read(path, options));
  return WriteModel(onnx->contents(), onnx->source(), onnx->files(), target, replace, progress);
}

Result<OpenedModelFile> OpenOnnx(const std::string& path, const OnnxOptions& options,
                                 const std::function<bool(const WriteProgress&)>& progress) {
  TRY_ASSIGN(const std::unique_ptr<ReadyOnnx> onnx, ReadyOnnx::Read(path, options));
  TRY_ASSIGN(const uint64_t bytes, LayOutTmai(onnx->contents()));
  TRY_ASSIGN(std::unique_ptr<ScratchFile> scratch, ScratchFile::Create(bytes));
  ScratchSink sink(*scratch);
  TRY(WriteTmai(onnx->contents(), onnx->source(), sink, progress));
  TRY(scratch->Sync());
  for (const File* part : onnx->files()) TRY(part->CheckUnchanged());
  TRY_ASSIGN(std::unique_ptr<File> file, scratch->Open(path));
  TRY_ASSIGN(OpenedModelFile opened, OpenModelFile(std::move(file)));
  opened.holder = std::shared_ptr<ScratchFile>(std::move(scratch));
  return opened;
}

}  // namespace tinyai
