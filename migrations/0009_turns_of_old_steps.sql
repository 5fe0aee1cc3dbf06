-- Steps from before 0008 have no turn: each is taken for one that was asked for alone, so that a retry rather waits anew than takes an old answer.
UPDATE "item_steps" t SET "turn" = o.n
FROM (
  SELECT "batch_id", "item_id", "name",
    row_number() OVER (PARTITION BY "batch_id", "item_id" ORDER BY "position") - 1 AS n,
    max("turn") OVER (PARTITION BY "batch_id", "item_id") AS most
  FROM "item_steps"
) o
WHERE o.most = 0 AND o.n > 0 AND t."batch_id" = o."batch_id" AND t."item_id" = o."item_id" AND t."name" = o."name";
