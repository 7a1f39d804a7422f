#include "ports/host/options.h"

#include <getopt.h>

#include <cstdio>
#include <cstdlib>

namespace edged::host {
namespace {

constexpr char kUsage[] =
    "usage: edged-mcu --flash FILE [--pty LINK] [--baud N] [--cut-at N [--torn]]\n"
    "A microcontroller as a program: loader, application, flash in a file, and a pseudo terminal for its serial line.\n"
    "  --flash FILE  its flash, 16 MB; made if it is absent\n"
    "  --pty LINK    a symbolic link to its terminal, for who wants to know it beforehand\n"
    "  --baud N      no faster than a line of this rate\n"
    "  --cut-at N    the power goes at the N-th page programmed or sector erased: the program ends with status 86\n"
    "  --torn        in the midst of it, instead of before\n";

[[noreturn]] void fail() {
  std::fputs(kUsage, stderr);
  std::exit(2);
}

uint64_t number(const char* text) {
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (end == text || *end != 0 || *text == '-') fail();
  return value;
}

}  // namespace

Options read_options(int count, char** arguments) {
  const option known[] = {
      {"flash", required_argument, nullptr, 'f'},    {"pty", required_argument, nullptr, 'p'},
      {"baud", required_argument, nullptr, 'b'},     {"cut-at", required_argument, nullptr, 'c'},
      {"torn", no_argument, nullptr, 't'},           {"line", required_argument, nullptr, 'l'},
      {"retained", required_argument, nullptr, 'r'}, {nullptr, 0, nullptr, 0},
  };
  Options options;
  for (int found = 0; (found = getopt_long(count, arguments, "", known, nullptr)) != -1;) {
    switch (found) {
      case 'f':
        options.flash = optarg;
        break;
      case 'p':
        options.link = optarg;
        break;
      case 'b':
        options.baud = static_cast<uint32_t>(number(optarg));
        break;
      case 'c':
        options.cut_at = number(optarg);
        break;
      case 't':
        options.torn = true;
        break;
      case 'l':
        options.line = static_cast<int>(number(optarg));
        break;
      case 'r':
        options.retained = static_cast<int>(number(optarg));
        break;
      default:
        fail();
    }
  }
  if (options.flash == nullptr || optind != count) fail();
  return options;
}

}  // namespace edged::host
