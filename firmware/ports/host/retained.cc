#include "ports/host/retained.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace edged::host {

Retained& map_retained(int& fd) {
  const bool power_on = fd < 0;
  if (power_on) fd = memfd_create("retained", 0);  // kept by exec()
  if (fd < 0 || ftruncate(fd, sizeof(Retained)) != 0) {
    std::perror("edged-mcu: memory that survives a reset");
    std::exit(EXIT_FAILURE);
  }
  void* const memory = mmap(nullptr, sizeof(Retained), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    std::perror("edged-mcu: memory that survives a reset");
    std::exit(EXIT_FAILURE);
  }
  auto& retained = *static_cast<Retained*>(memory);
  if (power_on) {
    std::memset(memory, 0xA5, sizeof retained);
    retained.reason = hal::ResetReason::kPowerOn;
    retained.operations = 0;
  }
  return retained;
}

}  // namespace edged::host
