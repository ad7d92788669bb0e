#include "data/download.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

#include "core/file.h"
#include "data/mnist.h"
#include "tests/catch.h"
#include "tests/data/gzip.h"
#include "tests/scratch.h"
#include "tests/variable.h"

namespace weft::data {
namespace {

using tests::Scratch;
using tests::Variable;

// An HTTP server on localhost for as long as it lives: one answer per path, 404 for the others.
class Server {
 public:
  struct Answer {
    std::string body;
    std::size_t cut = 0;  // bytes of the body that are announced and never sent
    std::string redirect = {};
  };

  explicit Server(std::map<std::string, Answer> answers) : answers_(std::move(answers)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof address;
    const bool listens = ::bind(listener_, generic, length) == 0 && ::listen(listener_, 8) == 0 &&
                         ::getsockname(listener_, generic, &length) == 0;
    REQUIRE(listens);
    base_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  const std::string& base() const { return base_; }
  int requests() const { return requests_; }

 private:
  void serve() {
    while (true) {
      const int connection = ::accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      answer(connection);
      ::close(connection);
    }
  }
  void answer(int connection) {
    ++requests_;
    std::string request;
    char buffer[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
      if (got <= 0) return;
      request.append(buffer, static_cast<std::size_t>(got));
    }
    const std::size_t begin = request.find('/') + 1;
    const auto found = answers_.find(request.substr(begin, request.find(' ', begin) - begin));
    std::string reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (found != answers_.end()) {
      const auto& [body, cut, redirect] = found->second;
      reply = redirect.empty() ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 302 Found\r\nLocation: " + redirect + "\r\n";
      reply += "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n";
      reply += body.substr(0, body.size() - cut);
    }
    for (std::size_t sent = 0; sent < reply.size();) {
      const ssize_t put = ::send(connection, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
      if (put <= 0) return;
      sent += static_cast<std::size_t>(put);
    }
  }

  std::map<std::string, Answer> answers_;
  std::string base_;
  int listener_ = -1;
  std::atomic<int> requests_ = 0;
  Variable direct_{"no_proxy", "127.0.0.1"};
  std::thread thread_;
};

bool built_without() {
  if (!can_download()) WARN("built without libcurl: nothing to test");
  return !can_download();
}

// SHA-256 of "abc", from FIPS 180-4's examples.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

}  // namespace

TEST_CASE("the checksum is that of the content, gzipped or not") {
  if (built_without()) return;
  const Scratch scratch;
  write_file(scratch / "plain", "abc");
  write_file(scratch / "zipped", tests::gzip("abc"));
  CHECK(content_sha256(scratch / "plain") == kAbc);
  CHECK(content_sha256(scratch / "zipped") == kAbc);
}

TEST_CASE("a download that fits its checksum appears, folders made, redirects followed") {
  if (built_without()) return;
  const Scratch scratch;
  Server server({{"a", {"abc"}}, {"moved", {"", 0, "/a"}}, {"z", {tests::gzip("abc")}}});
  const std::string path = scratch / "deep/folder/a";
  for (const char* name : {"a", "moved", "z"}) {
    download({.address = server.base() + name, .path = path, .sha256 = kAbc});
    CHECK(read_text_file(path) == "abc");  // inflated
    std::filesystem::remove(path);
  }
}

TEST_CASE("a download that goes wrong leaves nothing behind and says why in one line") {
  if (built_without()) return;
  const Scratch scratch;
  const std::string path = scratch / "f";
  std::string base;
  const auto complaint = [&](const std::string& address) -> std::string {
    try {
      download({.address = address, .path = path, .sha256 = kAbc});
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::data);
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
      CHECK(std::filesystem::is_empty(scratch.path()));
      return error.what();
    }
    return "no error";
  };
  {
    Server server(
        {{"wrong", {"abd"}}, {"cut", {std::string(100000, 'x'), 1}}, {"half", {tests::gzip("abc").substr(0, 15)}}});
    base = server.base();
    CHECK_THAT(complaint(base + "wrong"), contains("wrong: expected SHA-256 " + std::string(kAbc) + " of its content"));
    CHECK_THAT(complaint(base + "cut"), contains("cut: cannot download: "));
    CHECK_THAT(complaint(base + "half"), contains("expected the end of the gzip stream"));
    CHECK_THAT(complaint(base + "none"), contains("none: cannot download: The requested URL returned error: 404"));
  }
  CHECK_THAT(complaint(base + "a"), contains("cannot download: Failed to connect to 127.0.0.1"));
  CHECK_THAT(complaint("ftp://127.0.0.1/a"), contains("cannot download: Protocol"));
}

TEST_CASE("a data set that lies nowhere is downloaded into the cache once") {
  if (built_without()) return;
  const Scratch scratch;
  std::string images("\0\0\x08\x03\0\0\0\x01\0\0\0\x1c\0\0\0\x1c", 16);
  images.append(28 * 28, '\x80');
  const std::string labels("\0\0\x08\x01\0\0\0\x01\x07", 9);
  write_file(scratch / "images", images);
  write_file(scratch / "labels", labels);
  const std::string images_sum = content_sha256(scratch / "images"), labels_sum = content_sha256(scratch / "labels");
  Server server(
      {{"train-images-idx3-ubyte.gz", {tests::gzip(images)}}, {"train-labels-idx1-ubyte.gz", {tests::gzip(labels)}}});
  MnistFamily family = mnist_families()[0];
  family.name = "tiny";
  family.address = server.base().c_str();
  family.train_images.sha256 = images_sum.c_str();
  family.train_labels.sha256 = labels_sum.c_str();

  const Variable cache("XDG_CACHE_HOME", scratch.path().c_str()), dir("WEFT_DATA_DIR", nullptr);
  CHECK_THROWS_AS(open_mnist(family, {.download = false}), Error);
  for (int i = 0; i < 2; ++i) {
    const DatasetPtr set = open_mnist(family, {});
    CHECK(set->size() == 1);
    CHECK(set->sample(0).target.item() == 7);
  }
  CHECK(server.requests() == 2);
  CHECK(std::filesystem::exists(scratch / "weft/tiny/train-images-idx3-ubyte"));
  CHECK_THROWS_WITH(open_mnist(family, {.split = Split::val}), contains("cannot download"));
}

}  // namespace weft::data
