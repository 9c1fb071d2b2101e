#include "gpu/pipeline_cache.h"

#include <cstring>

#include "base/mix.h"
#include "fmt/format.h"
#include "os/cache_directory.h"

namespace tinyai {
namespace {

constexpr std::string_view kMagic = "tinyai pipelines";  // 16 bytes
constexpr size_t kHeaderBytes = 16 + 16 + 8;

uint64_t Checksum(std::string_view bytes) {
  uint64_t sum = bytes.size();
  for (const char byte : bytes) sum = Mix64(sum ^ static_cast<uint8_t>(byte));
  return sum;
}

std::string FileName(const GpuInfo& info) {
  return "gpu-" + FormatUuid(info.driver_uuid) + "-" + FormatUuid(info.uuid);
}

std::string DataOf(VulkanDevice& device) {
  size_t size = 0;
  device.vk.vkGetPipelineCacheData(device.handle, device.cache, &size, nullptr);
  std::string data(size, '\0');
  const VkResult got =
      device.vk.vkGetPipelineCacheData(device.handle, device.cache, &size, data.data());
  data.resize(got == VK_SUCCESS ? size : 0);
  return data;
}

}  // namespace

std::string PackPipelineCache(const std::array<uint8_t, 16>& driver, std::string_view data) {
  std::string file(kMagic);
  file.append(reinterpret_cast<const char*>(driver.data()), driver.size());
  const uint64_t sum = Checksum(data);
  for (int shift = 0; shift < 64; shift += 8) file += static_cast<char>(sum >> shift & 0xFF);
  return file.append(data);
}

std::optional<std::string_view> UnpackPipelineCache(const std::array<uint8_t, 16>& driver,
                                                    std::string_view file) {
  if (file.size() < kHeaderBytes) return std::nullopt;
  const std::string_view data = file.substr(kHeaderBytes);
  if (file.substr(0, kHeaderBytes) != PackPipelineCache(driver, data).substr(0, kHeaderBytes)) {
    return std::nullopt;
  }
  return data;
}

void LoadPipelineCache(VulkanDevice& device) {
  std::optional<std::string> file;
  if (const Result<CacheDirectory> directory = CacheDirectory::Open()) {
    file = directory->Read(FileName(device.gpu.info));
  }
  const std::optional<std::string_view> data =
      file ? UnpackPipelineCache(device.gpu.info.driver_uuid, *file) : std::nullopt;
  VkPipelineCacheCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
  if (data) {
    info.initialDataSize = data->size();
    info.pInitialData = data->data();
  }
  const VolkDeviceTable& vk = device.vk;
  if (vk.vkCreatePipelineCache(device.handle, &info, nullptr, &device.cache) == VK_SUCCESS) return;
  device.cache = VK_NULL_HANDLE;  // kernels are built without one
}

void StorePipelineCache(VulkanDevice& device) {
  if (device.cache == VK_NULL_HANDLE) return;
  if (!device.lost) {
    if (const Result<CacheDirectory> directory = CacheDirectory::Open()) {
      const std::string name = FileName(device.gpu.info);
      const std::string file = PackPipelineCache(device.gpu.info.driver_uuid, DataOf(device));
      if (file.size() <= CacheDirectory::kMostBytes && directory->Read(name) != file) {
        static_cast<void>(directory->Write(name, file));  // lost at worst
      }
    }
  }
  device.vk.vkDestroyPipelineCache(device.handle, device.cache, nullptr);
}

}  // namespace tinyai
