#include "kernels/cudnn/plan_cache.h"

#define XXH_INLINE_ALL
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

namespace weft::cudnn {
namespace {

constexpr std::string_view kMagic = "weft cudnn plan 1\n";
constexpr std::uint64_t kMostBytes = 64 << 20;  // of a file; plans have some kilobytes

std::string hex(std::uint64_t value) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value));
  return digits;
}
std::uint64_t hash(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

// Takes "NAME value\n" off the front of the text.
std::string_view take_line(std::string_view& text, std::string_view name, const std::string& where) {
  const auto end = text.find('\n');
  require_data(text.starts_with(name) && end != text.npos && end > name.size(), where, "has no line '", name, "…'");
  const std::string_view value = text.substr(name.size(), end - name.size());
  text.remove_prefix(end + 1);
  return value;
}

// Files of others could hold anything: only those that the user alone can write are read.
void check_owner(const std::string& path) {
  struct ::stat facts {};
  require_data(::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode), path, "is no regular file");
  require_data(facts.st_uid == ::geteuid() && (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0, path,
               "can be written by others");
  require_data(static_cast<std::uint64_t>(facts.st_size) <= kMostBytes, path, "has ", facts.st_size, " bytes");
}

}  // namespace

std::string encode(const PlanFile& plan) {
  const std::string_view bytes(reinterpret_cast<const char*>(plan.bytes.data()), plan.bytes.size());
  std::string body = message("key ", plan.key, "\nengine ", plan.engine, "\nbytes ", bytes.size(), "\n");
  body += bytes;
  return message(kMagic, "hash ", hex(hash(body)), "\n") + body;
}

PlanFile decode(std::string_view text, const std::string& where) {
  require_data(text.starts_with(kMagic), where, "is no plan of this version of weft");
  text.remove_prefix(kMagic.size());
  const std::string_view wanted = take_line(text, "hash ", where);
  require_data(wanted == hex(hash(text)), where, "is damaged: its hash is not that of its content");
  PlanFile plan;
  plan.key = take_line(text, "key ", where);
  plan.engine = take_line(text, "engine ", where);
  const std::string_view count = take_line(text, "bytes ", where);
  std::uint64_t bytes = 0;
  const auto [end, problem] = std::from_chars(count.data(), count.data() + count.size(), bytes);
  require_data(problem == std::errc{} && end == count.data() + count.size() && bytes == text.size(), where,
               "announces ", count, " bytes and has ", text.size());
  plan.bytes.assign(text.begin(), text.end());
  return plan;
}

std::string plan_key(const Convolution& convolution, const std::string& identity) {
  return message(convolution, " | ", identity);
}
std::string plan_file_name(const std::string& key) { return hex(hash(key)) + ".plan"; }

std::string plan_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/')
    return message(cache, "/weft/cudnn-plans");
  if (const char* home = std::getenv("HOME"); home && *home) return message(home, "/.cache/weft/cudnn-plans");
  return "";
}

PlanCache::PlanCache(std::string identity, std::string folder)
    : identity_(std::move(identity)), folder_(std::move(folder)) {}

Outcome PlanCache::find(const Convolution& convolution, const Gpu& gpu) {
  const std::lock_guard lock(mutex_);
  if (const auto known = plans_.find(convolution); known != plans_.end()) return known->second;
  return plans_[convolution] = make(convolution, gpu);
}

Outcome PlanCache::make(const Convolution& convolution, const Gpu& gpu) {
  const std::string key = plan_key(convolution, identity_);
  if (Outcome found = restore(key, gpu); found.plan) {
    ++restored_;
    return found;
  }
  Outcome outcome = build_plan(convolution, gpu);
  ++built_;
  if (outcome.plan) keep(key, *outcome.plan);
  return outcome;
}

Outcome PlanCache::restore(const std::string& key, const Gpu& gpu) {
  if (folder_.empty()) return {};
  const std::string path = folder_ + "/" + plan_file_name(key);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  try {
    check_owner(path);
    const PlanFile file = decode(read_text_file(path), path);
    require_data(file.key == key, path, "is the plan of another call");
    Outcome outcome = restore_plan(gpu, file.engine, file.bytes);
    require_data(outcome.plan != nullptr, path, outcome.refusal);
    return outcome;
  } catch (const Error& error) {
    warn("cudnn: a kept plan is not used: ", error.what(), "; it is built anew");
    return {};
  }
}

void PlanCache::keep(const std::string& key, const Plan& plan) {
  const std::vector<std::uint8_t> bytes = plan.serialized();
  if (folder_.empty() || bytes.empty()) return;
  try {
    std::filesystem::create_directories(folder_);
    write_file(folder_ + "/" + plan_file_name(key), encode({key, plan.engine(), bytes}));
  } catch (const std::exception& error) {
    warn("cudnn: plans are not kept for the next run: ", error.what());
    folder_.clear();  // said once
  }
}

}  // namespace weft::cudnn
