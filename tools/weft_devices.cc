// weft devices: what this machine can compute on, why not on the rest, and which kernels each kind of device has.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/kernel_slot.h"
#include "core/runtime/runtime.h"
#include "tools/commands.h"
#include "tools/flags.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

Json describe(Device device) {
  const DeviceFacts facts = runtime(device.kind).facts(device.index);
  Json versions = Json::object();
  for (const auto& [part, version] : facts.versions) versions[part] = version;
  return {{"device", to_string(device)},
          {"available", true},
          {"name", facts.name},
          {"memory_bytes", facts.memory_bytes},
          {"capability", facts.capability},
          {"versions", std::move(versions)}};
}

// Each device of the kind, or one entry that says why there is none.
void append_kind(Json& list, DeviceKind kind) {
  try {
    const int devices = runtime(kind).devices();
    for (int i = 0; i < devices; ++i) list.push_back(describe({kind, static_cast<std::int8_t>(i)}));
  } catch (const Error& error) {
    list.push_back({{"device", to_string(kind)}, {"available", false}, {"reason", error.what()}});
  }
}

void print_line(const Json& entry) {
  std::printf("%-10s ", entry["device"].get<std::string>().c_str());
  if (!entry["available"].get<bool>()) {
    std::printf("not available: %s\n", entry["reason"].get<std::string>().c_str());
    return;
  }
  std::printf("%s | %.1f GiB | %s", entry["name"].get<std::string>().c_str(),
              entry["memory_bytes"].get<double>() / (1 << 30), entry["capability"].get<std::string>().c_str());
  for (const auto& [part, version] : entry["versions"].items())
    std::printf(" | %s %s", part.c_str(), version.get<std::string>().c_str());
  std::printf("\n");
}

// The kinds whose module is in this build; a device of the kind need not be there.
std::vector<DeviceKind> loaded_kinds() {
  std::vector<DeviceKind> kinds = {DeviceKind::cpu};
  for (const DeviceKind kind : {DeviceKind::cuda, DeviceKind::emulated}) {
    try {
      load_module(kind);
      kinds.push_back(kind);
    } catch (const Error&) {
      // append_kind() has said why.
    }
  }
  return kinds;
}

// {"conv2d_forward": {"cpu": ["onednn.conv2d", "cpu.direct"], …}, …}, first choice first.
Json describe_kernels() {
  const std::vector<DeviceKind> kinds = loaded_kinds();
  Json slots = Json::object();
  for (const KernelSlotBase* slot : kernel_slots())
    for (const DeviceKind kind : kinds) slots[slot->name()][to_string(kind)] = slot->candidates(kind);
  return slots;
}

void print_kernels(const Json& slots) {
  std::printf("\nkernels of each slot, first choice first:\n");
  for (const auto& [slot, kinds] : slots.items()) {
    std::string line;
    for (const auto& [kind, names] : kinds.items()) {
      std::string list;
      for (const auto& name : names) list += (list.empty() ? "" : ", ") + name.get<std::string>();
      if (!list.empty()) line += (line.empty() ? "" : "; ") + kind + ": " + list;
    }
    std::printf("%-28s %s\n", slot.c_str(), line.c_str());
  }
}

}  // namespace

int devices_command(Arguments arguments) {
  Flags flags("devices", "what this machine can compute on");
  bool json = false;
  flags.on("--json", json, "print JSON");
  if (!flags.parse(arguments)) return 0;
  Json list = Json::array();
  for (const DeviceKind kind : {DeviceKind::cpu, DeviceKind::cuda, DeviceKind::emulated}) append_kind(list, kind);
  const Json kernels = describe_kernels();
  if (json) {
    std::printf("%s\n", Json{{"devices", list}, {"kernels", kernels}}.dump().c_str());
  } else {
    for (const Json& entry : list) print_line(entry);
    print_kernels(kernels);
  }
  return 0;
}

}  // namespace weft::cli
