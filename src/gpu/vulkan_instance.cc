#include "gpu/vulkan_instance.h"

#include <algorithm>
#include <cstring>

#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr char kValidationLayer[] = "VK_LAYER_KHRONOS_validation";

tl::unexpected<Error> Missing(std::string why) {
  return Fail(ErrorCode::kUnsupported, "GPU_MISSING", std::move(why));
}

// volk keeps the functions of the loader in globals; they are the same for every instance.
std::mutex& LoaderMutex() {
  static std::mutex mutex;
  return mutex;
}

Status LoadLoader() {
  static const VkResult result = volkInitialize();
  if (result != VK_SUCCESS) {
    return Missing("no libvulkan.so.1 here (Debian: libvulkan1 and mesa-vulkan-drivers)");
  }
  if (volkGetInstanceVersion() < VK_API_VERSION_1_2) {
    return Missing("this Vulkan is older than 1.2");
  }
  return {};
}

bool HasValidationLayer() {
  uint32_t count = 0;
  vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vkEnumerateInstanceLayerProperties(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(), [](const VkLayerProperties& layer) {
    return std::strcmp(layer.layerName, kValidationLayer) == 0;
  });
}

VKAPI_ATTR VkBool32 VKAPI_CALL Note(VkDebugUtilsMessageSeverityFlagBitsEXT /*severity*/,
                                    VkDebugUtilsMessageTypeFlagsEXT /*types*/,
                                    const VkDebugUtilsMessengerCallbackDataEXT* data, void* user) {
  static_cast<VulkanInstance*>(user)->AddMessage(data->pMessage);
  return VK_FALSE;
}

}  // namespace

Result<std::shared_ptr<VulkanInstance>> VulkanInstance::Make(bool validate) {
  const std::lock_guard lock(LoaderMutex());
  TRY(LoadLoader());
  if (validate && !HasValidationLayer()) {
    return Missing("no VK_LAYER_KHRONOS_validation here (Debian: vulkan-validationlayers)");
  }
  std::shared_ptr<VulkanInstance> instance(new VulkanInstance());
  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.pApplicationName = "tinyai";
  application.apiVersion = VK_API_VERSION_1_2;
  VkDebugUtilsMessengerCreateInfoEXT messages{};
  messages.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
  messages.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                             VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  messages.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  messages.pfnUserCallback = Note;
  messages.pUserData = instance.get();
  const VkValidationFeatureEnableEXT enabled[] = {
      VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
  VkValidationFeaturesEXT features{};
  features.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT;
  features.pNext = &messages;
  features.enabledValidationFeatureCount = 1;
  features.pEnabledValidationFeatures = enabled;
  const char* const layers[] = {kValidationLayer};
  const char* const extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
  VkInstanceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  info.pApplicationInfo = &application;
  if (validate) {
    info.pNext = &features;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = layers;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = extensions;
  }
  const VkResult made = vkCreateInstance(&info, nullptr, &instance->instance_);
  if (made != VK_SUCCESS) return Missing("vkCreateInstance failed: " + VulkanName(made));
  volkLoadInstanceOnly(instance->instance_);
  if (validate) {
    const VkResult listening = vkCreateDebugUtilsMessengerEXT(instance->instance_, &messages,
                                                              nullptr, &instance->messenger_);
    if (listening != VK_SUCCESS) return Missing("no messages from the validation layer");
  }
  return instance;
}

VulkanInstance::~VulkanInstance() {
  if (instance_ == VK_NULL_HANDLE) return;
  const std::lock_guard lock(LoaderMutex());
  if (messenger_ != VK_NULL_HANDLE) {
    vkDestroyDebugUtilsMessengerEXT(instance_, messenger_, nullptr);
  }
  vkDestroyInstance(instance_, nullptr);
}

std::vector<std::string> VulkanInstance::TakeMessages() {
  const std::lock_guard lock(mutex_);
  return std::move(messages_);
}

void VulkanInstance::AddMessage(std::string message) {
  const std::lock_guard lock(mutex_);
  if (messages_.size() < 1000) messages_.push_back(std::move(message));
}

}  // namespace tinyai
