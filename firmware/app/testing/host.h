// The other end of the line in a test: requests in packets, and what a board sent taken apart.
#pragma once

#include <functional>
#include <string_view>

#include "app/testing/fake_hal.h"
#include "protocol/cbor.h"
#include "protocol/report.h"
#include "protocol/smp_server.h"

namespace edged::app::testing {

// The packet of a request.
[[nodiscard]] Blob request(
    protocol::SmpOp op, uint16_t group, uint8_t command,
    const std::function<void(protocol::CborWriter&)>& body = [](protocol::CborWriter&) {});

// The maps of all answers in what was sent, one after the other.
[[nodiscard]] std::vector<Blob> answers(const Blob& sent);
[[nodiscard]] std::string_view text_of(const Blob& answer, std::string_view key);

// The bodies of all reports of a type.
[[nodiscard]] std::vector<Blob> reports(const Blob& sent, protocol::ReportType type);

}  // namespace edged::app::testing
