"""
The journal: an append-only log on disk of every entry, in order; what is in it has been acknowledged (S30).

A folder of segments, each named after the position of its first entry:

    00000000000000000001.seg    a header, then frames; one frame is one commit
    00000000000000131073.seg    the next segment
    lock                        held by the one process that appends

Four rules make the folder readable after any crash:

1. A frame is durable before anybody is told of its entries. Bytes behind the last whole frame of the last
   segment were never acknowledged.
2. A segment is appended to by the process that made it, and no longer after its first failure: from then on
   it never changes. Opening the journal takes away what was not finished, and sets aside a last segment
   that is damaged, with what can be read of it in its place.
3. Positions count on without a hole. An entry whose position is not below that of the next segment was
   never acknowledged: its write failed, and so did taking it back.
4. Every frame can be read without the others, and says in two checksums which positions it holds. So a
   damaged place costs the frames that it touches, and everybody can say which entries these were.
"""
