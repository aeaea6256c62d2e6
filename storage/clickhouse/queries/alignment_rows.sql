-- What became of feedback in one alignment.
SELECT FeedbackId AS feedback_id, RowId AS row_id, toString(Level) AS level, TraceId AS trace_id, SpanId AS span_id, SessionId AS session_id,
       toString(Split) AS split, Fold AS fold, Expected AS expected, Recorded AS recorded, Before AS before, After AS after,
       toString(Flip) AS flip, Reason AS reason
FROM alignment_rows FINAL WHERE RunId = {run_id:String}
ORDER BY RowId, FeedbackId
