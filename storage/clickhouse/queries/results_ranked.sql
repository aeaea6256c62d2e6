-- Ids of results by filter in order of their value, lowest first (sign -1: highest), strictly after a place; those without a value are left out.
SELECT toString(EvaluationId) AS evaluation_id, Attempt AS attempt, Value AS value
FROM (
    SELECT EvaluationId, Attempt, Value
    FROM evaluations
    WHERE isNotNull(Value)
      AND (NOT {placed:Bool} OR Value * {sign:Int8} >= reinterpretAsFloat64({after_bits:UInt64}) * {sign:Int8})
      /*where*/
      AND ({superseded:Bool} OR (EvaluationId, Attempt) IN (
            SELECT EvaluationId, Attempt FROM evaluations_current FINAL
            WHERE (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
              AND (empty({trace_ids:Array(String)}) OR TraceId IN {trace_ids:Array(String)})))
    LIMIT 1 BY EvaluationId, Attempt
)
WHERE NOT {placed:Bool}
   OR (Value * {sign:Int8}, evaluation_id, attempt) > (reinterpretAsFloat64({after_bits:UInt64}) * {sign:Int8}, {after_id:String}, {after_attempt:UInt16})
ORDER BY Value * {sign:Int8}, evaluation_id, attempt
LIMIT {max_rows:UInt32}
