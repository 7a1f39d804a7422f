// The loader's judgement of images for tests in Python.
//   boot_image_tool judge KEY         stdin: size u32 and image, again and again; stdout: for each two numbers, why the
//   form
//                                     is refused and why the image is, 0 for not at all, and what an accepted one says
//   boot_image_tool flip KEY IMAGE [N SEED]   flips each bit of the image, or N at random; how many were flipped, and
//   accepted
// KEY is the DER of a public key.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "boot/slots.h"
#include "boot/testing/signed_image.h"
#include "boot/verify.h"
#include "core/bytes.h"

namespace {

using edged::Bytes;
using edged::Status;
using edged::boot::testing::Blob;
namespace boot = edged::boot;

Blob load(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return Blob(std::istreambuf_iterator<char>(file), {});
}

boot::PublicKey public_key(const char* path) {
  const Blob der = load(path);
  boot::PublicKey key{};
  if (der.size() < sizeof key.point) std::exit(2);
  boot::MemorySource source(Bytes(der.data(), der.size()));
  if (!ok(boot::sha256(source, source.size(), key.hash))) std::exit(2);
  std::memcpy(key.point, der.data() + der.size() - sizeof key.point, sizeof key.point);
  return key;
}

// All but whether the key is ours and signed it.
Status judge_form(boot::Source& source, boot::Image& image) {
  uint8_t hash[boot::kHashSize];
  uint8_t raw[boot::kRawSignatureSize];
  if (const Status status = boot::read_image(source, boot::Extent::kFile, image); !ok(status)) return status;
  if (const Status status = boot::sha256(source, image.signed_size, hash); !ok(status)) return status;
  if (!edged::equal(hash, image.hash)) return Status::kCorrupt;
  return boot::read_signature({image.signature, image.signature_size}, raw);
}

int judge(const boot::PublicKey& key) {
  uint8_t size[4];
  while (std::fread(size, sizeof size, 1, stdin) == 1) {
    Blob blob(edged::get_u32(size));
    if (!blob.empty() && std::fread(blob.data(), blob.size(), 1, stdin) != 1) return 2;
    boot::MemorySource source(Bytes(blob.data(), blob.size()));
    boot::Image image, verified;
    const Status form = judge_form(source, image);
    const Status whole = verify(source, boot::Extent::kFile, key, {image.kind, image.board}, verified);
    std::printf("%d %d", static_cast<int>(form), static_cast<int>(whole));
    if (ok(form)) {
      std::printf(" %d %s %u.%u.%u.%u %u %d %u %u %s", static_cast<int>(image.kind), image.board, image.version.major,
                  image.version.minor, image.version.revision, image.version.build, image.counter,
                  static_cast<int>(image.placement), image.address, image.payload_size, image.name);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  return 0;
}

bool accepted(const Blob& blob, const boot::PublicKey& key, boot::Kind kind, const char* board) {
  boot::MemorySource source(Bytes(blob.data(), blob.size()));
  boot::Image image;
  return ok(verify(source, boot::Extent::kFile, key, {kind, board}, image));
}

int flip(const boot::PublicKey& key, const char* path, uint64_t count, uint32_t seed) {
  Blob blob = load(path);
  boot::MemorySource source(Bytes(blob.data(), blob.size()));
  boot::Image image;
  if (!ok(read_image(source, boot::Extent::kFile, image)) || !accepted(blob, key, image.kind, image.board)) return 2;
  std::mt19937 random(seed);
  const uint64_t bits = blob.size() * 8;
  const uint64_t flips = count == 0 ? bits : count;
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < flips; ++i) {
    const uint64_t bit = count == 0 ? i : random() % bits;
    uint8_t& byte = blob[bit / 8];
    byte = static_cast<uint8_t>(byte ^ 1U << bit % 8);
    wrong += accepted(blob, key, image.kind, image.board);
    byte = static_cast<uint8_t>(byte ^ 1U << bit % 8);
  }
  std::printf("%lu %lu\n", static_cast<unsigned long>(flips), static_cast<unsigned long>(wrong));
  return accepted(blob, key, image.kind, image.board) ? 0 : 2;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string what = count > 2 ? arguments[1] : "";
  if (what == "judge" && count == 3) return judge(public_key(arguments[2]));
  if (what == "flip" && count == 4) return flip(public_key(arguments[2]), arguments[3], 0, 0);
  if (what == "flip" && count == 6) {
    return flip(public_key(arguments[2]), arguments[3], std::strtoull(arguments[4], nullptr, 10),
                static_cast<uint32_t>(std::strtoul(arguments[5], nullptr, 10)));
  }
  std::fputs("usage: boot_image_tool judge KEY | flip KEY IMAGE [N SEED]\n", stderr);
  return 2;
}
