// Profiles: GPUs as cuDNN describes them (kernels/cudnn/profiles/*.json, part of the library), so that plans can be
// made for them on any machine.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weft::cudnn {

struct Profile {
  std::string_view name;        // of the file: "h200"
  std::string_view properties;  // its JSON
};
std::span<const Profile> profiles();  // by name

// The JSON of the GPU with that name, of this machine's ("cuda:0"), or in that file. Unknown names are Error(usage).
std::string properties_of(const std::string& gpu);
// "NVIDIA H200, compute capability 9.0", from the JSON.
std::string title_of(std::string_view properties, const std::string& where);

}  // namespace weft::cudnn
