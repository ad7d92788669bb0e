#include "tests/cli/program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace weft::tests {
namespace {

int open_scratch_file() {
  std::string name = (std::filesystem::temp_directory_path() / "weft-output-XXXXXX").string();
  const int descriptor = ::mkstemp(name.data());
  if (descriptor < 0) throw std::runtime_error("no scratch file");
  ::unlink(name.c_str());
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return descriptor;
}

std::string read_all(int descriptor) {
  std::string text(static_cast<std::size_t>(::lseek(descriptor, 0, SEEK_END)), '\0');
  const ssize_t bytes = ::pread(descriptor, text.data(), text.size(), 0);
  text.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  return text;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace

std::string weft_path() { return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "weft").string(); }

Program::Program(const std::vector<std::string>& arguments, const std::vector<std::string>& environment)
    : out_(open_scratch_file()), err_(open_scratch_file()) {
  std::vector<std::string> words = {weft_path()}, variables = environment;
  words.insert(words.end(), arguments.begin(), arguments.end());
  for (char** entry = environ; *entry; ++entry) variables.emplace_back(*entry);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out_, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err_, STDERR_FILENO);
  const int code =
      ::posix_spawn(&process_, words[0].c_str(), &actions, nullptr, pointers(words).data(), pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) throw std::runtime_error("cannot start " + words[0] + ": " + std::strerror(code));
}

Program::~Program() {
  if (!ended_) {
    ::kill(process_, SIGKILL);
    collect(0);
  }
  ::close(out_);
  ::close(err_);
}

void Program::send(int signal) const {
  if (!ended_) ::kill(process_, signal);
}

void Program::deliver(int signal) const {
  send(signal);
  const std::string path = "/proc/" + std::to_string(process_) + "/status", key = "ShdPnd:\t";
  for (bool waits = true; waits;) {
    std::ifstream status(path);
    std::string line;
    while (std::getline(status, line) && !line.starts_with(key)) continue;
    waits = line.starts_with(key) && (std::stoull(line.substr(key.size()), nullptr, 16) >> (signal - 1) & 1) != 0;
  }
}

void Program::collect(int flags) {
  if (!ended_ && ::waitpid(process_, &status_, flags) == process_) ended_ = true;
}

bool Program::running() {
  collect(WNOHANG);
  return !ended_;
}

Finished Program::wait() {
  collect(0);
  const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  return {code, read_all(out_), read_all(err_)};
}

std::string Program::output_so_far() const { return read_all(out_); }

Finished run_weft(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  return Program(arguments, environment).wait();
}

}  // namespace weft::tests
