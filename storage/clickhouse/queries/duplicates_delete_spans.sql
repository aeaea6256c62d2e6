-- Rows are named by partition, block number and offset, which never change, and found by their keys.
-- As an UPDATE of the row's existence: a mutation (the default) may lose an UPDATE of write-back that runs at the same time (ClickHouse #116686).
DELETE FROM otel_traces
WHERE (ServiceName, SpanName, toDateTime(Timestamp)) IN (/*arrived_keys*/)
  AND (_partition_id, _block_number, _block_offset) IN (SELECT partition, block_number, block_offset FROM (/*duplicates_spans*/))
