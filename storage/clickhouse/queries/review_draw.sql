-- Targets of a selection, strictly after a place: by a hash of seed and ids, or the newest first.
-- The whole window is read for each page: an order by hash has no shorter way.
SELECT trace_id, span_id, start_ns, /*first_trace*/ AS first_trace,
       if({seeded:Bool}, toInt64(bitShiftRight(sipHash64({seed:String}, trace_id, span_id), 1)), -start_ns) AS place
FROM (/*targets*/)
WHERE (place, trace_id, span_id) > ({place:Int64}, {place_id:String}, {place_span_id:String})
ORDER BY place, trace_id, span_id
LIMIT {page_rows:UInt64}
