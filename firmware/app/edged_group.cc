#include "app/edged_group.h"

#include "app/limits.h"

namespace edged::app {
namespace {

// Bytes of an answer that hold something else than the tensor's data, with room to spare.
constexpr size_t kOutputOverhead = 192;

void write_tensor(const ml::Tensor& tensor, protocol::CborWriter& out) {
  out.key("dtype").put_uint(static_cast<uint8_t>(tensor.type));
  out.key("scale").put_float(tensor.scale);
  out.key("zero").put_int(tensor.zero_point);
  out.key("shape").begin_array();
  for (uint8_t i = 0; i < tensor.rank; ++i) out.put_int(tensor.dims[i]);
  out.end();
}

// Bytes, since nobody vouches that the model's name is a text.
void write_operator(const ml::Diagnosis& diagnosis, protocol::CborWriter& out) {
  if (diagnosis.op_index < 0) return;
  out.key("op_index").put_int(diagnosis.op_index);
  if (diagnosis.op_code >= 0) out.key("op_code").put_int(diagnosis.op_code);
  if (!diagnosis.custom.empty()) out.key("op_custom").put_bytes(diagnosis.custom.part(0, kMaxCustomName));
}

}  // namespace

Status EdgedGroup::handle(const protocol::SmpHeader& header, protocol::CborReader& body, protocol::CborWriter& out) {
  const bool reads = header.op == protocol::SmpOp::kRead;
  switch (static_cast<Command>(header.command)) {
    case Command::kInfo:
      return reads ? info(out) : Status::kUnsupported;
    case Command::kInput:
      return reads ? Status::kUnsupported : input(body, out);
    case Command::kInvoke:
      return reads ? Status::kUnsupported : invoke(out);
    case Command::kOutput:
      return reads ? output(body, out) : Status::kUnsupported;
    case Command::kSelfTest:
      return reads ? Status::kUnsupported : self_test(out);
    case Command::kSample:
      return reads ? Status::kUnsupported : sample(body, out);
  }
  return Status::kUnsupported;
}

Status EdgedGroup::info(protocol::CborWriter& out) {
  const ml::Engine& engine = inference_.engine();
  write_identity(identity_, inference_.self_test(), out);
  if (inference_.failed_vector() != Inference::kNoVector) out.key("failed_vector").put_uint(inference_.failed_vector());
  out.key("arena_used").put_uint(inference_.loaded() ? engine.arena_used() : 0);
  out.key("arena_size").put_uint(inference_.arena_size());
  if (inference_.refused()) {
    out.key("diagnosis").put_text(inference_.diagnosis().what);
    write_operator(inference_.diagnosis(), out);
  }
  out.key("operators").begin_array();
  for (int32_t code = 0; code <= ml::kMaxOperatorCode; ++code) {
    if (ml::Engine::has_operator(code)) out.put_int(code);
  }
  out.end();
  const uint32_t inputs = inference_.loaded() ? engine.inputs() : 0;
  const uint32_t outputs = inference_.loaded() ? engine.outputs() : 0;
  for (const bool in : {true, false}) {
    out.key(in ? "inputs" : "outputs").begin_array();
    for (uint32_t i = 0; i < (in ? inputs : outputs); ++i) {
      const ml::Tensor tensor = in ? engine.input(i) : engine.output(i);
      out.begin_map();
      write_tensor(tensor, out);
      out.key("bytes").put_uint(tensor.bytes);
      out.end();
    }
    out.end();
  }
  info_ = true;
  return Status::kOk;
}

Status EdgedGroup::input(const protocol::CborReader& body, protocol::CborWriter& out) {
  const Result<uint32_t> index = body.uint_of("index", 0);
  const Result<uint32_t> offset = body.uint_of("off");
  const Result<Bytes> data = body.bytes_of("data");
  if (!index.ok()) return index.status();
  if (!offset.ok()) return Status::kMalformed;
  if (!data.ok()) return Status::kMalformed;
  const Status status = inference_.stage(index.value(), offset.value(), data.value());
  if (ok(status)) out.key("off").put_uint(offset.value() + data.value().size());
  return status;
}

Status EdgedGroup::invoke(protocol::CborWriter& out) {
  const uint32_t before = inference_.timing().count;
  const Status status = inference_.invoke_staged();
  if (inference_.timing().count == before) return status;  // nothing ran
  result_ = true;
  result_status_ = status;
  out.key("rc").put_uint(static_cast<uint8_t>(status));
  out.key("us").put_uint(inference_.timing().last_us);
  out.key("inference").put_uint(inference_.timing().count);
  out.key("outputs").put_uint(inference_.engine().outputs());
  return Status::kOk;
}

Status EdgedGroup::output(const protocol::CborReader& body, protocol::CborWriter& out) {
  if (!inference_.loaded()) return Status::kNotFound;
  if (inference_.timing().count == 0) return Status::kWrongState;
  const Result<uint32_t> index = body.uint_of("index", 0);
  const Result<uint32_t> offset = body.uint_of("off", 0);
  if (!index.ok()) return index.status();
  if (!offset.ok()) return offset.status();
  if (index.value() >= inference_.engine().outputs()) return Status::kOutOfRange;
  const ml::Tensor tensor = inference_.engine().output(index.value());
  if (offset.value() > tensor.bytes) return Status::kOutOfRange;
  out.key("off").put_uint(offset.value());
  out.key("len").put_uint(tensor.bytes);
  write_tensor(tensor, out);
  const size_t room = out.room() > kOutputOverhead ? out.room() - kOutputOverhead : 0;
  out.key("data").put_bytes(Bytes(tensor.data, tensor.bytes).part(offset.value(), room));
  return Status::kOk;
}

Status EdgedGroup::self_test(protocol::CborWriter& out) {
  if (!inference_.loaded() && !inference_.refused()) return Status::kNotFound;
  run_self_test(inference_, upkeep_);
  tested_ = true;
  out.key("vectors").put_uint(inference_.vectors());
  if (inference_.failed_vector() != Inference::kNoVector) out.key("failed").put_uint(inference_.failed_vector());
  return Status::kOk;
}

Status EdgedGroup::sample(const protocol::CborReader& body, protocol::CborWriter& out) {
  const Result<uint32_t> period = body.uint_of("period_ms");
  if (!period.ok()) return Status::kMalformed;
  if (!has_sensor_) return Status::kUnsupported;
  if (period.value() > kMaxPeriodMs) return Status::kOutOfRange;
  if (!inference_.loaded()) return Status::kNotFound;
  period_ms_ = period.value();
  period_set_ = true;
  out.key("period_ms").put_uint(period_ms_);
  return Status::kOk;
}

}  // namespace edged::app
