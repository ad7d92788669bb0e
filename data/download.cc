#include "data/download.h"

#include "core/error.h"

#if WEFT_HAS_CURL
#include <curl/curl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "core/file.h"
#include "data/inflate.h"

namespace weft::data {
namespace {

// What libcurl calls back with; nothing may be thrown through its frames, so errors wait here.
struct Transfer {
  AtomicFile* file;
  std::string label;
  std::exception_ptr error = nullptr;
  int shown_percent = -1;
};

std::size_t on_bytes(char* bytes, std::size_t, std::size_t n, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    transfer.file->write(std::string_view(bytes, n));
    return n;
  } catch (...) {
    transfer.error = std::current_exception();
    return 0;
  }
}

int on_progress(void* user, curl_off_t total, curl_off_t got, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  const int percent = total > 0 ? static_cast<int>(100 * got / total) : 0;
  if (percent == transfer.shown_percent) return 0;
  transfer.shown_percent = percent;
  constexpr int kWidth = 30;
  const std::string done(static_cast<std::size_t>(kWidth * percent / 100), '=');
  std::fprintf(stderr, "\r%s [%-*s] %3d%% of %.1f MB", transfer.label.c_str(), kWidth, done.c_str(), percent,
               static_cast<double>(total) / 1e6);
  return 0;
}

void set_up(CURL* curl, const std::string& address, Transfer& transfer, std::array<char, CURL_ERROR_SIZE>& why) {
  constexpr long kStallSeconds = 30, kStallBytesPerSecond = 1000, kConnectSeconds = 15;
  curl_easy_setopt(curl, CURLOPT_URL, address.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why.data());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, ::isatty(STDERR_FILENO) != 0 ? 0L : 1L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
}

void fetch(const std::string& address, AtomicFile& file) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  ensure(curl != nullptr, "libcurl refuses to start");
  Transfer transfer = {.file = &file, .label = std::filesystem::path(address).filename().string()};
  std::array<char, CURL_ERROR_SIZE> why = {};
  set_up(curl.get(), address, transfer, why);
  const CURLcode code = curl_easy_perform(curl.get());
  if (transfer.shown_percent >= 0) std::fputc('\n', stderr);
  if (transfer.error) std::rethrow_exception(transfer.error);
  if (code == CURLE_OK) return;
  fail(ErrorKind::data, address, "cannot download: ", why[0] != '\0' ? why.data() : curl_easy_strerror(code));
}

// SHA-256 of the content of a file, inflated when gzipped; the content is written to `to` unless that is null.
std::string copy_content(const std::string& path, AtomicFile* to) {
  InflatingReader content((ByteSource(path)));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  ensure(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1, "OpenSSL has no SHA-256");
  std::vector<std::byte> chunk(std::size_t{1} << 18);
  while (const std::size_t got = content.read(chunk)) {
    EVP_DigestUpdate(context.get(), chunk.data(), got);
    if (to != nullptr) to->write(std::span(chunk).first(got));
  }
  content.expect_end();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned bytes = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &bytes);
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += {kDigits[digest[i] >> 4], kDigits[digest[i] & 15]};
  }
  return text;
}

// copy_content with the address in the errors: the file of the path is gone afterwards.
std::string received_content(const std::string& address, const std::string& path, AtomicFile& to) {
  try {
    return copy_content(path, &to);
  } catch (const Error& error) {
    fail(error.kind(), address, "damaged on the way: ", error.what());
  }
}

}  // namespace

bool can_download() { return true; }

std::string content_sha256(const std::string& path) { return copy_content(path, nullptr); }

void download(const Download& wanted) {
  const std::string folder = std::filesystem::path(wanted.path).parent_path().string();
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) fail(ErrorKind::data, folder, "cannot make the folder: ", code.message());
  AtomicFile arriving(wanted.path + ".download");  // never committed
  fetch(wanted.address, arriving);
  AtomicFile content(wanted.path);
  const std::string found = received_content(wanted.address, arriving.temporary(), content);
  require_data(found == wanted.sha256, wanted.address, "expected SHA-256 ", wanted.sha256, " of its content, found ",
               found, "; nothing was kept");
  content.commit();
}

}  // namespace weft::data

#else

namespace weft::data {

bool can_download() { return false; }

std::string content_sha256(const std::string& path) {
  fail(ErrorKind::usage, path, "cannot be checked: this weft was built without OpenSSL");
}

void download(const Download& wanted) {
  fail(ErrorKind::usage, wanted.address, "cannot be downloaded: this weft was built without libcurl; put the file at ",
       wanted.path);
}

}  // namespace weft::data
#endif
