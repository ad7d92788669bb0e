// An NVTX tool: a library that NVTX loads because NVTX_INJECTION64_PATH names it. It writes each call of weft's domain
// as a line to the file that WEFT_TEST_NVTX_LOG names, so that a test can read what a profiler would see.
#include <nvtx3/nvToolsExt.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace {

FILE* log_file() {
  static FILE* file = std::fopen(std::getenv("WEFT_TEST_NVTX_LOG"), "w");
  return file;
}

std::vector<std::string> domains, strings;

template <typename Handle>
Handle handle_of(std::size_t number) {
  return reinterpret_cast<Handle>(number);
}

nvtxDomainHandle_t NVTX_API create_domain(const char* name) {
  domains.emplace_back(name);
  std::fprintf(log_file(), "domain %s\n", name);
  return handle_of<nvtxDomainHandle_t>(domains.size());
}
void NVTX_API name_category(nvtxDomainHandle_t, std::uint32_t category, const char* name) {
  std::fprintf(log_file(), "category %u %s\n", category, name);
}
nvtxStringHandle_t NVTX_API register_string(nvtxDomainHandle_t, const char* text) {
  static auto* known = new std::map<std::string, std::size_t>;
  const auto [found, fresh] = known->emplace(text, strings.size() + 1);
  if (fresh) strings.emplace_back(text);
  return handle_of<nvtxStringHandle_t>(found->second);
}
int NVTX_API push(nvtxDomainHandle_t, const nvtxEventAttributes_t* event) {
  const bool registered = event->messageType == NVTX_MESSAGE_TYPE_REGISTERED;
  const std::string text =
      registered ? strings[reinterpret_cast<std::size_t>(event->message.registered) - 1] : event->message.ascii;
  std::fprintf(log_file(), "push %u %s %llu %s\n", event->category, registered ? "registered" : "text",
               static_cast<unsigned long long>(event->payload.ullValue), text.c_str());
  return 0;
}
int NVTX_API pop(nvtxDomainHandle_t) {
  std::fprintf(log_file(), "pop\n");
  std::fflush(log_file());
  return 0;
}

template <typename Function>
void install(NvtxFunctionTable table, unsigned id, Function function) {
  *table[id] = reinterpret_cast<NvtxFunctionPointer>(function);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int InitializeInjectionNvtx2(
    NvtxGetExportTableFunc_t get_export_table) {
  const auto* callbacks = static_cast<const NvtxExportTableCallbacks*>(get_export_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable table = nullptr;
  unsigned size = 0;
  if (!callbacks || !callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size)) return 0;
  install(table, NVTX_CBID_CORE2_DomainCreateA, create_domain);
  install(table, NVTX_CBID_CORE2_DomainNameCategoryA, name_category);
  install(table, NVTX_CBID_CORE2_DomainRegisterStringA, register_string);
  install(table, NVTX_CBID_CORE2_DomainRangePushEx, push);
  install(table, NVTX_CBID_CORE2_DomainRangePop, pop);
  return 1;
}
