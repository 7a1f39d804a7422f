// Arbitrary bytes as an image, as a package and as a signature.
//
// Invariant: nothing is read that is not there, and the one image that is accepted is the one that was signed. The
// first byte of an input chooses between the rest as an image and the rest as changes to the signed one, so that what
// lies behind its hash is reached as well.
#include <cstdlib>
#include <cstring>

#include "boot/package.h"
#include "boot/slots.h"
#include "boot/testing/signed_image.h"
#include "boot/verify.h"
#include "core/bytes.h"

namespace {

using edged::Bytes;
using edged::boot::testing::Blob;
namespace boot = edged::boot;

constexpr size_t kChange = 3;  // bytes: where, and what

const boot::testing::Signer& signer() {
  static const boot::testing::Signer one;
  return one;
}

const Blob& genuine(boot::Kind kind) {
  static const Blob images[] = {
      signed_image(boot::testing::ImageSpec(), signer()),
      [] {
        boot::testing::ImageSpec spec;
        spec.kind = boot::Kind::kModel;
        return signed_image(spec, signer());
      }(),
  };
  return images[static_cast<size_t>(kind)];
}

void judge(const Blob& blob) {
  boot::MemorySource source(Bytes(blob.data(), blob.size()));
  for (const boot::Kind kind : boot::kAllKinds) {
    for (const boot::Extent extent : {boot::Extent::kFile, boot::Extent::kSlot}) {
      boot::Image image;
      if (!ok(verify(source, extent, signer().public_key(), {kind, "host"}, image))) continue;
      const Blob& signed_one = genuine(kind);
      const bool same =
          blob.size() >= signed_one.size() && std::equal(signed_one.begin(), signed_one.end(), blob.begin());
      if (!same || (extent == boot::Extent::kFile && blob.size() != signed_one.size())) std::abort();
    }
  }
}

void read_package(Bytes bytes) {
  boot::Package package;
  if (!ok(boot::Package::open(bytes, package))) return;
  size_t sum = package.model().size();
  for (uint32_t i = 0; i < package.vectors(); ++i) {
    for (const uint8_t byte : package.vector(i).input) sum += byte;
    for (const uint8_t byte : package.vector(i).output) sum += byte;
  }
  if (sum == 0) std::abort();  // a model is never empty
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes rest = Bytes(data, size).from(1);
  if (data[0] < boot::kKinds) {
    Blob changed = genuine(static_cast<boot::Kind>(data[0]));
    for (size_t at = 0; at + kChange <= rest.size(); at += kChange) {
      changed[edged::get_u16(&rest[at]) % changed.size()] ^= rest[at + 2];
    }
    judge(changed);
  } else {
    judge(Blob(rest.begin(), rest.end()));
  }
  read_package(rest);
  uint8_t raw[boot::kRawSignatureSize];
  static_cast<void>(boot::read_signature(rest, raw));
  return 0;
}
