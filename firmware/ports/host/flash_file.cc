#include "ports/host/flash_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace edged::host {
namespace {

[[noreturn]] void fail(const char* path, const char* what) {
  std::fprintf(stderr, "edged-mcu: %s: %s\n", path, what);
  std::exit(EXIT_FAILURE);
}

}  // namespace

MutableBytes map_flash_file(const char* path, size_t size) {
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);  // a restart opens it, and locks it, anew
  struct stat found {};
  if (fd < 0 || fstat(fd, &found) != 0) fail(path, std::strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) fail(path, "is the flash of another board");
  const bool is_new = found.st_size == 0;
  if (!is_new && found.st_size != static_cast<off_t>(size)) fail(path, "has not the size of this board's flash");
  if (is_new && ftruncate(fd, static_cast<off_t>(size)) != 0) fail(path, std::strerror(errno));
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) fail(path, std::strerror(errno));
  if (is_new) std::memset(memory, 0xFF, size);
  return {static_cast<uint8_t*>(memory), size};
}

}  // namespace edged::host
