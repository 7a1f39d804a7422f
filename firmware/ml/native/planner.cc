#include "ml/native/planner.h"

#include "ml/native/arena.h"

namespace edged::ml::native {
namespace {

bool meet(const Piece& a, const Piece& b) { return a.first <= b.last && b.first <= a.last; }

// Pieces that were placed form a list in order of their offsets.
class Placed {
 public:
  explicit Placed(Span<Piece> pieces) : pieces_(pieces) {}

  void place(uint16_t index) {
    Piece& piece = pieces_[index];
    uint64_t offset = 0;
    for (uint16_t i = first_; i != Piece::kNone; i = pieces_[i].next) {
      const Piece& other = pieces_[i];
      if (!meet(piece, other)) continue;
      if (other.offset >= offset + piece.bytes) break;  // the gap below it is large enough
      const uint64_t behind = align_up(uint64_t{other.offset} + other.bytes, kArenaAlignment);
      if (behind > offset) offset = behind;
    }
    if (offset + piece.bytes > end_) end_ = offset + piece.bytes;
    piece.offset = static_cast<uint32_t>(offset < kMaxArenaBytes ? offset : kMaxArenaBytes);
    insert(index);
  }
  [[nodiscard]] uint64_t end() const { return align_up(end_, kArenaAlignment); }

 private:
  void insert(uint16_t index) {
    uint16_t* link = &first_;
    while (*link != Piece::kNone && pieces_[*link].offset <= pieces_[index].offset) link = &pieces_[*link].next;
    pieces_[index].next = *link;
    *link = index;
  }

  Span<Piece> pieces_;
  uint16_t first_ = Piece::kNone;
  uint64_t end_ = 0;
};

}  // namespace

uint64_t plan(Span<Piece> pieces) {
  Placed placed(pieces);
  // Selection by size instead of a sort: a few hundred pieces, once per load, and no memory.
  uint32_t at_most = UINT32_MAX;
  for (;;) {
    uint32_t largest = 0;
    for (const Piece& piece : pieces) {
      if (piece.takes_memory() && piece.bytes < at_most && piece.bytes > largest) largest = piece.bytes;
    }
    if (largest == 0) break;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].takes_memory() && pieces[i].bytes == largest) placed.place(static_cast<uint16_t>(i));
    }
    at_most = largest;
  }
  for (Piece& piece : pieces) {
    if (piece.same_as != Piece::kNone) piece.offset = pieces[piece.same_as].offset;
  }
  return placed.end();
}

}  // namespace edged::ml::native
